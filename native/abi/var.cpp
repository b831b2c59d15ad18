// SPDX-License-Identifier: MIT
// ngx.var: variables by number, resolved by name once per worker.
#include <string>
#include <unordered_map>
#include <vector>

#include "abi/abi.h"
#include "http/variable.h"
#include "script/vm_inner.h"

using namespace mw;

static Request *of(mw_req_t *r) { return reinterpret_cast<Request *>(r); }

/// Names seen by this worker. Each VM of it asks once for each; the table grows with distinct names only.
static thread_local std::vector<VarDef> names;
static thread_local std::unordered_map<std::string, int32_t> ids;
static thread_local const Plan *names_plan;
static constexpr size_t kMaxNames = 65536;

extern "C" MW_EXPORT
int32_t mw_var_id(const char *name, size_t len) {
  const Plan *plan = vm_current->core->p;
  if (names_plan != plan) {
    names.clear();
    ids.clear();
    names_plan = plan;
  }
  std::string key(name, len);
  if (auto known = ids.find(key); known != ids.end()) return known->second;
  VarDef def;
  if (names.size() >= kMaxNames || !variable_resolve(*plan, {name, len}, def)) return -1;
  names.push_back(std::move(def));
  return ids[key] = static_cast<int32_t>(names.size()) - 1;
}

extern "C" MW_EXPORT
int32_t mw_var_get(mw_req_t *r, int32_t id, mw_str *out) {
  const VarDef &def = names[static_cast<size_t>(id)];
  Str value;
  if (!def.get(of(r), def, value)) return MW_NOT_FOUND;
  *out = {value.data(), value.size()};
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_var_capture(mw_req_t *r, int32_t n, mw_str *out) {
  if (n <= 0) return MW_NOT_FOUND;  // the whole match is no capture
  Request *req = of(r);
  uint32_t i = static_cast<uint32_t>(n);
  if (i >= req->captures_n || req->captures[2 * i] == SIZE_MAX) return MW_NOT_FOUND;
  Str value = variable_capture(req, n);
  *out = {value.data(), value.size()};
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_var_set(mw_req_t *r, int32_t id, const char *value, size_t len) {
  const VarDef &def = names[static_cast<size_t>(id)];
  if (!def.set) return MW_BAD_ARG;
  def.set(of(r), def, {value, len});
  return MW_OK;
}
