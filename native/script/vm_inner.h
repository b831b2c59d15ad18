// SPDX-License-Identifier: MIT
// What the files of script/ share and nobody else sees: the VM's fields, light threads and runs.
#pragma once
#include "script/lua_api.h"

#include <string>
#include <vector>

#include "http/lua_hook.h"
#include "http/request.h"
#include "script/vm.h"

namespace mw {

struct Run;
struct TimerEntry;

/// Why an entry thread failed, for who started it.
struct RunReport {
  std::string message, traceback;
};

/// A coroutine that the loop resumes. Pooled with its lua_State, which is reset between uses.
struct LightThread {
  mw_thread_t abi{};              ///< first
  enum State : uint8_t { idle, running, parked, ready, zombie } state = idle;
  enum End : uint8_t { none, finished, failed } end = none;  ///< of a zombie; its results stand on its stack
  bool is_entry = false;
  bool is_exiting = false;        ///< sched_exit was called: ends its run at the next yield
  Vm *vm = nullptr;
  lua_State *co = nullptr;
  int ref = 0;                    ///< keeps `co` alive, in the registry
  Run *run = nullptr;
  LightThread *next = nullptr;    ///< in its run, or the free list
  lua_State *parent = nullptr;    ///< the coroutine that spawned it
  LightThread *waited_by = nullptr;  ///< the light thread in ngx.thread.wait for it
  Waiter *waiter = nullptr;       ///< what it is parked on
  Task task;                      ///< queued to be resumed
  int nargs = 0;                  ///< values on its stack for the next resume
  Waiter sleep_waiter;
  Timer sleep_timer;
};

/// A handler under way: an entry thread and what it spawned. Ends when all have ended, or one of them exits.
struct Run {
  Run *next = nullptr;            ///< of the same request (Request::lua), of the VM's requestless ones, or free
  Request *r = nullptr;
  Vm *vm = nullptr;
  LightThread *threads = nullptr;
  LightThread *entry = nullptr;
  int32_t live = 0;               ///< threads that are not zombies
  uint32_t phase = 0;
  LuaPhase lua_phase{};
  bool has_exited = false;
  bool is_dropped = false;        ///< released while on the stack
  uint32_t depth = 0;             ///< resumes of its threads on the stack
  Rc rc = kOk;
  int32_t ctx_ref = 0;            ///< ngx.ctx of a run without request
  void (*done)(Run *) = nullptr;  ///< requestless runs, entry thread still there; request runs go to http_lua_done
  void *done_arg = nullptr;
  RunReport *report = nullptr;    ///< where a failure of the entry thread goes instead of the log; the starter's
};

struct Vm {
  VmHost host;
  HttpCore *core = nullptr;
  mw_worker_t *abi = nullptr;
  lua_State *L = nullptr;
  std::vector<int> script_refs;   ///< by plan script; LUA_NOREF = not loaded yet
  int ctx_table = LUA_NOREF;      ///< array of ngx.ctx tables
  int message_handler = LUA_NOREF;
  LightThread *free_threads = nullptr;
  uint32_t free_count = 0;
  Run *free_runs = nullptr;
  Run *runs = nullptr;            ///< requestless ones that are parked
  LightThread *current = nullptr;
  LightThread *leaving = nullptr; ///< has just yielded: waking it now lets it go on without a turn of the loop
  Task *soon = nullptr;           ///< tasks for right after the current resume
  Task *soon_last = nullptr;
  TimerEntry *timers = nullptr;
  uint32_t timers_pending = 0, timers_running = 0;
  int64_t next_ticket = 1;
  uint64_t ctx_free_count = 0;
  bool is_exiting = false;
  bool is_closing = false;
};

/// The VM of this thread.
extern thread_local Vm *vm_current;
/// The unique value that abi.await yields.
extern char kAwaitMark;

// scheduler.cpp
LightThread *sched_thread_new(Vm *vm, Run *run);
void sched_thread_free(LightThread *t);
Run *sched_run_new(Vm *vm, Request *r, uint32_t phase);
/// Starts a run whose entry thread has a function and `nargs` arguments on its stack. kAgain when it parked.
Rc sched_run_start(Run *run, int nargs);
/// Kills what is left of a run and frees it; nothing is reported.
void sched_run_drop(Run *run);
/// Resumes `t` now, from C code that no FFI call is under.
void sched_resume(LightThread *t, int nargs);
/// The light thread of a coroutine, or null.
LightThread *sched_of(lua_State *co);
/// Ends a thread that is not running: cancels its wait. It becomes a zombie without results, or is freed.
void sched_kill(LightThread *t);
/// Pushes `status, values...` of a zombie onto `to`; returns how many, and frees the zombie.
int sched_collect(LightThread *zombie, lua_State *to);

// vm_load.cpp
/// Pushes the function of plan script `script` onto `co`. kOk, or an HTTP status with the reason logged.
Rc vm_push_script(Vm *vm, Request *r, int32_t script, lua_State *co);

/// Chunk name of the wrapper around each handler; tracebacks leave its frame out.
extern const char kWrapperChunk[];

// thread_lib.cpp, timer_lib.cpp
int thread_lib_open(lua_State *L);
int timer_lib_open(lua_State *L);
void timer_cancel_all(Vm *vm);

// errors
/// Logs a failed thread's message, which is on its stack's top, with its traceback; or fills its run's report.
void sched_log_failure(LightThread *t);
const Log &run_log(const Run *run, const LogContext **ctx);

}  // namespace mw
