// SPDX-License-Identifier: MIT
// See vm_inner.h. Light threads and runs are made and ended here. Both are used again: an entry thread keeps its coroutine, up
// to lua_thread_cache_max_entries of them; the others keep the struct alone.
#include <stdlib.h>

#include "script/vm_inner.h"

namespace mw {

char kDeadMark;

LightThread *sched_of(lua_State *co, bool *was_one) {
  void *data = lua_getexdata(co);  // inherited from its maker where `co` is a user's coroutine
  if (was_one) *was_one = data == &kDeadMark;
  if (!data || data == &kDeadMark) return nullptr;
  LightThread *t = static_cast<LightThread *>(data);
  return t->co == co ? t : nullptr;
}

static void give_coroutine(LightThread *t) {
  lua_State *L = t->vm->L;
  t->co = lua_newthread(L);
  lua_setexdata(t->co, t);
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->vm->refused_table);
  lua_pushvalue(L, -2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void take_coroutine(LightThread *t) {
  lua_setexdata(t->co, &kDeadMark);
  luaL_unref(t->vm->L, LUA_REGISTRYINDEX, t->ref);
  t->co = nullptr;
  t->ref = LUA_NOREF;
}

/// An idle struct: an entry thread's comes with a coroutine where one is free.
static LightThread *take_idle(Vm *vm, bool is_entry) {
  if (is_entry && vm->free_threads) {
    LightThread *t = vm->free_threads;
    vm->free_threads = t->next;
    --vm->free_count;
    return t;
  }
  LightThread *t = vm->bare_threads;
  if (t) {
    vm->bare_threads = t->next;
  } else {
    t = new LightThread();
    t->vm = vm;
    t->task.run = sched_on_ready;
  }
  give_coroutine(t);
  return t;
}

LightThread *sched_thread_new(Vm *vm, Run *run, bool is_entry) {
  bool is_reused = is_entry && vm->free_threads;
  bool enforced = vm->memory.is_enforced;
  vm->memory.is_enforced = false;  // an error would leave it half made
  LightThread *t = take_idle(vm, is_entry);
  vm->memory.is_enforced = enforced;
  t->abi.ticket = vm->next_ticket++;
  t->abi.phase = run->phase;
  t->abi.ctx_slot = run->r ? &run->r->abi.ctx_ref : &run->ctx_ref;
  t->run = run;
  t->state = LightThread::idle;
  t->end = LightThread::none;
  t->is_entry = is_entry;
  t->is_exiting = false;
  t->parent = nullptr;
  t->waited_by = nullptr;
  t->wait_epoch = 0;
  t->waiter = nullptr;
  t->nargs = 0;
  t->spawned = nullptr;
  t->has_yielded = false;
  t->prev = nullptr;
  t->next = run->threads;
  if (run->threads) run->threads->prev = t;
  run->threads = t;
  ++run->live;
  if (is_reused && vm_is_debug(vm)) run_debug(run, "lua reusing cached lua thread");
  return t;
}

LightThread *sched_entry_new(Run *run) { return run->entry = sched_thread_new(run->vm, run, true); }

void sched_thread_free(LightThread *t) {
  Vm *vm = t->vm;
  if (t->prev)
    t->prev->next = t->next;
  else
    t->run->threads = t->next;
  if (t->next) t->next->prev = t->prev;
  if (vm->is_lost) return;  // it stays, as all that the VM refers to
  bool is_kept = t->is_entry && vm->free_count < vm->core->p->lua_thread_cache_max_entries;
  if (is_kept && vm_is_debug(vm)) run_debug(t->run, "lua caching unused lua thread");
  t->run = nullptr;
  t->state = LightThread::idle;
  if (t->end == LightThread::finished && lua_status(t->co) == 0)
    lua_settop(t->co, 0);
  else
    lua_resetthread(vm->L, t->co);
  lua_setexdata(t->co, t);  // lua_resetthread clears it
  if (is_kept) {
    t->next = vm->free_threads;
    vm->free_threads = t;
    ++vm->free_count;
    return;
  }
  take_coroutine(t);
  t->next = vm->bare_threads;
  vm->bare_threads = t;
}

Run *sched_run_new(Vm *vm, Request *r, uint32_t phase) {
  Run *run = vm->free_runs;
  if (run)
    vm->free_runs = run->next;
  else
    run = static_cast<Run *>(malloc(sizeof(Run)));
  if (!run) abort();
  new (run) Run();
  run->vm = vm;
  run->r = r;
  run->phase = phase;
  if (!r) run->conf = &vm->core->p->http_conf;
  Run **list = r ? reinterpret_cast<Run **>(&r->lua) : &vm->runs;
  run->next = *list;
  if (*list) (*list)->prev = run;
  *list = run;
  return run;
}

void sched_run_free(Run *run) {
  Vm *vm = run->vm;
  if (run->on_end) run->on_end(run);
  if (run->prev)
    run->prev->next = run->next;
  else if (run->r)
    run->r->lua = run->next;
  else
    vm->runs = run->next;
  if (run->next) run->next->prev = run->prev;
  if (run->ctx_ref && !vm->is_lost) {
    if (vm_is_debug(vm)) run_debug(run, "lua release ngx.ctx at ref %d", run->ctx_ref);
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->ctx_table);
    luaL_unref(vm->L, -1, run->ctx_ref);
    lua_pop(vm->L, 1);
  }
  run->origin.reset();
  run->next = vm->free_runs;
  vm->free_runs = run;
}

}  // namespace mw
