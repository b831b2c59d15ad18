// SPDX-License-Identifier: MIT
// See capture.h, and the C functions that start captures and take their responses: several strings at once cost less from here
// than one by one through FFI.
#include "script/capture.h"

#include <utility>

#include "http/output.h"
#include "http/target.h"
#include "script/vm_inner.h"

namespace mw {

/// How many captures of a handler run one after the other before the loop has its turn.
static constexpr uint32_t kRunNow = 100;

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
  capture_select(c);
  return c;
}

void capture_select(mw_capture *c) { vm_current->current->capture = c; }

/// True where the subrequests would run next if the running light thread yielded: then it need not. The main request must
/// be on the stack, too: a client that is found gone would end it otherwise, and free what stands here.
static bool may_run_now(LightThread *t) {
  const Vm *vm = t->vm;
  bool is_alone = t->run->live == 1 && vm->shared->soon.is_empty() && vm->shared->subrequests.is_empty();
  return is_alone && t->run->r->main->running && !sched_is_left_over(t) && !vm->interrupt.is_set &&
         ++t->run->captured < kRunNow;
}

/// Runs the subrequests on the running light thread's stack, as far as they come without waiting.
static void run_now(mw_capture *c, const LightThread *t) {
  bool enforced = guard_leave(t->vm);
  for (Request *sub : c->subs) subrequest_start(sub, on_done, c);
  guard_return(t->vm, t->run, enforced);
}

bool capture_run(mw_capture *c) {
  LightThread *t = vm_current->current;
  c->pending = c->subs.size;
  c->waiter.is_subrequest = true;
  if (may_run_now(t)) {
    run_now(c, t);
    if (c->pending == 0) return true;
    sched_park(&c->waiter, on_cancel);
    return false;
  }
  sched_park(&c->waiter, on_cancel);
  bool is_next_turn = t->run->captured >= kRunNow;  // the worker's others have waited long enough
  if (is_next_turn) t->run->captured = 0;
  for (Request *sub : c->subs) {
    sub->pump_task.run = run_start;
    if (is_next_turn)
      vm_current->core->loop->post_next(&sub->pump_task);
    else
      sched_run_subrequest(&sub->pump_task);
  }
  return false;
}

// --- uris ------------------------------------------------------------------------------------------------------------

static Str join_args(Arena &arena, Str a, Str b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  char *to = static_cast<char *>(arena.alloc(a.size() + b.size() + 1));
  char *end = str_put(str_put(str_put(to, a), "&"), b);
  return {to, static_cast<size_t>(end - to)};
}

CaptureError capture_add(mw_capture *c, Str uri, Str args, uint32_t method_id, Request *&sub) {
  Arena &arena = c->parent->arena;
  TargetParts parts;
  if (!target_parse_unsafe(uri, static_cast<char *>(arena.alloc(uri.size())), parts)) return CaptureError::unsafe_uri;
  if (method_name(method_id).empty()) return CaptureError::bad_method;
  sub = subrequest_create(c->parent, parts.path, join_args(arena, parts.args, args), Sink::memory);
  if (!sub) return CaptureError::nested_too_deep;
  if (!sub->vm) sub->vm = vm_current;  // its ngx.ctx may be given by the one that asks
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

static bool is_allowed(const Vm *vm) { return vm->abi->req && (vm->abi->phase & kAllowed); }

static void push(lua_State *L, Str s) { lua_pushlstring(L, s.data(), s.size()); }

/// How many header fields there are besides Content-Type.
static uint32_t other_headers(const Response &resp) {
  return resp.headers.size + (resp.content_length >= 0) + (resp.last_modified >= 0) + (resp.location.data() != nullptr);
}

static void free_sub(mw_capture *c, size_t i) { subrequest_free(std::exchange(c->subs.data[i], nullptr)); }

/// Pushes what take() returns.
static int push_response(lua_State *L, mw_capture *c, size_t i) {
  Request *sub = c->subs.data[i];
  const Response &resp = sub->resp;
  bool has_more = other_headers(resp) > 0;
  lua_pushinteger(L, sub->abi.status);
  push(L, subrequest_output(sub));
  lua_pushboolean(L, sub->is_truncated);
  if (resp.content_type.empty())
    lua_pushnil(L);
  else
    push(L, resp.content_type);
  lua_pushboolean(L, has_more);
  if (!has_more) free_sub(c, i);
  return 5;
}

/// start(uri): a GET for `uri` without options, waited for. Returns what take(0) does, or nothing when that is to be called
/// now; the words of an error; false where the phase has no subrequests.
/// start() -> nothing: what mw_capture_add() added to the running light thread's capture, waited for.
static int capture_start(lua_State *L) {
  const Vm *vm = vm_current;
  if (!is_allowed(vm)) return lua_pushboolean(L, 0), 1;
  LightThread *t = vm->current;
  if (!lua_isyieldable(L)) return luaL_error(L, "attempt to yield across C-call boundary");
  bool is_one = lua_gettop(L) > 0;
  if (is_one) {
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
  mw_capture *c = t->capture;
  if (!capture_run(c)) return yield_await(L);
  return is_one ? push_response(L, c, 0) : 0;
}

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

/// The index of the subrequest that argument 1 names, in the running light thread's capture.
static size_t check_index(lua_State *L, const mw_capture *c) {
  size_t i = static_cast<size_t>(luaL_checkinteger(L, 1));
  if (i >= c->subs.size || !c->subs.data[i]) luaL_error(L, "no such subrequest");
  return i;
}

/// take(i) -> status, body, truncated, Content-Type or nil, more: of the capture's i-th subrequest, from 0, which has ended.
/// `more`: it has other header fields, and stays until add_headers() has been called.
static int capture_take(lua_State *L) {
  mw_capture *c = vm_current->current->capture;
  return push_response(L, c, check_index(L, c));
}

/// add_headers(i, table): all but Content-Type, of what take() said has more.
static int capture_add_headers(lua_State *L) {
  mw_capture *c = vm_current->current->capture;
  size_t i = check_index(L, c);
  Request *sub = c->subs.data[i];
  luaL_checktype(L, 2, LUA_TTABLE);
  Str value;
  for (const char *name : {"Content-Length", "Last-Modified", "Location"})
    if (response_header_at(sub, name, 0, value)) add_header(L, name, value);
  for (const RespHeader &h : sub->resp.headers) add_header(L, h.name, h.value);
  free_sub(c, i);
  return 0;
}

/// is_allowed(): false where there is no request or the phase has no subrequests.
static int capture_is_allowed(lua_State *L) {
  lua_pushboolean(L, is_allowed(vm_current));
  return 1;
}

int capture_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", capture_start},
                                       {"take", capture_take},
                                       {"add_headers", capture_add_headers},
                                       {"is_allowed", capture_is_allowed},
                                       {nullptr, nullptr}};
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

}  // namespace mw
