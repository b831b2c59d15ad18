// SPDX-License-Identifier: MIT
// What stands around a resume, so that a handler's fault stays with its request: its time (interrupt.cpp), its memory
// (memory.h), its machine's faults (fault.h); and how a VM gives way to another one.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "script/fault.h"
#include "script/vm_inner.h"
#include "shm/board.h"

namespace mw {

/// A fault in these ends the process: the VM that would take this one's place would meet it too.
static constexpr uint32_t kStartPhases = MW_PHASE_INIT | MW_PHASE_INIT_WORKER | MW_PHASE_EXIT_WORKER;
/// Longest time that a VM must have lived to be replaced for its memory, see pace_retirement().
static constexpr uint64_t kLongestPauseMs = 600000;

/// The process dies of a fault: the worker's slot gets the Lua lines that were running, the innermost first.
static void tell_board() {
  BoardSlot *slot = board_slot;
  lua_State *co = vm_current && vm_current->current ? vm_current->current->co : nullptr;
  if (!slot || !co) return;
  uint32_t at = 0;
  lua_Debug frame;
  for (int level = 0; level < 50 && lua_getstack(co, level, &frame); ++level) {
    if (!lua_getinfo(co, "Sl", &frame) || frame.currentline <= 0) continue;
    if (strncmp(frame.short_src, "[moonwire]", 10) == 0) continue;
    size_t room = sizeof slot->place - at;
    int n = snprintf(slot->place + at, room, "%s%s:%d", at ? ", called at " : "", frame.short_src, frame.currentline);
    if (n < 0 || static_cast<size_t>(n) >= room) break;
    slot->place_length = at += static_cast<uint32_t>(n);
    if (strcmp(frame.what, "main") == 0) break;  // the handler; what called it is ours
  }
}

void guard_open(Vm *vm) {
  const Plan &plan = *vm->core->p;
  if (!vm->shared->watch) vm->shared->watch = interrupt_watch(vm);
  vm->watch = vm->shared->watch;
  if (plan.lua_vm_memory_limit) memory_open(&vm->memory, vm->L, plan.lua_vm_memory_limit, interrupt_for_gc, vm);
  bool sees_faults = (plan.lua_fault_containment || board_slot) && vm->host.replace && fault_open(tell_board);
  vm->contains_faults = plan.lua_fault_containment && sees_faults;
  vm->is_guarded = vm->watch || vm->memory.limit || vm->contains_faults;
}

void guard_close(Vm *vm, bool is_last) {
  if (vm->memory.limit) memory_close(&vm->memory, vm->L);
  if (!is_last) return;
  if (vm->shared->watch) watchdog_leave(vm->shared->watch);
  vm->shared->watch = vm->watch = nullptr;
  fault_close();
}

// --- memory ----------------------------------------------------------------------------------------------------------

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT, 0);
  return 0;
}

/// A VM that is tight soon after its birth is replaced ever later: another would not do better.
static void pace_retirement(const Vm *vm) {
  uint64_t &pause = vm->shared->retire_after_ms, lived = vm->core->loop->now_ms() - vm->born_ms;
  pause = lived < 10 * pause ? std::min(2 * pause, kLongestPauseMs) : kFirstPauseMs;
}

static void on_retire(Task *task) {
  Vm *vm = reinterpret_cast<Vm *>(reinterpret_cast<char *>(task) - offsetof(Vm, end_task));
  if (vm->is_lost || vm->is_exiting) return;
  log_write(*vm->core->log, kLogWarn, 0, nullptr,
            "lua VM takes %zu bytes after a full collection, lua_vm_memory_limit is %zu: another takes its place",
            vm->memory.used, vm->memory.limit);
  if (!vm->host.replace(vm->host.replace_arg, vm)) return;
  vm->is_retired = true;
  pace_retirement(vm);
  vm_retire(vm);
}

/// What the run before left is garbage now: a VM that is tight without it is replaced.
static void relax(Vm *vm) {
  vm->memory.is_tight = false;
  if (lua_cpcall(vm->L, collect, nullptr) != 0) lua_pop(vm->L, 1);  // a __gc may fail
  if (!memory_relax(&vm->memory) || vm->is_retired || vm->is_exiting || !vm->host.replace) return;
  if (vm->core->loop->now_ms() < vm->born_ms + vm->shared->retire_after_ms) return;
  vm->end_task.run = on_retire;
  vm->core->loop->post(&vm->end_task);
}

// --- around a resume -------------------------------------------------------------------------------------------------

int guard_resume(LightThread *t, int nargs) {
  Vm *vm = t->vm;
  bool enforced = vm->memory.is_enforced;
  if (vm->memory.is_tight && !enforced) relax(vm);
  uint64_t watched = vm->watch ? watch_begin(vm->watch, sched_limit(t->run)) : 0;
  vm->memory.is_enforced = true;
  bool is_contained = vm->contains_faults && !(t->run->phase & kStartPhases);
  int status = is_contained ? fault_resume(t->co, nargs) : lua_resume(t->co, nargs);
  vm->memory.is_enforced = enforced;
  if (vm->watch) watch_end(vm->watch, watched);
  if (status != kLuaFault) interrupt_clear(vm);
  return status;
}

