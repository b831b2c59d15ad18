// SPDX-License-Identifier: MIT
// What the files of script/ share and nobody else sees: the VM's fields, light threads and runs.
#pragma once
#include "script/lua_api.h"

#include <memory>
#include <string>
#include <vector>

#include "http/lua_hook.h"
#include "http/request.h"
#include "script/memory.h"
#include "script/task_queue.h"
#include "script/vm.h"
#include "script/watchdog.h"

struct mw_capture;

namespace mw {

struct Run;
struct TimerEntry;

/// Why an entry thread failed, for who started it.
struct RunReport {
  std::string message, traceback;
};

/// A coroutine that the loop resumes. Structs live as long as the VM, because a coroutine that user code made inherits the
/// exdata that names one. An entry thread keeps its lua_State for the next use; a spawned one gives it up, because its handle
/// is in user code's hands and must never come to mean another thread.
struct LightThread {
  mw_thread_t abi{};  ///< first
  enum State : uint8_t { idle, running, parked, ready, zombie } state = idle;
  enum End : uint8_t { none, finished, failed } end = none;  ///< of a zombie; its results stand on its stack
  bool is_entry = false;
  bool is_exiting = false;  ///< sched_exit was called: ends its run at the next yield
  Vm *vm = nullptr;
  lua_State *co = nullptr;
  int ref = LUA_NOREF;  ///< keeps `co` alive, in the registry
  Run *run = nullptr;
  LightThread *next = nullptr, *prev = nullptr;  ///< in its run; `next` in a free list
  lua_State *parent = nullptr;                   ///< the coroutine that spawned it
  LightThread *waited_by =
      nullptr;  ///< the light thread in ngx.thread.wait for it, while that still is in wait `waited_epoch`
  uint64_t waited_epoch = 0;
  uint64_t wait_epoch = 0;         ///< the ngx.thread.wait it is in; 0 = none
  Waiter *waiter = nullptr;        ///< what it is parked on
  Task task;                       ///< queued to be resumed
  bool in_soon = false;            ///< `task` is in VmShared::soon, else in the loop's queue
  bool has_yielded = false;        ///< it waits because of its own coroutine.yield()
  int nargs = 0;                   ///< values on its stack for the next resume
  mw_capture *capture = nullptr;   ///< its latest subrequests
  LightThread *spawned = nullptr;  ///< runs as soon as this one, which spawned it, has yielded
  Waiter sleep_waiter;
  Timer sleep_timer;
};

/// The connection that a timer was made on, for its log lines.
struct TimerOrigin {
  std::string tail;  ///< ", client: A, server: S"
};

/// A handler under way: an entry thread and what it spawned. Ends when all have ended, or one of them exits.
struct Run {
  Run *next = nullptr;  ///< of the same request (Request::lua), of the VM's requestless ones, or free
  Run *prev = nullptr;
  Request *r = nullptr;
  Vm *vm = nullptr;
  LightThread *threads = nullptr;
  LightThread *entry = nullptr;
  LightThread *on_abort = nullptr;  ///< of ngx.on_abort, until the client goes; it does not count as live before
  int32_t live = 0;                 ///< threads that are not zombies
  uint32_t phase = 0;
  LuaPhase lua_phase{};
  const LocationConf *conf =
      nullptr;  ///< of a run without request: of the code that made its timer, or the http block's
  bool has_exited = false;
  bool is_dropped = false;  ///< released while on the stack
  bool has_failed = false;  ///< the entry thread raised an error
  uint32_t depth = 0;       ///< resumes of its threads on the stack
  uint32_t captured = 0;    ///< captures since the loop had its turn, see script/capture.cpp
  Rc rc = kOk;
  int32_t ctx_ref = 0;            ///< ngx.ctx of a run without request
  void (*done)(Run *) = nullptr;  ///< requestless runs, entry thread still there; request runs go to http_lua_done
  void *done_arg = nullptr;
  std::shared_ptr<const TimerOrigin> origin;  ///< of a timer's run; null when no request made it
  LogContext log_ctx;                         ///< of a timer's run
  void *sockets = nullptr;                    ///< cosockets that end with a run without request, see abi/sock.h
  void (*on_end)(Run *) = nullptr;            ///< closes them
  RunReport *report = nullptr;  ///< where a failure of the entry thread goes instead of the log; the starter's
};

/// What stops the running Lua code at its next instruction: lua_handler_timeout, or memory that is to be collected.
struct Interrupt {
  volatile bool is_set = false;      ///< the hook is set
  volatile bool is_overdue = false;  ///< by the watchdog's signal on this thread
  volatile bool wants_gc = false;
  bool has_raised = false;  ///< the error was raised; until the run's end has been handled
  uint64_t ms = 0;
  lua_Hook user_hook = nullptr;  ///< that of debug.sethook(), to be put back
  int user_mask = 0, user_count = 0;
  char message[512];
  std::string trace;  ///< where Lua was
};

constexpr uint64_t kFirstPauseMs = 1000;

/// What the VMs of a thread share; goes with the last.
struct VmShared {
  Vm *newest = nullptr;         ///< that requests which have none yet run in
  void *sock_worker = nullptr;  ///< of the cosockets: pools, resolvers; see abi/sock.h
  void (*sock_worker_free)(void *) = nullptr;
  Watch *watch = nullptr;
  uint64_t lost = 0;                         ///< how many faults have ended
  uint64_t retire_after_ms = kFirstPauseMs;  ///< how old one must be to be replaced for its memory
  TaskQueue soon;                            ///< for right after the current resume, light threads among them
  TaskQueue subrequests;                     ///< that start when `soon` is empty: nginx's posted requests
  bool is_draining = false;                  ///< both are being worked off further down the stack
};

struct Vm {
  VmHost host;
  HttpCore *core = nullptr;
  mw_worker_t *abi = nullptr;
  lua_State *L = nullptr;
  std::vector<int> script_refs;  ///< by plan script; LUA_NOREF = not loaded yet
  int ctx_table = LUA_NOREF;     ///< array of ngx.ctx tables
  int message_handler = LUA_NOREF;
  int refused_table =
      LUA_NOREF;  ///< weak-keyed: coroutines that coroutine.resume refuses, all of the light threads' among them
  int fresh = LUA_NOREF;                ///< moonwire.fresh
  int error_function = LUA_NOREF;       ///< the builtin error()
  int failures_table = LUA_NOREF;       ///< weak-keyed: coroutine -> {coroutine wrapped in it that failed, message}
  LightThread *free_threads = nullptr;  ///< idle, with a clean coroutine
  uint32_t free_count = 0;
  LightThread *bare_threads = nullptr;  ///< idle, without a coroutine
  uint64_t next_epoch = 1;
  Run *free_runs = nullptr;
  Run *runs = nullptr;  ///< requestless ones that are parked
  LightThread *current = nullptr;
  TimerEntry *timers = nullptr;
  std::shared_ptr<VmShared> shared;
  uint32_t timers_pending = 0, timers_running = 0;
  int64_t next_ticket = 1;
  uint64_t ctx_free_count = 0;
  bool is_guarded = false;  ///< one of the next three is to be seen to around a resume
  Watch *watch = nullptr;   ///< null: nothing is limited in time
  Memory memory;
  bool contains_faults = false;
  bool is_retired = false;  ///< another VM serves new requests; this one ends with those that it has
  bool is_lost = false;     ///< a fault has ended it: its Lua state is not to be touched
  Task end_task;            ///< ends what was parked in it
  Interrupt interrupt;
  bool is_exiting = false;
  bool is_closing = false;
  uint64_t born_ms = 0;
};

/// The VM of this thread.
extern constinit thread_local Vm *vm_current;
/// The unique value that abi.await yields.
extern char kAwaitMark;
/// exdata of a coroutine that was a light thread.
extern char kDeadMark;

// light_thread.cpp
/// A light thread of `run`, with an empty stack; `is_entry` decides which pool it comes from and goes to.
LightThread *sched_thread_new(Vm *vm, Run *run, bool is_entry);
void sched_thread_free(LightThread *t);
Run *sched_run_new(Vm *vm, Request *r, uint32_t phase);
/// The entry thread of a new run.
LightThread *sched_entry_new(Run *run);
/// Unlinks a run that is over, and tells its `on_end`.
void sched_run_free(Run *run);
/// The light thread whose coroutine `co` is, or null; `was_one` tells whether it used to be one.
LightThread *sched_of(lua_State *co, bool *was_one = nullptr);

// scheduler.cpp
/// LightThread::task's: resumes the light thread that was made ready.
void sched_on_ready(Task *task);
/// Starts a run whose entry thread has a function and `nargs` arguments on its stack. kAgain when it parked.
Rc sched_run_start(Run *run, int nargs);
/// The run, which is not on the stack, is over: frees it and tells whoever waits for its end.
void sched_complete(Run *run);
/// A handler's failure: what its run answers.
void sched_fail(Run *run);
/// The VM is lost: its light threads that are ready go to the loop's queue.
void sched_lose(Vm *vm);
/// Kills what is left of a run and frees it; nothing is reported.
void sched_run_drop(Run *run);
/// Resumes `t` now, from C code that no FFI call is under.
void sched_resume(LightThread *t, int nargs);
/// Parks the running light thread until one of the threads that carry the returned epoch ends.
uint64_t sched_park_for_threads();
/// The running light thread yields now, `child` runs, then this one goes on with the child's coroutine as its result.
void sched_park_for_spawn(LightThread *child);
/// Queues a new light thread to be started with the `nargs` values on its stack.
void sched_start_later(LightThread *t, int nargs);
/// The running light thread's run gets the callback of ngx.on_abort; its function is to be moved to the coroutine.
LightThread *sched_new_on_abort(lua_State *parent);
/// The client has gone: queues the callback.
void sched_start_on_abort(Run *run);
/// True where a wait was begun and never awaited, which the next wait will end.
inline bool sched_is_left_over(const LightThread *t) {
  return t->waiter || t->wait_epoch || t->task.is_queued || t->spawned;
}
/// Ends a thread that is not running: cancels its wait. It becomes a zombie without results, or is freed.
void sched_kill(LightThread *t);
/// Pushes `status, values...` of a zombie onto `to`; returns how many, and frees the zombie.
int sched_collect(LightThread *zombie, lua_State *to);

// vm_load.cpp
/// Pushes the function of plan script `script` onto `co`. kOk, or an HTTP status with the reason logged, or in `why`.
Rc vm_push_script(Vm *vm, Request *r, int32_t script, lua_State *co, std::string *why = nullptr);

// vm.cpp
/// lua_code_cache off: a request finds what init_by_lua* left, and nothing of the requests before it.
void vm_refresh(Vm *vm);

/// Seconds as Lua gives them (>= 0, infinite too) in the loop's milliseconds; less than one is none, as in nginx.
inline uint64_t sched_ms(double seconds) {
  constexpr double kMax = 4e12;  // past a century
  double ms = seconds * 1000 + 1e-6;
  return ms < kMax ? static_cast<uint64_t>(ms) : static_cast<uint64_t>(kMax);
}

/// How many ms the code of `run` may run without waiting; 0 = no limit.
inline uint64_t sched_limit(const Run *run) { return (run->r ? run->r->conf : run->conf)->lua_handler_timeout; }

/// Chunk name of the wrapper around each handler; tracebacks leave its frame out.
extern const char kWrapperChunk[];

// thread_lib.cpp, timer_lib.cpp
int thread_lib_open(lua_State *L);
int timer_lib_open(lua_State *L);
int errlog_lib_open(lua_State *L);  // and stops with errlog_close(), before the VM is gone
void errlog_close();
int pipe_lib_open(lua_State *L);
int worker_lib_open(lua_State *L);  // ngx.run_worker_thread's threads, which worker_lib_close() joins
void worker_lib_close();
/// The log of a thread pool's thread, which has no VM of ours.
extern constinit thread_local const Log *pool_log;
// capture.cpp
int capture_lib_open(lua_State *L);
void timer_cancel_all(Vm *vm);

// interrupt.cpp
/// lua_handler_timeout: has the calling thread watched, where the plan limits a run; else null.
Watch *interrupt_watch(const Vm *vm);
/// After watch_end(): takes the hook back that a run over its time had set.
void interrupt_clear(Vm *vm);
/// From an allocation: garbage is collected before the next instruction.
void interrupt_for_gc(void *vm);

// guard.cpp
/// lua_handler_timeout, lua_vm_memory_limit, lua_fault_containment: as the plan says.
void guard_open(Vm *vm);
void guard_close(Vm *vm, bool is_last);
/// lua_resume() of a VM that is_guarded. kLuaFault (fault.h): the VM is lost.
int guard_resume(LightThread *t, int nargs);
/// A C function leaves Lua to run other light threads, as if the running one yielded; returns what guard_return() takes when
/// it goes back. That does not return where the VM was lost.
bool guard_leave(Vm *vm);
void guard_return(Vm *vm, const Run *run, bool enforced);
/// lua_pcall() of code that is the user's, outside of a resume.
int guard_call(Vm *vm, const Run *run, int nargs, int nresults);
/// A fault has ended the VM in a resume of `t`, or in one on top of that: logs it, fails the run; what is parked there ends in
/// the loop's turn.
void guard_lost(LightThread *t);

// errors
/// Pushes the frames of `co` onto L, as a traceback shows them.
void sched_push_frames(lua_State *L, lua_State *co);
/// Logs a failed thread's message, which is on its stack's top, with its traceback; or fills its run's report.
void sched_log_failure(LightThread *t);
/// Leaves on the stack of a light thread's coroutine, which died of an error, what lua-nginx-module returns of it: the
/// message; behind the text that was given to error(), where that raised it. Returns how many there are.
int sched_error_values(const LightThread *t);
const Log &run_log(const Run *run, const LogContext **ctx);
/// LogContext::tail of a timer's run.
void run_timer_tail(const LogContext *ctx, std::string &out);
/// A debug line of lua-nginx-module's; call it where vm_is_debug() only.
void run_debug(const Run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// The same of what the running Lua code does; free when the level is off.
void vm_debug(const char *text);
inline bool vm_is_debug(const Vm *vm) { return vm->core->is_debug; }

/// Gives the table on the stack what moonwire/env.lua reads: `env` and `hides_env`.
void env_set_fields(lua_State *L, const std::vector<std::string> &env, bool hides_env);

}  // namespace mw
