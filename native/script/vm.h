// SPDX-License-Identifier: MIT
// The Lua VM of one worker: its state, its boot, its chunks. Made and destroyed on the worker's thread; one per thread.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "http/core.h"
#include "script/scheduler.h"

struct lua_State;

namespace mw {

struct Vm;

/// What a VM lives in.
struct VmHost {
  HttpCore *core = nullptr;
  std::vector<std::pair<std::string, void *>> dicts;  ///< ngx.shared: name, ABI handle
  std::string cwd;                                    ///< the working directory, with a slash at its end
  bool is_cli = false;                                ///< `moonwire run`: print goes to standard output
  int32_t *pids = nullptr;                            ///< of all workers, by ngx.worker.id()
  /// Makes a VM that takes the place of `vm`, which is lost (at once, on the stack of a resume) or to be retired. False: it
  /// could not be made.
  bool (*replace)(void *arg, Vm *vm) = nullptr;
  void *replace_arg = nullptr;
};

/// Boots a VM and installs its LuaHook for this thread. Null with `error`.
Vm *vm_create(const VmHost &host, std::string &error);
/// Kills every light thread, cancels timers, closes the state. One that is lost is given up instead.
void vm_destroy(Vm *vm);
/// Another VM was made on this thread: this one runs what it has, its timers prematurely, and takes nothing new.
void vm_retire(Vm *vm);
/// True when a fault has ended it.
bool vm_is_lost(const Vm *vm);
/// True when a retired or lost VM has nothing to run any more.
bool vm_is_over(Vm *vm);
const VmHost &vm_host(const Vm *vm);
uint64_t vm_memory(Vm *vm);
uint32_t vm_timers_pending(Vm *vm);
uint32_t vm_timers_running(Vm *vm);

/// Runs plan script `script` without a request (init, init_worker, exit_worker) as a light thread; `done` gets an error text,
/// empty when it went well. May answer before it returns.
void vm_run_script(Vm *vm, int32_t script, uint32_t phase, std::function<void(std::string error)> done);

/// What vm_call answers; values are an encoded array (base/value.h).
struct VmResult {
  bool ok = false;
  std::string values, error, traceback;
};
/// Runs code, or calls the global function of that dotted name, in a light thread without a request.
void vm_call(Vm *vm, bool is_code, const std::string &text, const std::string &chunkname, const std::string &args,
             std::function<void(VmResult)> done);
/// Pending timers run now with premature = true; no new ones are taken.
void vm_begin_exit(Vm *vm);
/// True when no light thread and no timer is left.
bool vm_is_idle(Vm *vm);

}  // namespace mw