bool guard_leave(Vm *vm) {
  if (vm->watch) watch_begin(vm->watch, 0);
  fault_leave();
  return std::exchange(vm->memory.is_enforced, false);
}

void guard_return(Vm *vm, const Run *run, bool enforced) {
  fault_return(vm->is_lost);
  if (vm->memory.is_tight) relax(vm);
  vm->memory.is_enforced = enforced;
  if (vm->watch) watch_begin(vm->watch, sched_limit(run));
}

int guard_call(Vm *vm, const Run *run, int nargs, int nresults) {
  Vm *current = std::exchange(vm_current, vm);  // whom the watchdog interrupts
  uint64_t watched = vm->watch ? watch_begin(vm->watch, sched_limit(run)) : 0;
  int status = lua_pcall(vm->L, nargs, nresults, 0);
  if (vm->watch) watch_end(vm->watch, watched);
  vm_current = current;
  interrupt_clear(vm);
  return status;
}

// --- faults ----------------------------------------------------------------------------------------------------------

struct Place {
  lua_State *co;
  char text[300];
};

/// The innermost Lua line of a coroutine that a fault has stopped.
static void find_place(void *arg) {
  Place *p = static_cast<Place *>(arg);
  lua_Debug frame;
  for (int level = 0; level < 50 && lua_getstack(p->co, level, &frame); ++level) {
    bool is_ours = false;
    if (lua_getinfo(p->co, "Sl", &frame)) is_ours = strncmp(frame.short_src, "[moonwire]", 10) == 0;
    if (is_ours || frame.currentline <= 0) continue;
    snprintf(p->text, sizeof p->text, "%s:%d", frame.short_src, frame.currentline);
    return;
  }
}

/// Where the frames tell nothing: the handler.
static const char *handler_of(const Run *run) {
  int32_t script = run->r ? run->r->conf->scripts[static_cast<size_t>(run->lua_phase)] : -1;
  return script < 0 ? "unknown place" : run->vm->core->p->scripts[static_cast<size_t>(script)].chunkname.c_str() + 1;
}

static const char *name_of(const Fault &fault) {
  if (fault.is_stack_overflow) return "C stack overflow";
  switch (fault.signo) {
    case SIGSEGV: return "segmentation fault";
    case SIGBUS: return "bus error";
    case SIGFPE: return "arithmetic fault";
    case SIGILL: return "illegal instruction";
    default: return "abort()";
  }
}

static void report(Run *run, const char *text) {
  if (!run->report) return;
  run->report->message = text;
  run->report->traceback = "stack traceback:";
}

/// It has done nothing but wait in a VM that was lost.
static void fail_waiting(Run *run) {
  sched_fail(run);
  if (run->rc == 500) run->rc = 503;
  report(run, "the Lua VM was lost");
}

static void end_run(Run *run) {
  fail_waiting(run);
  sched_complete(run);
}

/// A run of the VM that waits, or null.
static Run *parked_run(const Vm *vm) {
  if (vm->runs) return vm->runs;
  for (const Request *r = vm->core->requests; r; r = r->list_next)
    for (Run *run = static_cast<Run *>(r->lua); run; run = run->next)
      if (run->vm == vm) return run;
  return nullptr;
}

static void on_lost(Task *task) {
  Vm *vm = reinterpret_cast<Vm *>(reinterpret_cast<char *>(task) - offsetof(Vm, end_task));
  while (Run *run = parked_run(vm)) end_run(run);
}

/// Another VM takes the place of the one that a fault in `t` has ended.
static void lose(Vm *vm, const LightThread *t) {
  Run *run = t->run;
  vm->is_lost = true;
  timer_cancel_all(vm);  // now: some may be due in this turn
  const Fault &fault = fault_latest();
  Place place{t->co, ""};
  if (!fault_probe(find_place, &place) || !place.text[0])
    snprintf(place.text, sizeof place.text, "%s", handler_of(run));
  const LogContext *ctx;
  const Log &log = run_log(run, &ctx);
  char text[512];
  snprintf(text, sizeof text, "%s at address %p in %s%s", name_of(fault), fault.address,
           fault.is_compiled ? "machine code near " : "", place.text);
  log_write(log, kLogAlert, 0, ctx, "lua VM lost (the worker's %llu.): %s; another takes its place",
            static_cast<unsigned long long>(++vm->shared->lost), text);
  sched_lose(vm);
  for (Request *r = vm->core->requests; r; r = r->list_next)
    if (r->vm == vm) {
      r->vm = nullptr;
      r->abi.ctx_ref = 0;
    }
  if (vm->host.replace && vm == vm->shared->newest && !vm->host.replace(vm->host.replace_arg, vm)) abort();
  vm_current = vm->shared->newest;
  if (t->is_entry) report(run, text);
  vm->end_task.run = on_lost;
  vm->core->loop->post(&vm->end_task);
}

void guard_lost(LightThread *t) {
  Run *run = t->run;
  bool is_culprit = !t->vm->is_lost;  // else it ran what was, see fault_return()
  if (is_culprit) lose(t->vm, t);
  t->state = LightThread::zombie;
  t->end = LightThread::failed;
  --run->live;
  if (is_culprit) return sched_fail(run);
  fail_waiting(run);
}

}  // namespace mw
