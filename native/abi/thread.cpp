// SPDX-License-Identifier: MIT
// Sleep, giving way, ending a handler, semaphores: what Lua waits on that is no socket. The worker's thread; a wait lives in
// its light thread (sleep) or on the heap until it ends (semaphore).
#include "base/thread.h"
#include "abi/abi.h"
#include "script/vm_inner.h"

using namespace mw;

// --- depth -----------------------------------------------------------------------------------------------------------

/// Thousands of resumes in each other; a fraction of the stack, and of the memory that as many coroutines take.
static constexpr size_t kDeep = size_t{2} << 20;

extern "C" MW_EXPORT
int32_t mw_thread_is_deep(void) { return thread_stack_used() > kDeep; }

// --- sleep -----------------------------------------------------------------------------------------------------------

static void debug_expiry(const Run *run) {
  Str uri, args;
  if (run->r) uri = run->r->uri, args = run->r->args;
  run_debug(run, "lua sleep timer expired: \"%.*s?%.*s\"", static_cast<int>(uri.size()), uri.data(),
            static_cast<int>(args.size()), args.data());
}

extern "C" MW_EXPORT
void mw_thread_log_slept(void) { debug_expiry(vm_current->current->run); }

static void on_slept(Timer *t) {
  LightThread *thread =
      reinterpret_cast<LightThread *>(reinterpret_cast<char *>(t) - offsetof(LightThread, sleep_timer));
  if (vm_is_debug(thread->vm)) debug_expiry(thread->run);
  sched_wake(&thread->sleep_waiter, MW_OK);
}

static void cancel_sleep(Waiter *w) {
  LightThread *thread =
      reinterpret_cast<LightThread *>(reinterpret_cast<char *>(w) - offsetof(LightThread, sleep_waiter));
  if (vm_is_debug(thread->vm)) run_debug(thread->run, "lua clean up the timer for pending ngx.sleep");
  thread->vm->core->loop->disarm(&thread->sleep_timer);
}

extern "C" MW_EXPORT
int32_t mw_thread_sleep(double seconds) {
  LightThread *t = vm_current->current;
  uint64_t ms = sched_ms(seconds);
  if (vm_is_debug(t->vm)) run_debug(t->run, "lua ready to sleep for %llu ms", static_cast<unsigned long long>(ms));
  if (ms == 0) {
    sched_yield_self();
    return MW_AGAIN;
  }
  t->sleep_timer.fire = on_slept;
  sched_park(&t->sleep_waiter, cancel_sleep);
  vm_current->core->loop->arm(&t->sleep_timer, ms);
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_thread_yield(void) {
  sched_yield_self();
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_thread_exit(int32_t rc) {
  if (rc != kError && rc != 444 && rc != 408 && rc != 499 && sched_has_subrequests()) return MW_BUSY;
  // These two have a meaning between us and http, which a handler's own code must not reach.
  Request *r = sched_request();
  if (r && rc >= 200 && r->abi.status == 0 && !r->abi.header_sent) r->abi.status = rc;
  sched_exit(rc == kAgain || rc == kDone ? static_cast<int32_t>(kOk) : rc);
  return MW_OK;
}

// --- semaphores ------------------------------------------------------------------------------------------------------

struct SemaphoreWait {
  Waiter waiter;
  Timer timer;
  mw_semaphore_t *sem = nullptr;
  SemaphoreWait *next = nullptr, *prev = nullptr;
};

struct mw_semaphore {
  int32_t resources = 0;
  int32_t waiting = 0;
  SemaphoreWait *first = nullptr, *last = nullptr;
  Task task{};  ///< hands resources out from the loop, in order of waiting
};

static void unlink_wait(SemaphoreWait *w) {
  mw_semaphore_t *s = w->sem;
  if (w->prev)
    w->prev->next = w->next;
  else
    s->first = w->next;
  if (w->next)
    w->next->prev = w->prev;
  else
    s->last = w->prev;
  --s->waiting;
  vm_current->core->loop->disarm(&w->timer);
}

/// Takes the longest waiting one out; null when there is none.
static SemaphoreWait *pop_wait(mw_semaphore_t *s) {
  SemaphoreWait *w = s->first;
  if (!w) return nullptr;
  s->first = w->next;
  if (s->first)
    s->first->prev = nullptr;
  else
    s->last = nullptr;
  --s->waiting;
  vm_current->core->loop->disarm(&w->timer);  // NOLINT(clang-analyzer-core.NullDereference): who waits has a VM
  return w;
}

static void cancel_wait(Waiter *waiter) {
  SemaphoreWait *w =
      reinterpret_cast<SemaphoreWait *>(reinterpret_cast<char *>(waiter) - offsetof(SemaphoreWait, waiter));
  unlink_wait(w);
  delete w;
}

static void on_wait_timeout(Timer *t) {
  SemaphoreWait *w = reinterpret_cast<SemaphoreWait *>(reinterpret_cast<char *>(t) - offsetof(SemaphoreWait, timer));
  unlink_wait(w);
  sched_wake(&w->waiter, MW_TIMEOUT);
  delete w;
}

static void hand_out(Task *task) {
  mw_semaphore_t *s = reinterpret_cast<mw_semaphore_t *>(reinterpret_cast<char *>(task) - offsetof(mw_semaphore, task));
  while (s->resources > 0) {
    SemaphoreWait *w = pop_wait(s);
    if (!w) return;
    --s->resources;
    sched_wake(&w->waiter, MW_OK);
    delete w;
  }
}

extern "C" MW_EXPORT
mw_semaphore_t *mw_semaphore_new(int32_t n) {
  mw_semaphore_t *s = new mw_semaphore();
  s->resources = n;
  s->task.run = hand_out;
  return s;
}

extern "C" MW_EXPORT
void mw_semaphore_free(mw_semaphore_t *s) {
  if (vm_current && vm_is_debug(vm_current)) {
    if (vm_current->current)
      run_debug(vm_current->current->run, "in lua gc, semaphore %p", static_cast<void *>(s));
    else
      log_write(*vm_current->core->log, kLogDebug, 0, nullptr, "in lua gc, semaphore %p", static_cast<void *>(s));
  }
  while (SemaphoreWait *w = pop_wait(s)) {  // left over, see begin_wait(): a wait that is awaited keeps the semaphore
    if (w->waiter.thread) w->waiter.thread->waiter = nullptr;
    delete w;
  }
  if (vm_current) vm_current->core->loop->unpost(&s->task);
  delete s;
}

extern "C" MW_EXPORT
int32_t mw_semaphore_post(mw_semaphore_t *s, int32_t n) {
  s->resources += n;
  if (s->first) vm_current->core->loop->post(&s->task);
  return MW_OK;
}

extern "C" MW_EXPORT
int32_t mw_semaphore_wait(mw_semaphore_t *s, double seconds) {
  if (s->resources > 0 && !s->first) {
    --s->resources;
    return MW_OK;
  }
  if (!(seconds > 0)) return MW_TIMEOUT;
  SemaphoreWait *w = new SemaphoreWait();
  w->sem = s;
  w->prev = s->last;
  if (s->last)
    s->last->next = w;
  else
    s->first = w;
  s->last = w;
  ++s->waiting;
  w->timer.fire = on_wait_timeout;
  sched_park(&w->waiter, cancel_wait);
  vm_current->core->loop->arm(&w->timer, sched_ms(seconds));
  return MW_AGAIN;
}

extern "C" MW_EXPORT
int32_t mw_semaphore_count(mw_semaphore_t *s) { return s->resources - s->waiting; }
