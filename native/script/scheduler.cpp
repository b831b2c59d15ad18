// SPDX-License-Identifier: MIT
// See scheduler.h and vm_inner.h. The one place that calls lua_resume for light threads. A thread that parks is resumed
// from a posted task; one that is woken while its own resume is being left (a filter ran "soon") continues at once.
#include "script/scheduler.h"

#include <stdlib.h>

#include "http/phase.h"
#include "script/vm_inner.h"

namespace mw {

thread_local Vm *vm_current = nullptr;
char kAwaitMark;

LightThread *sched_of(lua_State *co) {
  LightThread *t = static_cast<LightThread *>(lua_getexdata(co));
  return t && t->co == co ? t : nullptr;  // a user coroutine inherits its maker's
}

// --- objects ---------------------------------------------------------------------------------------------------------

static void on_ready(Task *task) {
  LightThread *t = reinterpret_cast<LightThread *>(reinterpret_cast<char *>(task) - offsetof(LightThread, task));
  sched_resume(t, t->nargs);
}

LightThread *sched_thread_new(Vm *vm, Run *run) {
  LightThread *t = vm->free_threads;
  if (t) {
    vm->free_threads = t->next;
    --vm->free_count;
  } else {
    t = new LightThread();
    t->vm = vm;
    t->co = lua_newthread(vm->L);
    t->ref = luaL_ref(vm->L, LUA_REGISTRYINDEX);
    t->task.run = on_ready;
  }
  lua_setexdata(t->co, t);  // lua_resetthread clears it
  t->abi.ticket = vm->next_ticket++;
  t->abi.phase = run->phase;
  t->abi.ctx_slot = run->r ? &run->r->abi.ctx_ref : &run->ctx_ref;
  t->run = run;
  t->state = LightThread::idle;
  t->end = LightThread::none;
  t->is_exiting = false;
  t->is_entry = false;
  t->parent = nullptr;
  t->waited_by = nullptr;
  t->nargs = 0;
  t->next = run->threads;
  run->threads = t;
  ++run->live;
  return t;
}

static void unlink_from_run(LightThread *t) {
  for (LightThread **at = &t->run->threads; *at; at = &(*at)->next)
    if (*at == t) {
      *at = t->next;
      return;
    }
}

void sched_thread_free(LightThread *t) {
  Vm *vm = t->vm;
  unlink_from_run(t);
  if (vm->free_count >= vm->core->p->lua_thread_cache_max_entries) {
    lua_setexdata(t->co, nullptr);
    luaL_unref(vm->L, LUA_REGISTRYINDEX, t->ref);
    delete t;
    return;
  }
  if (t->end == LightThread::finished && lua_status(t->co) == 0) lua_settop(t->co, 0);
  else lua_resetthread(vm->L, t->co);
  t->run = nullptr;
  t->state = LightThread::idle;
  t->next = vm->free_threads;
  vm->free_threads = t;
  ++vm->free_count;
}

Run *sched_run_new(Vm *vm, Request *r, uint32_t phase) {
  Run *run = vm->free_runs;
  if (run) vm->free_runs = run->next;
  else run = static_cast<Run *>(malloc(sizeof(Run)));
  if (!run) abort();
  new (run) Run();
  run->vm = vm;
  run->r = r;
  run->phase = phase;
  return run;
}

static Run **list_of(Run *run) { return run->r ? reinterpret_cast<Run **>(&run->r->lua) : &run->vm->runs; }

static void free_run(Run *run) {
  Vm *vm = run->vm;
  for (Run **at = list_of(run); *at; at = &(*at)->next)
    if (*at == run) {
      *at = run->next;
      break;
    }
  if (run->ctx_ref) {
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->ctx_table);
    luaL_unref(vm->L, -1, run->ctx_ref);
    lua_pop(vm->L, 1);
  }
  run->next = vm->free_runs;
  vm->free_runs = run;
}

// --- parking and waking ----------------------------------------------------------------------------------------------

void sched_park(Waiter *w, void (*cancel)(Waiter *)) {
  LightThread *t = vm_current->current;
  w->thread = t;
  w->cancel = cancel;
  t->waiter = w;
  t->state = LightThread::parked;
}

static void make_ready(LightThread *t, int nargs) {
  t->nargs = nargs;
  t->waiter = nullptr;
  t->state = LightThread::ready;
  if (t != t->vm->leaving) t->vm->core->loop->post(&t->task);
}

void sched_wake(Waiter *w, int32_t result) {
  LightThread *t = w->thread;
  w->thread = nullptr;
  if (!t) return;
  t->abi.result = result;
  make_ready(t, 0);
}

void sched_exit(int32_t rc) {
  LightThread *t = vm_current->current;
  t->is_exiting = true;
  t->run->rc = rc;
}

Request *sched_request() {
  Vm *vm = vm_current;
  return vm && vm->current ? vm->current->run->r : nullptr;
}

void sched_run_soon(Task *task) {
  Vm *vm = vm_current;
  if (task->is_queued) return;
  task->is_queued = true;
  task->next = nullptr;
  if (vm->soon) vm->soon_last->next = task;
  else vm->soon = task;
  vm->soon_last = task;
}

static void drain_soon(Vm *vm) {
  while (Task *task = vm->soon) {
    vm->soon = task->next;
    task->is_queued = false;
    task->run(task);
  }
}

void sched_yield_self() {
  LightThread *t = vm_current->current;
  t->abi.result = MW_OK;
  make_ready(t, 0);
}

