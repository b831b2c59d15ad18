// SPDX-License-Identifier: MIT
// The request as Lua reads and changes it: head, arguments, body, and where it goes next.
#include "abi/abi.h"

#include <utility>

#include "http/body.h"
#include "http/phase.h"
#include "http/target.h"
#include "script/scheduler.h"
#include "script/vm_inner.h"

using namespace mw;

static Request *of(mw_req_t *r) { return reinterpret_cast<Request *>(r); }
static void give(mw_str *out, Str s) { *out = {s.data() ? s.data() : "", s.size()}; }

extern "C" MW_EXPORT
void mw_req_method(mw_req_t *r, mw_str *out) { give(out, of(r)->method); }
extern "C" MW_EXPORT
uint32_t mw_req_method_id(mw_req_t *r) { return of(r)->method_id; }

extern "C" MW_EXPORT
int32_t mw_req_set_method(mw_req_t *r, uint32_t id) {
  Str name = method_name(id);
  if (name.empty()) return MW_BAD_ARG;
  of(r)->method = name;
  of(r)->method_id = id;
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_req_raw_header(mw_req_t *r, int32_t no_line, mw_str *out) {
  Str raw = of(r)->raw_head;
  while (!raw.empty() && (raw[0] == '\r' || raw[0] == '\n')) raw.remove_prefix(1);
  if (no_line) {
    size_t end = raw.find('\n');
    raw = end == Str::npos ? Str{} : raw.substr(end + 1);
  }
  give(out, raw);
}

extern "C" MW_EXPORT
double mw_req_start_time(mw_req_t *r) { return static_cast<double>(of(r)->start_ms) / 1000; }

// --- headers ---------------------------------------------------------------------------------------------------------

extern "C" MW_EXPORT
int32_t mw_req_headers(mw_req_t *req, mw_str *pairs, int32_t max, int32_t raw) {
  Request *r = of(req);
  int32_t n = 0;
  for (const HttpHeader &h : r->head.headers) {
    if (n < max) {
      Str name = h.name;
      if (!raw) {
        char *low = static_cast<char *>(r->arena.alloc(name.size()));
        for (size_t i = 0; i < name.size(); ++i)
          low[i] = static_cast<char>(str_lower(static_cast<unsigned char>(name[i])));
        name = {low, name.size()};
      }
      give(&pairs[2 * n], name);
      give(&pairs[2 * n + 1], h.value);
    }
    ++n;
  }
  return n;
}

extern "C" MW_EXPORT
void mw_req_clear_header(mw_req_t *req, const char *name, size_t name_len) {
  HeaderList &list = of(req)->head.headers;
  for (uint32_t i = 0; i < list.size();) {
    if (str_iequal(list[i].name, {name, name_len}))
      list.erase(i);
    else
      ++i;
  }
}

extern "C" MW_EXPORT
int32_t mw_req_set_header(mw_req_t *req, const char *name, size_t name_len, const char *value, size_t value_len,
                          int32_t append) {
  request_set_header(of(req), {name, name_len}, {value, value_len}, append != 0);
  return MW_OK;
}

// --- target ----------------------------------------------------------------------------------------------------------

extern "C" MW_EXPORT
void mw_req_args(mw_req_t *r, mw_str *out) { give(out, of(r)->args); }
extern "C" MW_EXPORT
void mw_req_set_args(mw_req_t *r, const char *args, size_t len) {
  of(r)->args = len ? of(r)->arena.dup({args, len}) : Str("");
}

extern "C" MW_EXPORT
int32_t mw_req_set_uri(mw_req_t *req, const char *uri, size_t len, int32_t jump) {
  Request *r = of(req);
  if (jump && sched_has_subrequests()) return MW_BUSY;
  r->uri = r->arena.dup({uri, len});
  r->is_uri_plain = true;
  r->abi.is_internal = 1;
  if (!jump) return MW_OK;
  r->uri_changed = true;
  r->has_reload = true;
  sched_exit(kOk);
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_req_exec(mw_req_t *req, const char *uri, size_t len, const char *args, size_t args_len) {
  Request *r = of(req);
  if (sched_has_subrequests()) return MW_BUSY;
  TargetParts parts;
  parts.path = r->arena.dup({uri, len});
  char *room = static_cast<char *>(r->arena.alloc(len));
  if (uri[0] != '@' && !target_parse_unsafe(parts.path, room, parts)) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "unsafe URI \"%.*s\" was detected",
              static_cast<int>(parts.path.size()), parts.path.data());
    return MW_BAD_ARG;
  }
  r->exec_uri = parts.path;
  r->exec_args = args ? r->arena.dup({args, args_len}) : Str{};
  r->has_exec = true;
  sched_exit(kDone);
  return MW_AGAIN;
}

