// SPDX-License-Identifier: MIT
// See scheduler.h and vm_inner.h. The one place that calls lua_resume for light threads. A thread that parks is resumed
// from a task: of the loop, or of VmShared::soon when what made it ready was Lua itself (spawn, wait, coroutine.yield, a filter
// that ran), which is worked off right after the resume in which it came up, in the order of lua-nginx-module.
#include "script/scheduler.h"

#include "http/output.h"
#include "http/phase.h"
#include "script/fault.h"
#include "script/vm_inner.h"
#include "shm/board.h"

namespace mw {

constinit thread_local Vm *vm_current = nullptr;
char kAwaitMark;

static LightThread *thread_of(Task *task) {
  return reinterpret_cast<LightThread *>(reinterpret_cast<char *>(task) - offsetof(LightThread, task));
}

void sched_on_ready(Task *task) {
  LightThread *t = thread_of(task);
  if (t->run->has_exited || t->run->is_dropped) return;  // its end waits for the stack to unwind
  if (t->vm->is_lost) return;                            // and here for the loop's turn, see guard_lost()
  sched_resume(t, t->nargs);
}

// --- queues ----------------------------------------------------------------------------------------------------------

void sched_run_soon(Task *task) {
  Vm *vm = vm_current;
  if (!vm->current && !vm->shared->is_draining) return vm->core->loop->post(task);  // nobody is about to yield
  vm->shared->soon.push_back(task);
}

void sched_run_subrequest(Task *task) { vm_current->shared->subrequests.push_back(task); }

void sched_cancel_soon(Task *task) {
  if (!task->is_queued) return;
  VmShared &of = *vm_current->shared;
  if (!of.soon.remove(task)) of.subrequests.remove(task);
}

void sched_lose(Vm *vm) {
  for (Task *task = vm->shared->soon.first, *next; task; task = next) {
    next = task->next;
    if (task->run != sched_on_ready || thread_of(task)->vm != vm) continue;
    vm->shared->soon.remove(task);
    thread_of(task)->in_soon = false;
    vm->core->loop->post(task);
  }
}

/// Works off both queues. What keeps making itself ready must not keep the loop waiting: the rest goes to its queue.
static void drain_soon(VmShared &of, Loop *loop) {
  constexpr int kMax = 256;
  of.is_draining = true;
  for (int n = 0; !of.soon.is_empty() || !of.subrequests.is_empty(); ++n) {
    Task *task = (of.soon.is_empty() ? of.subrequests : of.soon).pop();
    if (task->run == sched_on_ready) thread_of(task)->in_soon = false;
    if (n < kMax)
      task->run(task);
    else
      loop->post(task);
  }
  of.is_draining = false;
}

// --- parking and waking ----------------------------------------------------------------------------------------------

enum class Where { loop, next_turn, soon, soon_first };

static void make_ready(LightThread *t, int nargs, Where where) {
  t->nargs = nargs;
  t->waiter = nullptr;
  t->wait_epoch = 0;
  t->state = LightThread::ready;
  t->in_soon = where == Where::soon || where == Where::soon_first;
  TaskQueue &soon = t->vm->shared->soon;
  if (where == Where::soon)
    soon.push_back(&t->task);
  else if (where == Where::soon_first)
    soon.push_front(&t->task);
  else if (where == Where::next_turn)
    t->vm->core->loop->post_next(&t->task);
  else
    t->vm->core->loop->post(&t->task);
}

static void unqueue(LightThread *t) {
  if (!t->task.is_queued) return;
  if (t->in_soon)
    t->vm->shared->soon.remove(&t->task);
  else
    t->vm->core->loop->unpost(&t->task);
  t->in_soon = false;
}

/// Ends what `t` waits for, the operation being told.
static void drop_wait(LightThread *t) {
  t->wait_epoch = 0;
  if (Waiter *w = t->waiter) {
    t->waiter = nullptr;
    w->thread = nullptr;
    if (w->cancel) w->cancel(w);
  }
  unqueue(t);
}

static void end_left_over(LightThread *t) {
  if (t->waiter || t->wait_epoch || t->task.is_queued) drop_wait(t);
  if (LightThread *child = t->spawned) {
    t->spawned = nullptr;
    make_ready(child, child->nargs, Where::soon);
  }
}

/// A wait begins. One may be left over: where Lua cannot yield (a sort's comparison, a gsub's callback) the await after a
/// park raises an error, and code that catches it goes on; that wait must not wake the next one, nor a bare yield.
static void begin_wait(LightThread *t) {
  end_left_over(t);
  t->state = LightThread::running;
}

void sched_park(Waiter *w, void (*cancel)(Waiter *)) {
  LightThread *t = vm_current->current;
  begin_wait(t);
  w->thread = t;
  w->cancel = cancel;
  t->waiter = w;
}

uint64_t sched_park_for_threads() {
  LightThread *t = vm_current->current;
  begin_wait(t);
  return t->wait_epoch = vm_current->next_epoch++;
}

void sched_park_for_spawn(LightThread *child) {
  LightThread *t = vm_current->current;
  begin_wait(t);
  t->spawned = child;
}

void sched_start_later(LightThread *t, int nargs) { make_ready(t, nargs, Where::soon); }

LightThread *sched_new_on_abort(lua_State *parent) {
  Run *run = vm_current->current->run;
  LightThread *t = sched_thread_new(run->vm, run, false);
  t->parent = parent;
  --run->live;
  return run->on_abort = t;
}

void sched_start_on_abort(Run *run) {
  LightThread *t = run->on_abort;
  run->on_abort = nullptr;
  ++run->live;
  make_ready(t, 0, Where::loop);
}

void sched_wake(Waiter *w, int32_t result) {
  LightThread *t = w->thread;
  w->thread = nullptr;
  if (!t) return;
  t->abi.result = result;
  bool by_lua = t->vm->current || t->vm->shared->is_draining;
  make_ready(t, 0, by_lua ? Where::soon : Where::loop);
}

void sched_exit(int32_t rc) {
  LightThread *t = vm_current->current;
  t->is_exiting = true;
  t->run->rc = rc;
}

bool sched_has_subrequests() {
  for (const LightThread *t = vm_current->current->run->threads; t; t = t->next)
    if (t->waiter && t->waiter->is_subrequest) return true;
  return false;
}

Request *sched_request() {
  Vm *vm = vm_current;
  return vm && vm->current ? vm->current->run->r : nullptr;
}

void sched_yield_self() {
  LightThread *t = vm_current->current;
  begin_wait(t);
  t->abi.result = MW_OK;
  make_ready(t, 0, Where::next_turn);
}

void sched_kill(LightThread *t) {
  drop_wait(t);
  if (t->state != LightThread::zombie) --t->run->live;
  sched_thread_free(t);
}

int sched_collect(LightThread *z, lua_State *to) {
  lua_pushboolean(to, z->end == LightThread::finished);
  int n = z->end == LightThread::failed ? sched_error_values(z) : lua_gettop(z->co);
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
  if (run->done) {
    run->is_dropped = true;
    run->done(run);
  }
  kill_all(run);
  sched_run_free(run);
}

static bool is_over(const Run *run) { return run->has_exited || run->live == 0; }

void sched_complete(Run *run) {
  if (!run->r) {
    run->done(run);
    kill_all(run);
    return sched_run_free(run);
  }
  Request *r = run->r;
  LuaPhase phase = run->lua_phase;
  Rc rc = run->rc;
  kill_all(run);
  sched_run_free(run);
  http_lua_done(r, phase, rc);
}

/// What a body filter returns counts: ngx.ERROR, or a status of an error, breaks the response.
static Rc filter_result(const LightThread *t) {
  lua_Integer value = lua_gettop(t->co) > 0 ? lua_tointeger(t->co, -1) : 0;
  return value == kError || value >= 300 ? static_cast<Rc>(kError) : t->run->rc;
}

void sched_fail(Run *run) {
  Request *r = run->r;
  bool is_answerable = r && !(run->phase & (MW_PHASE_HEADER_FILTER | MW_PHASE_BODY_FILTER));
  // A response that has begun must not look complete: the connection ends instead.
  if (is_answerable && r->abi.header_sent && !r->parent && !r->is_stream) is_answerable = output_take_back(r);
  run->rc = is_answerable ? 500 : kError;
  run->has_exited = run->has_failed = true;
}

/// A light thread returned or failed. It may be freed.
static void on_end(LightThread *t, int status) {
  Run *run = t->run;
  end_left_over(t);
  --run->live;
  t->state = LightThread::zombie;
  t->end = status == 0 ? LightThread::finished : LightThread::failed;
  if (t->is_exiting) run->has_exited = true;
  if (status == 0 && t->is_entry && (run->phase & MW_PHASE_BODY_FILTER)) run->rc = filter_result(t);
  if (status != 0) {
    sched_log_failure(t);
    if (t->is_entry || t->vm->interrupt.has_raised) sched_fail(run);
  }
  LightThread *waiter = t->waited_by;
  if (!waiter || waiter->wait_epoch != t->waited_epoch)
    return;  // a zombie until somebody waits for it, or the run ends
  make_ready(waiter, sched_collect(t, waiter->co), Where::soon_first);
}

/// A light thread yielded.
static void on_yield(LightThread *t) {
  Run *run = t->run;
  bool is_await = lua_gettop(t->co) > 0 && lua_touserdata(t->co, -1) == &kAwaitMark;
  lua_settop(t->co, 0);
  if (t->is_exiting) run->has_exited = true;
  if (run->has_exited) return;
  if (!is_await) begin_wait(t);
  if (LightThread *child = t->spawned) {
    t->spawned = nullptr;
    lua_rawgeti(t->co, LUA_REGISTRYINDEX, child->ref);
    make_ready(t, 1, Where::soon);
    make_ready(child, child->nargs, Where::soon_first);
  } else if (t->waiter || t->wait_epoch) {
    t->state = LightThread::parked;
  } else if (t->state == LightThread::running) {
    make_ready(t, 0, Where::soon);
    t->has_yielded = true;
  }
}

/// What the worker shows to Lua, saved around a resume: resumes nest.
struct Shown {
  Vm *vm;
  mw_req_t *req;
  mw_thread_t *thread;
  uint32_t phase;
  LightThread *current;
};

static Shown show(Vm *vm, LightThread *t) {
  mw_worker_t *w = vm->abi;
  Shown before{vm_current, w->req, w->thread, w->phase, vm->current};
  w->req = t->run->r ? &t->run->r->abi : nullptr;
  w->thread = &t->abi;
  w->phase = t->run->phase;
  vm->current = t;
  vm_current = vm;
  return before;
}

static void unshow(Vm *vm, const Shown &before) {
  vm->abi->req = before.req;
  vm->abi->thread = before.thread;
  vm->abi->phase = before.phase;
  vm->current = before.current;
  vm_current = before.vm && before.vm->is_lost ? before.vm->shared->newest : before.vm;
}

void sched_resume(LightThread *t, int nargs) {
  Vm *vm = t->vm;
  Run *run = t->run;
  Request *r = run->r;
  ++run->depth;
  t->state = LightThread::running;
  t->has_yielded = false;
  t->nargs = 0;
  Shown before = show(vm, t);
  if (r) ++r->running;
  BoardSlot *slot = board_slot;
  bool is_outermost = slot && slot->length == 0;
  if (slot && r) board_note(slot, r->request_line);
  int status = vm->is_guarded ? guard_resume(t, nargs) : lua_resume(t->co, nargs);
  if (is_outermost) slot->length = 0;
  if (r) --r->running;
  unshow(vm, before);
  if (status == LUA_YIELD)
    on_yield(t);
  else if (status == kLuaFault)
    guard_lost(t);
  else
    on_end(t, status);
  if (vm->interrupt.has_raised) vm->interrupt = {};
  VmShared &shared = *vm->shared;
  bool has_soon = !shared.soon.is_empty() || !shared.subrequests.is_empty();
  if (has_soon && !shared.is_draining) drain_soon(shared, vm->core->loop);
  if (--run->depth > 0) return;
  if (run->is_dropped) {
    if (run->done) run->done(run);
    kill_all(run);
    sched_run_free(run);
  } else if (is_over(run)) {
    sched_complete(run);
  }
}

Rc sched_run_start(Run *run, int nargs) {
  ++run->depth;  // whatever happens in there, the end is handled here
  sched_resume(run->entry, nargs);
  --run->depth;
  if (!run->is_dropped && !is_over(run)) return kAgain;
  Rc rc = run->is_dropped ? static_cast<Rc>(kDone) : run->rc;
  if (run->done) run->done(run);
  kill_all(run);
  sched_run_free(run);
  return rc;
}

}  // namespace mw