void sched_kill(LightThread *t) {
  if (t->state == LightThread::parked && t->waiter) {
    Waiter *w = t->waiter;
    t->waiter = nullptr;
    w->thread = nullptr;
    if (w->cancel) w->cancel(w);
  }
  t->vm->core->loop->unpost(&t->task);
  for (LightThread *o = t->run->threads; o; o = o->next)
    if (o->waited_by == t) o->waited_by = nullptr;
  if (t->state != LightThread::zombie) --t->run->live;
  sched_thread_free(t);
}

int sched_collect(LightThread *z, lua_State *to) {
  int n = lua_gettop(z->co);
  lua_pushboolean(to, z->end == LightThread::finished);
  if (z->end == LightThread::failed) n = n > 0 ? 1 : 0;
  if (z->end == LightThread::failed && n) lua_pushvalue(z->co, -1);
  if (!lua_checkstack(to, n)) n = 0;
  lua_xmove(z->co, to, n);
  sched_thread_free(z);
  return n + 1;
}

// --- a run's life ----------------------------------------------------------------------------------------------------

/// Frees all threads of a run; none of them is on the stack.
static void kill_all(Run *run) {
  while (LightThread *t = run->threads) sched_kill(t);
  run->live = 0;
}

void sched_run_drop(Run *run) {
  if (run->depth > 0) {  // on the stack: it is dropped when its resume returns
    run->is_dropped = true;
    return;
  }
  kill_all(run);
  free_run(run);
}

static bool is_over(const Run *run) { return run->has_exited || run->live == 0; }

/// The run is over: frees it and tells whoever waits for its end.
static void complete(Run *run) {
  if (!run->r) {
    run->done(run);
    kill_all(run);
    return free_run(run);
  }
  Request *r = run->r;
  LuaPhase phase = run->lua_phase;
  Rc rc = run->rc;
  kill_all(run);
  free_run(run);
  http_lua_done(r, phase, rc);
}

/// A light thread returned or failed. It may be freed.
static void on_end(LightThread *t, int status) {
  Run *run = t->run;
  --run->live;
  t->state = LightThread::zombie;
  t->end = status == 0 ? LightThread::finished : LightThread::failed;
  if (status != 0) {
    sched_log_failure(t);
    if (t->is_entry) {
      run->rc = run->r ? 500 : kError;
      run->has_exited = true;
    }
  }
  LightThread *waiter = t->waited_by;
  if (!waiter) return;  // a zombie until somebody waits for it, or the run ends
  for (LightThread *o = run->threads; o; o = o->next)
    if (o->waited_by == waiter) o->waited_by = nullptr;
  make_ready(waiter, sched_collect(t, waiter->co));
}

/// A light thread yielded. True when it is parked on something.
static bool on_yield(LightThread *t) {
  Run *run = t->run;
  lua_settop(t->co, 0);  // the await mark
  if (t->is_exiting) run->has_exited = true;
  if (run->has_exited) return false;
  if (t->state == LightThread::running) make_ready(t, 0);  // a bare yield that reached us: a reschedule
  return t->state == LightThread::parked;
}

/// What the worker shows to Lua, saved around a resume: resumes nest.
struct Shown {
  mw_req_t *req;
  mw_thread_t *thread;
  uint32_t phase;
  LightThread *current;
};

static Shown show(Vm *vm, LightThread *t) {
  mw_worker_t *w = vm->abi;
  Shown before{w->req, w->thread, w->phase, vm->current};
  w->req = t->run->r ? &t->run->r->abi : nullptr;
  w->thread = &t->abi;
  w->phase = t->run->phase;
  vm->current = t;
  return before;
}

static void unshow(Vm *vm, const Shown &before) {
  vm->abi->req = before.req;
  vm->abi->thread = before.thread;
  vm->abi->phase = before.phase;
  vm->current = before.current;
}

void sched_resume(LightThread *t, int nargs) {
  Vm *vm = t->vm;
  Run *run = t->run;
  Request *r = run->r;
  ++run->depth;
  for (;;) {
    t->state = LightThread::running;
    t->nargs = 0;
    Shown before = show(vm, t);
    if (r) ++r->lua_running;
    int status = lua_resume(t->co, nargs);
    if (r) --r->lua_running;
    unshow(vm, before);
    bool parked = status == LUA_YIELD && on_yield(t);
    if (status != LUA_YIELD) on_end(t, status);
    if (!vm->soon) break;
    LightThread *saved = vm->leaving;
    vm->leaving = parked ? t : nullptr;
    drain_soon(vm);
    vm->leaving = saved;
    if (!parked || run->is_dropped || run->has_exited || t->state != LightThread::ready) break;
    nargs = t->nargs;
  }
  if (--run->depth > 0) return;
  if (run->is_dropped) {
    kill_all(run);
    free_run(run);
  } else if (is_over(run)) {
    complete(run);
  }
}

Rc sched_run_start(Run *run, int nargs) {
  Run **list = list_of(run);
  run->next = *list;
  *list = run;
  ++run->depth;  // whatever happens in there, the end is handled here
  sched_resume(run->entry, nargs);
  --run->depth;
  if (!run->is_dropped && !is_over(run)) return kAgain;
  Rc rc = run->is_dropped ? kDone : run->rc;
  if (!run->is_dropped && !run->r) run->done(run);
  kill_all(run);
  free_run(run);
  return rc;
}

}  // namespace mw
