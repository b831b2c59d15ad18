// SPDX-License-Identifier: MIT
// See headers_more.h.
#include "http/modules/headers_more.h"

#include "http/variable.h"

namespace mw {

static bool type_matches(const Request *r, const std::vector<std::string> &types) {
  Str type = r->resp.content_type;
  type = type.substr(0, type.find(';'));
  for (const std::string &t : types)
    if (str_iequal(type, t)) return true;
  return types.empty();
}

static bool status_matches(const Request *r, const std::vector<int32_t> &statuses) {
  for (int32_t s : statuses)
    if (s == r->abi.status) return true;
  return statuses.empty();
}

/// Clears every header whose name begins with `prefix`.
static void clear_prefix(Request *r, Str prefix) {
  auto begins = [prefix](Str name) {
    return name.size() >= prefix.size() && str_iequal(name.substr(0, prefix.size()), prefix);
  };
  for (const char *name : {"Content-Type", "Content-Length", "Last-Modified", "Location", "Server", "Date"})
    if (begins(name)) response_clear_header(r, name);
  ArenaVec<RespHeader> &list = r->resp.headers;
  for (uint32_t i = 0; i < list.size;) {
    if (begins(list.data[i].name))
      list.erase(i);
    else
      ++i;
  }
}

static void clear(Request *r, const MoreHeaders::Field &f) {
  constexpr Str kRanges = "Accept-Ranges";
  Str name = f.is_prefix ? kRanges.substr(0, f.name.size()) : kRanges;
  if (str_iequal(f.name, name)) r->resp.allow_ranges = false;  // it would come back
  if (f.is_prefix) return clear_prefix(r, f.name);
  response_clear_header(r, f.name);
}

static void apply(Request *r, const MoreHeaders &directive, const MoreHeaders::Field &f) {
  if (f.is_clear) return clear(r, f);
  Str value = complex_value(r, f.value);
  if (value.empty()) return clear(r, f);
  if (directive.is_append) return response_add_header(r, f.name, value);
  response_set_header(r, f.name, value);
}

void headers_more_filter(Request *r) {
  for (const MoreHeaders &m : r->conf->more_headers) {
    if (!type_matches(r, m.types) || !status_matches(r, m.statuses)) continue;
    for (const MoreHeaders::Field &f : m.fields) apply(r, m, f);
  }
}

// --- the request's ---------------------------------------------------------------------------------------------------

static bool input_type_matches(const Request *r, const std::vector<std::string> &types) {
  if (types.empty()) return true;
  Str type = request_header(r, "content-type");
  type = type.substr(0, type.find(';'));
  for (const std::string &t : types)
    if (str_iequal(type, t)) return true;
  return false;
}

static void clear_input(Request *r, const MoreHeaders::Field &f) {
  HeaderList &list = r->head.headers;
  for (uint32_t i = 0; i < list.size();) {
    Str name = list[i].name;
    bool matches = f.is_prefix ? name.size() >= f.name.size() && str_iequal(name.substr(0, f.name.size()), f.name)
                               : str_iequal(name, f.name);
    if (matches)
      list.erase(i);
    else
      ++i;
  }
}

void headers_more_input(Request *r) {
  for (const MoreHeaders &m : r->conf->more_input_headers) {
    if (!input_type_matches(r, m.types)) continue;
    for (const MoreHeaders::Field &f : m.fields) {
      Str value = f.is_clear ? Str{} : complex_value(r, f.value);
      if (value.empty()) {
        clear_input(r, f);
      } else if (!m.is_replace || request_header(r, f.name).data()) {
        request_set_header(r, f.name, value, m.is_append);
      }
    }
  }
}

}  // namespace mw
