// SPDX-License-Identifier: MIT
// lua_fault_containment: a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, abort()) under lua_resume() ends the resume instead of the
// process, where the process can still be trusted; fault.cpp says where that is. What is left of the VM is never touched again.
// Handlers of these signals that were there before get every other fault.
#pragma once
#include <cstdint>

struct lua_State;

namespace mw {

/// What fault_resume() answers in place of a status of Lua's.
constexpr int kLuaFault = -1;

struct Fault {
  int signo = 0;
  const void *address = nullptr;  ///< that was accessed, where there is one
  bool is_compiled = false;       ///< in machine code of LuaJIT's, or called from there
  bool is_stack_overflow = false;
};

/// The calling thread's faults may be contained: gives it an alternate signal stack. False where they cannot be. `dying` is
/// called, in the signal handler, before a fault ends the process; it may meet another one.
bool fault_open(void (*dying)());
void fault_close();
/// lua_resume(), or kLuaFault. Within another fault_resume() of the thread, faults are not contained, but between:
int fault_resume(lua_State *co, int nargs);
/// A C function called by Lua, with no frames but LuaJIT's below it, leaves Lua to run other coroutines.
void fault_leave();
/// It goes back, if not `is_lost`: then that fault_resume() answers kLuaFault, too, and this does not return.
void fault_return(bool is_lost);
/// The fault that the thread's latest kLuaFault was.
const Fault &fault_latest();
/// Calls `probe(arg)`, which reads what may be broken. False when it met a fault.
bool fault_probe(void (*probe)(void *), void *arg);

}  // namespace mw