// --- body ------------------------------------------------------------------------------------------------------------

struct BodyWait;

/// The light threads that wait for a request's body.
struct BodyWaits {
  Request *r = nullptr;
  BodyWait *first = nullptr;
};

struct BodyWait {
  Waiter waiter;
  BodyWaits *all = nullptr;
  BodyWait *next = nullptr;
};

static void on_body(Request *, Rc rc, void *arg) {
  for (BodyWait *w = std::exchange(static_cast<BodyWaits *>(arg)->first, nullptr); w; w = w->next)
    sched_wake(&w->waiter, rc == kOk ? MW_OK : rc == kError ? MW_CLOSED : rc);
}

static void cancel_body(Waiter *waiter) {
  BodyWait *w = reinterpret_cast<BodyWait *>(reinterpret_cast<char *>(waiter) - offsetof(BodyWait, waiter));
  BodyWait **at = &w->all->first;
  while (*at != w) at = &(*at)->next;
  *at = w->next;
  if (!w->all->first) body_forget(w->all->r);
}

extern "C" MW_EXPORT
int32_t mw_req_read_body(mw_req_t *req) {
  Request *r = of(req);
  BodyState &b = r->body;
  bool is_reading = b.state == BodyState::reading;
  if (is_reading && b.done && b.done != on_body) return MW_BUSY;
  BodyWaits *all = is_reading && b.done ? static_cast<BodyWaits *>(b.done_arg) : r->arena.make<BodyWaits>();
  all->r = r;
  if (is_reading) {  // for another light thread, or one that was killed
    b.done = on_body;
    b.done_arg = all;
  } else {
    Rc rc = body_read(r, on_body, all);
    if (rc == kOk) return MW_OK;
    if (rc == kError) return MW_CLOSED;
    if (rc != kAgain) return rc;
  }
  BodyWait *wait = r->arena.make<BodyWait>();
  wait->all = all;
  wait->next = std::exchange(all->first, wait);
  sched_park(&wait->waiter, cancel_body);
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_req_discard_body(mw_req_t *r) {
  const BodyState &b = of(r)->body;
  if (b.is_streamed && b.state == BodyState::reading) return MW_BUSY;
  body_discard(of(r));
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_req_body_data(mw_req_t *r, mw_str *out) {
  Str data;
  if (!body_in_memory(of(r), data)) return MW_NOT_FOUND;
  give(out, data);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_req_body_file(mw_req_t *r, mw_str *out) {
  const BodyState &b = of(r)->body;
  if (!b.in_file || b.state != BodyState::complete) return MW_NOT_FOUND;
  give(out, b.path);
  return MW_OK;
}

extern "C" MW_EXPORT
void mw_req_set_body_data(mw_req_t *r, const char *data, size_t len) { body_replace(of(r), {data, len}); }

extern "C" MW_EXPORT
int32_t mw_req_finish_body(mw_req_t *req, const char *data, size_t len, int32_t room) {
  Request *r = of(req);
  body_replace(r, {data, len});
  uint64_t most = room < 0 ? r->conf->client_body_buffer_size : static_cast<uint64_t>(room);
  return len > most && body_to_file(r) != kOk ? MW_ERROR : MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_req_set_body_file(mw_req_t *r, const char *path, size_t len, int32_t remove_after) {
  if (!body_replace_file(of(r), {path, len}, remove_after != 0)) return MW_NOT_FOUND;
  std::string size = std::to_string(of(r)->body.total);
  return mw_req_set_header(r, "Content-Length", 14, size.data(), size.size(), 0);
}

extern "C" MW_EXPORT
void mw_config_prefix(mw_str *out) { give(out, vm_current->core->p->prefix); }
