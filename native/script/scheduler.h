// SPDX-License-Identifier: MIT
// Light threads: coroutines that the loop resumes. Everything that waits in Lua waits here: an operation embeds a Waiter,
// parks the running light thread on it, and wakes it with a result from the loop's thread. A woken light thread runs as a
// posted task, never inside the caller. Owned by the VM of one worker; single-threaded.
#pragma once
#include <cstdint>

#include "abi/abi.h"
#include "loop/loop.h"

namespace mw {

struct LightThread;
struct Request;

/// One parked wait. Embedded in the operation's own object. Zero-initialised = nobody waits.
struct Waiter {
  LightThread *thread = nullptr;
  /// Called when the light thread is killed or its request ends while it waits: the operation must forget the waiter and
  /// release what it holds. Never called after sched_wake().
  void (*cancel)(Waiter *) = nullptr;
  bool is_subrequest =
      false;  ///< what lua-nginx-module calls pending subrequests: the wait cannot be broken off from Lua
};

/// Parks the running light thread on `w` (the Lua side then calls abi.await()). There must be one running.
void sched_park(Waiter *w, void (*cancel)(Waiter *));
/// The operation completed: W.thread.result becomes `result`, the light thread is queued. `w` is idle again.
void sched_wake(Waiter *w, int32_t result);
/// True when somebody waits on `w`.
inline bool sched_is_waiting(const Waiter &w) { return w.thread != nullptr; }
/// The running light thread wants its request's handler to end with `rc` (ngx.exit and relatives); takes effect when it
/// yields through abi.await(), which does not return.
void sched_exit(int32_t rc);
/// True when a light thread of the running handler waits for subrequests.
bool sched_has_subrequests();
/// Runs `task` as soon as the running light thread has yielded (or at once after it ends), before the loop's turn goes on.
/// For what must run Lua and is asked for from an FFI call, under which no Lua can run.
void sched_run_soon(Task *task);
/// The same for the start of a subrequest that the running light thread waits for: when no light thread is ready any more.
void sched_run_subrequest(Task *task);
/// Takes a task back that these hold; harmless when it holds it not (the loop may: Loop::unpost).
void sched_cancel_soon(Task *task);
/// The running light thread goes behind everything that is ready (the Lua side then calls abi.await()).
void sched_yield_self();
/// The request of the running light thread, or null.
Request *sched_request();

}  // namespace mw
