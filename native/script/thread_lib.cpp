// SPDX-License-Identifier: MIT
// ngx.thread as C functions: spawn runs another coroutine and wait moves values between stacks, which FFI cannot do.
// Lua reaches them through moonwire/thread.lua.
#include "script/vm_inner.h"

namespace mw {

/// Yields the calling coroutine up to the scheduler; values of the next resume become the C function's results.
static int yield_await(lua_State *L) {
  lua_settop(L, 0);
  lua_pushlightuserdata(L, &kAwaitMark);
  return lua_yield(L, 1);
}

/// spawn(f, ...) -> coroutine. f runs until it first waits; then the spawner goes on, behind whatever was made ready before.
static int thread_spawn(lua_State *L) {
  Vm *vm = vm_current;
  luaL_argcheck(L, lua_isfunction(L, 1), 1, "Lua function expected");
  if (!vm->current) return luaL_error(L, "API disabled in the current context");
  LightThread *t = sched_thread_new(vm, vm->current->run, false);
  t->parent = L;
  int n = lua_gettop(L);
  lua_checkstack(t->co, n + 1);  // n fits L's stack, so it fits this one
  lua_xmove(L, t->co, n);
  if (lua_isyieldable(L)) {
    t->nargs = n - 1;
    sched_park_for_spawn(t);
    return yield_await(L);
  }
  sched_start_later(t, n - 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
  return 1;
}

/// What argument `i` is: a light thread, or one that has ended, or a coroutine that never was one.
struct Handle {
  LightThread *thread = nullptr;
  bool was_one = false;
};

static Handle check_handle(lua_State *L, int i) {
  lua_State *co = lua_tothread(L, i);
  luaL_argcheck(L, co, i, "lua thread expected");
  Handle h;
  h.thread = sched_of(co, &h.was_one);
  if (h.thread && (!h.thread->run || h.thread->is_entry)) h.thread = nullptr;
  return h;
}

static int refuse(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

/// wait(co...) -> true, results... | false, err | nil, why. Waits for the first that ends.
static int thread_wait(lua_State *L) {
  int n = lua_gettop(L);
  if (n == 0) return luaL_error(L, "at least one coroutine should be specified");
  if (!vm_current->current) return luaL_error(L, "API disabled in the current context");
  for (int i = 1; i <= n; ++i) {
    Handle h = check_handle(L, i);
    if (h.was_one && i < n) continue;  // lua-nginx-module minds the last alone
    if (h.was_one) return refuse(L, "already waited or killed");
    if (!h.thread) return luaL_error(L, "attempt to wait on a coroutine that is not a user thread");
    if (h.thread->parent != L) return luaL_error(L, "only the parent coroutine can wait on the thread");
    if (h.thread->state == LightThread::zombie) return sched_collect(h.thread, L);
  }
  if (!lua_isyieldable(L)) return luaL_error(L, "attempt to yield across C-call boundary");
  uint64_t epoch = sched_park_for_threads();
  for (int i = 1; i <= n; ++i) {
    Handle h = check_handle(L, i);
    if (!h.thread) continue;
    h.thread->waited_by = vm_current->current;
    h.thread->waited_epoch = epoch;
  }
  return yield_await(L);
}

/// kill(co) -> 1 | nil, why.
static int thread_kill(lua_State *L) {
  if (!vm_current->current) return luaL_error(L, "API disabled in the current context");
  Handle h = check_handle(L, 1);
  if (h.was_one) return refuse(L, "already waited or killed");
  if (!h.thread) return refuse(L, "not user thread");
  // One that runs is itself the killer, or has resumed it.
  if (h.thread->parent != L || h.thread->state == LightThread::running) return refuse(L, "killer not parent");
  if (h.thread->waiter && h.thread->waiter->is_subrequest) return refuse(L, "pending subrequests");
  bool is_zombie = h.thread->state == LightThread::zombie;
  sched_kill(h.thread);
  if (is_zombie) return refuse(L, "already terminated");
  lua_pushinteger(L, 1);
  return 1;
}

/// state_of(co) -> "dead" | "zombie" | "suspended" (by its own coroutine.yield) | "running" (waits for something, or
/// its turn): what the coroutine itself cannot tell of a light thread. Nil where it can.
static int thread_state_of(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  LightThread *t = co ? sched_of(co) : nullptr;
  if (!t) return 0;
  if (!t->run)
    lua_pushliteral(L, "dead");
  else if (t->state == LightThread::zombie)
    lua_pushliteral(L, "zombie");
  else if (t->state == LightThread::running)
    return 0;
  else if (t->has_yielded)
    lua_pushliteral(L, "suspended");
  else
    lua_pushliteral(L, "running");
  return 1;
}

/// is_alive(co, ticket): whether that light thread still lives.
static int thread_is_alive(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  LightThread *t = co ? sched_of(co) : nullptr;
  lua_pushboolean(
      L, t && t->run && t->state != LightThread::zombie && t->abi.ticket == static_cast<int64_t>(lua_tonumber(L, 2)));
  return 1;
}

/// self() -> coroutine, ticket of the running light thread, whatever user coroutine calls.
static int thread_self(lua_State *L) {
  LightThread *t = vm_current->current;
  if (!t) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
  lua_pushnumber(L, static_cast<lua_Number>(t->abi.ticket));
  return 2;
}

/// on_abort(f) -> 1 | nil, why. f runs as a light thread of the handler when the client goes before it has ended.
static int thread_on_abort(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  const LightThread *t = vm_current->current;
  if (!t || !t->run->r) return luaL_error(L, "no request found");
  if (!t->run->r->conf->lua_check_client_abort) return refuse(L, "lua_check_client_abort is off");
  if (t->run->on_abort || t->run->r->has_lost_client) return refuse(L, "duplicate call");
  lua_State *co = sched_new_on_abort(L)->co;
  lua_settop(L, 1);
  lua_xmove(L, co, 1);
  lua_pushinteger(L, 1);
  return 1;
}

int thread_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"spawn", thread_spawn},       {"wait", thread_wait},
                                       {"kill", thread_kill},         {"state_of", thread_state_of},
                                       {"is_alive", thread_is_alive}, {"self", thread_self},
                                       {"on_abort", thread_on_abort}, {nullptr, nullptr}};
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

}  // namespace mw
