// SPDX-License-Identifier: MIT
// See capture.h, and the C functions that start captures and build the tables of their responses: a table with its strings
// costs less from here than field by field through FFI.
#include "script/capture.h"

#include "http/output.h"
#include "script/vm_inner.h"

namespace mw {

// --- waiting ---------------------------------------------------------------------------------------------------------

static void on_done(Request *sub, void *arg) {
  mw_capture *c = static_cast<mw_capture *>(arg);
  if (c->is_cancelled) return subrequest_free(sub);
  if (--c->pending == 0) sched_wake(&c->waiter, MW_OK);
}

static void on_cancel(Waiter *w) { reinterpret_cast<mw_capture *>(w)->is_cancelled = true; }

static void run_start(Task *t) {
  Request *sub = reinterpret_cast<Request *>(reinterpret_cast<char *>(t) - offsetof(Request, pump_task));
  mw_capture *c = static_cast<mw_capture *>(sub->sub_done_arg);
  if (c->is_cancelled) return subrequest_free(sub);
  subrequest_start(sub, on_done, c);
}

mw_capture *capture_new(Request *parent) {
  mw_capture *c = parent->arena.make<mw_capture>();
  c->parent = parent;
  vm_current->current->capture = c;
  return c;
}

void capture_park(mw_capture *c) {
  c->pending = c->subs.size;
  c->waiter.is_subrequest = true;
  sched_park(&c->waiter, on_cancel);
  for (Request *sub : c->subs) {
    sub->pump_task.run = run_start;
    sched_run_soon(&sub->pump_task);
  }
}

// --- uris ------------------------------------------------------------------------------------------------------------

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(str_lower(static_cast<unsigned char>(c)));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Undoes %XX; what is not of that form stays.
static Str unescape(Arena &arena, Str s) {
  if (s.find('%') == Str::npos) return s;
  char *to = static_cast<char *>(arena.alloc(s.size())), *at = to;
  for (size_t i = 0; i < s.size(); ++i) {
    int high = s[i] == '%' && i + 2 < s.size() ? hex_value(s[i + 1]) : -1;
    int low = high >= 0 ? hex_value(s[i + 2]) : -1;
    if (low >= 0) {
      *at++ = static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      *at++ = s[i];
    }
  }
  return {to, static_cast<size_t>(at - to)};
}

/// nginx's ngx_http_parse_unsafe_uri: no way up, no NUL.
static bool is_unsafe(Str path) {
  return path.empty() || path.find('\0') != Str::npos || path.find("/../") != Str::npos || path.ends_with("/..") ||
         path == ".." || path.starts_with("../");
}

static Str join_args(Arena &arena, Str a, Str b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  char *to = static_cast<char *>(arena.alloc(a.size() + b.size() + 1));
  char *end = str_put(str_put(str_put(to, a), "&"), b);
  return {to, static_cast<size_t>(end - to)};
}

CaptureError capture_add(mw_capture *c, Str uri, Str args, uint32_t method_id, Request *&sub) {
  Arena &arena = c->parent->arena;
  size_t mark = uri.find('?');
  Str path = unescape(arena, uri.substr(0, mark));
  if (is_unsafe(path)) return CaptureError::unsafe_uri;
  if (method_name(method_id).empty()) return CaptureError::bad_method;
  Str query = mark == Str::npos ? args : join_args(arena, uri.substr(mark + 1), args);
  sub = subrequest_create(c->parent, path, query, Sink::memory);
  if (!sub) return CaptureError::nested_too_deep;
  subrequest_set_method(sub, method_id);
  sub->sub_done_arg = c;
  *c->subs.push(arena) = sub;
  return CaptureError::none;
}

// --- C functions -----------------------------------------------------------------------------------------------------

static constexpr uint32_t kAllowed =
    MW_PHASE_SERVER_REWRITE | MW_PHASE_REWRITE | MW_PHASE_ACCESS | MW_PHASE_PRECONTENT | MW_PHASE_CONTENT;

static int yield_await(lua_State *L) {
  lua_settop(L, 0);
  lua_pushlightuserdata(L, &kAwaitMark);
  return lua_yield(L, 1);
}

/// start(uri) -> error: a GET for `uri` without options, waited for. Nothing is returned when it has ended.
/// start() waits for what mw_capture_add() added to the running light thread's capture.
static int capture_start(lua_State *L) {
  LightThread *t = vm_current->current;
  if (!lua_isyieldable(L)) return luaL_error(L, "attempt to yield across C-call boundary");
  if (lua_gettop(L) > 0) {
    size_t size;
    const char *uri = luaL_checklstring(L, 1, &size);
    Request *sub;
    switch (capture_add(capture_new(t->run->r), {uri, size}, {}, kMethodGet, sub)) {
      case CaptureError::none: break;
      case CaptureError::unsafe_uri: return lua_pushfstring(L, "unsafe uri in argument #1: %s", uri), 1;
      default: return lua_pushliteral(L, "failed to issue subrequest: -1"), 1;
    }
    subrequest_set_body(sub, SubBody::none);
  }
  capture_park(t->capture);
  return yield_await(L);
}

static void push(lua_State *L, Str s) { lua_pushlstring(L, s.data(), s.size()); }

/// Adds a header to the table on top; one seen before becomes a list.
static void add_header(lua_State *L, Str name, Str value) {
  push(L, name);
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    push(L, value);
    lua_rawset(L, -3);
  } else if (lua_istable(L, -1)) {
    push(L, value);
    lua_rawseti(L, -2, static_cast<int>(lua_objlen(L, -2)) + 1);
    lua_pop(L, 2);
  } else {
    lua_createtable(L, 2, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    push(L, value);
    lua_rawseti(L, -2, 2);
    lua_rawset(L, -3);
  }
}

/// Names of fields, as upvalues of collect(): a value on the stack costs less than a string to be interned.
enum Key { kStatus = 1, kHeader, kBody, kTruncated, kContentType, kKeyCount = kContentType };
static constexpr const char *kKeys[kKeyCount] = {"status", "header", "body", "truncated", "Content-Type"};

static void push_headers(lua_State *L, Request *sub) {
  const Response &resp = sub->resp;
  bool has_type = !resp.content_type.empty();
  int others = (resp.content_length >= 0) + (resp.last_modified >= 0) + (resp.location.data() != nullptr);
  lua_createtable(L, 0, static_cast<int>(resp.headers.size) + has_type + others);
  if (has_type) {
    lua_pushvalue(L, lua_upvalueindex(kContentType));
    push(L, resp.content_type);
    lua_rawset(L, -3);
  }
  Str value;
  if (others)
    for (const char *name : {"Content-Length", "Last-Modified", "Location"})
      if (response_header_at(sub, name, 0, value)) add_header(L, name, value);
  for (const RespHeader &h : resp.headers) add_header(L, h.name, h.value);
}

static void push_response(lua_State *L, Request *sub) {
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, lua_upvalueindex(kStatus));
  lua_pushinteger(L, sub->abi.status);
  lua_rawset(L, -3);
  lua_pushvalue(L, lua_upvalueindex(kHeader));
  push_headers(L, sub);
  lua_rawset(L, -3);
  lua_pushvalue(L, lua_upvalueindex(kBody));
  push(L, subrequest_output(sub));
  lua_rawset(L, -3);
  lua_pushvalue(L, lua_upvalueindex(kTruncated));
  lua_pushboolean(L, sub->is_truncated);
  lua_rawset(L, -3);
}

/// collect() -> a table for each subrequest of the capture that has ended.
static int capture_collect(lua_State *L) {
  mw_capture *c = vm_current->current->capture;
  if (!lua_checkstack(L, static_cast<int>(c->subs.size) + 8)) return luaL_error(L, "too many subrequests");
  for (Request *sub : c->subs) push_response(L, sub);
  int n = static_cast<int>(c->subs.size);
  for (Request *sub : c->subs) subrequest_free(sub);
  c->subs.size = 0;
  return n;
}

/// is_allowed(): 1, or nil where there is no request or the phase has no subrequests.
static int capture_is_allowed(lua_State *L) {
  const mw_worker_t *w = vm_current->abi;
  lua_pushboolean(L, w->req && (w->phase & kAllowed));
  return 1;
}

int capture_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"start", capture_start}, {"is_allowed", capture_is_allowed}, {nullptr, nullptr}};
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  for (const char *key : kKeys) lua_pushstring(L, key);
  lua_pushcclosure(L, capture_collect, kKeyCount);
  lua_setfield(L, -2, "collect");
  return 1;
}

}  // namespace mw
