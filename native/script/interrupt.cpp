// SPDX-License-Identifier: MIT
// lua_handler_timeout: ends Lua that neither waits nor returns. The watchdog's signal sets a hook before the next
// instruction (compiled loops look for one: LUAJIT_ENABLE_CHECKHOOK), and the hook raises an error; again before each
// instruction until the run is over, since pcall() may catch it. What runs in C is not interrupted before it returns.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "script/vm_inner.h"

namespace mw {

static void raise(lua_State *L, lua_Debug *);

/// LuaJIT allows lua_sethook() in a signal handler.
static void set_hook(Vm *vm) {
  Interrupt &i = vm->interrupt;
  if (!i.is_set) {
    i.user_hook = lua_gethook(vm->L);
    i.user_mask = lua_gethookmask(vm->L);
    i.user_count = lua_gethookcount(vm->L);
    i.is_set = true;
  }
  lua_sethook(vm->L, nullptr, 0, 0);  // where a call before was lost, the mode must change to be set
  lua_sethook(vm->L, raise, LUA_MASKCOUNT, 1);
}

static void unhook(Vm *vm) {
  Interrupt &i = vm->interrupt;
  i.is_set = false;
  i.wants_gc = false;
  lua_sethook(vm->L, nullptr, 0, 0);
  if (i.user_hook) lua_sethook(vm->L, i.user_hook, i.user_mask, i.user_count);
}

/// The frames of the first interruption: later ones come from what caught the error.
static void keep_trace(lua_State *L, Vm *vm) {
  std::string &trace = vm->interrupt.trace;
  trace = "stack traceback:";
  lua_State *outermost = vm->current ? vm->current->co : L;
  int n = 0;
  for (lua_State *co : {L, outermost}) {
    if (n > 0 && co == L) break;
    trace += "\ncoroutine " + std::to_string(n++) + ":";
    sched_push_frames(L, co);
    trace += lua_tostring(L, -1);
    lua_pop(L, 1);
  }
}

static int die(lua_State *L) {
  lua_pushnil(L);
  return lua_error(L);
}
static int nothing(lua_State *) { return 0; }

/// An error in a hook reaches xpcall()'s handler before the hook is left, and no hook is called in a hook: a loop in that
/// handler could not be interrupted. LuaJIT leaves the hook where a coroutine dies of an error.
static void leave_hook(lua_State *L) {
  lua_State *co = lua_newthread(L);
  lua_pushcfunction(co, die);
  lua_resume(co, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, nothing);  // makes L the running coroutine again
  lua_call(L, 0, 0);
}

static int run_gc(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/// Garbage is collected; where the time is not up too, the hook goes.
static void collect(lua_State *L, Vm *vm) {
  Interrupt &i = vm->interrupt;
  i.wants_gc = false;
  vm->memory.is_enforced = false;                          // a collection may allocate, and is not to fail
  if (lua_cpcall(L, run_gc, nullptr) != 0) lua_pop(L, 1);  // a __gc may fail
  vm->memory.is_enforced = true;
  memory_relax(&vm->memory);
  if (!i.is_overdue) unhook(vm);
  if (i.is_overdue) set_hook(vm);  // the signal may have come meanwhile
}

static void raise(lua_State *L, lua_Debug *) {
  Vm *vm = vm_current;
  Interrupt &i = vm->interrupt;
  if (i.wants_gc) collect(L, vm);
  if (!i.is_overdue) return;
  if (!i.has_raised) {
    i.has_raised = true;
    luaL_where(L, 0);  // a hook has no frame of its own
    snprintf(i.message, sizeof i.message, "%shandler has run for %llu ms without waiting (lua_handler_timeout)",
             lua_tostring(L, -1), static_cast<unsigned long long>(i.ms));
    lua_pop(L, 1);
    keep_trace(L, vm);
  }
  leave_hook(L);
  lua_pushstring(L, i.message);
  lua_error(L);
}

/// In a signal handler on the VM's thread, which is inside of a resume.
static void on_overdue(void *) {
  Vm *vm = vm_current;
  vm->interrupt.ms = watch_ms(vm->watch->run.load(std::memory_order_relaxed));
  vm->interrupt.is_overdue = true;
  set_hook(vm);
}

void interrupt_for_gc(void *arg) {
  Vm *vm = static_cast<Vm *>(arg);
  vm->interrupt.wants_gc = true;
  set_hook(vm);
}

void interrupt_clear(Vm *vm) {
  vm->interrupt.is_overdue = false;
  if (vm->interrupt.is_set) unhook(vm);
}

/// The shortest limit of the plan, 0 where it has none.
static uint64_t shortest_limit(const Plan &plan) {
  uint64_t shortest = 0;
  auto see = [&](const LocationConf &conf) {
    uint64_t ms = conf.lua_handler_timeout;
    if (ms && (!shortest || ms < shortest)) shortest = ms;
  };
  see(plan.http_conf);
  for (const LocationConf &conf : plan.if_confs) see(conf);
  for (const ServerConf &server : plan.servers) {
    see(server.conf);
    for (const Location &location : server.locations) see(location.conf);
  }
  return shortest;
}

Watch *interrupt_watch(const Vm *vm) {
  uint64_t shortest = vm->host.is_cli ? 0 : shortest_limit(*vm->core->p);
  if (!shortest) return nullptr;
  Watch *watch = watchdog_join(shortest, on_overdue, nullptr);
  if (!watch) log_write(*vm->core->log, kLogAlert, errno, nullptr, "lua_handler_timeout: no watchdog");
  return watch;
}

}  // namespace mw
