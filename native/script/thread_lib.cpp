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

/// spawn(f, ...) -> coroutine. Runs f until it first waits.
static int thread_spawn(lua_State *L) {
  Vm *vm = vm_current;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (!vm->current) return luaL_error(L, "API disabled in the current context");
  Run *run = vm->current->run;
  LightThread *t = sched_thread_new(vm, run);
  t->parent = L;
  int n = lua_gettop(L);
  if (!lua_checkstack(t->co, n)) return luaL_error(L, "too many arguments");
  lua_xmove(L, t->co, n);
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
  ++run->depth;  // the spawner is on the stack: the run cannot end under it
  sched_resume(t, n - 1);
  --run->depth;
  if (run->has_exited || run->is_dropped) {
    vm->current->is_exiting = true;
    return yield_await(L);
  }
  return 1;
}

/// The light thread of argument `i`; throws for anything else.
static LightThread *check_thread(lua_State *L, int i, const char *verb) {
  lua_State *co = lua_tothread(L, i);
  if (!co) luaL_error(L, "bad argument #%d to '%s' (coroutine expected, got %s)", i, verb, luaL_typename(L, i));
  return sched_of(co);
}

/// wait(co...) -> true, results... | false, err | nil, why. Waits for the first that ends.
static int thread_wait(lua_State *L) {
  LightThread *self = vm_current->current;
  int n = lua_gettop(L);
  if (n == 0) return luaL_error(L, "at least one coroutine should be specified");
  bool any = false;
  for (int i = 1; i <= n; ++i) {
    LightThread *t = check_thread(L, i, "wait");
    if (!t || t->state == LightThread::idle || !t->run) {
      if (n > 1) continue;
      lua_pushnil(L);
      lua_pushliteral(L, "already waited or killed");
      return 2;
    }
    if (t->is_entry) return luaL_error(L, "attempt to wait on a coroutine that is not a user thread");
    if (t->parent != L) return luaL_error(L, "only the parent coroutine can wait on the thread");
    if (t->state == LightThread::zombie) return sched_collect(t, L);
    any = true;
  }
  if (!any) {
    lua_pushnil(L);
    lua_pushliteral(L, "already waited or killed");
    return 2;
  }
  for (int i = 1; i <= n; ++i)
    if (LightThread *t = check_thread(L, i, "wait"); t && t->run) t->waited_by = self;
  self->state = LightThread::parked;
  self->waiter = nullptr;
  return yield_await(L);
}

/// kill(co) -> 1 | nil, why.
static int thread_kill(lua_State *L) {
  if (lua_gettop(L) != 1) return luaL_error(L, "expecting one argument, but got %d", lua_gettop(L));
  LightThread *t = check_thread(L, 1, "kill");
  const char *why = nullptr;
  if (!t || !t->run) why = "already waited or killed";
  else if (t->is_entry) return luaL_error(L, "only the parent coroutine can kill the thread");
  else if (t->parent != L) why = "killer not parent";
  else if (t->state == LightThread::zombie) why = "already terminated";
  else if (t->state == LightThread::running) why = "thread is running";
  if (why) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  sched_kill(t);
  lua_pushinteger(L, 1);
  return 1;
}

/// is_light(co): true when the coroutine is a light thread.
static int thread_is_light(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  LightThread *t = co ? sched_of(co) : nullptr;
  lua_pushboolean(L, t && t->run);
  return 1;
}

int thread_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"spawn", thread_spawn}, {"wait", thread_wait}, {"kill", thread_kill},
                                       {"is_light", thread_is_light}, {nullptr, nullptr}};
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

}  // namespace mw
