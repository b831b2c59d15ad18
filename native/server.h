// SPDX-License-Identifier: MIT
// The server: listening sockets, shared dictionaries and generations of workers. Used by the addon on the control thread
// (all calls but the callbacks); owns the sockets, which outlive generations. One Server per serve() or LuaVm.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "config_problem.h"

namespace mw {

/// What a server tells the control plane. Called on worker threads: the receiver must hop to its own thread.
struct ServerEvents {
  /// A generation is up: every worker finished init_worker (error empty), or it failed and was torn down (error set; the
  /// old generation, if any, still serves).
  std::function<void(uint32_t generation, std::string error)> started;
  /// A worker thread of a generation ended. `left` workers of that generation remain.
  std::function<void(uint32_t generation, uint32_t worker, uint32_t left)> worker_exit;
  /// A fault has ended a worker's Lua VM (lua_fault_containment); another has taken its place.
  std::function<void(uint32_t generation, uint32_t worker)> vm_lost;
};

/// Counters of one worker, copied.
struct WorkerStats {
  uint32_t generation = 0, worker = 0;
  uint64_t connections_active = 0, connections_accepted = 0, requests = 0, connections_idle = 0;
  uint64_t timers_pending = 0, timers_running = 0, lua_memory_bytes = 0;
};

/// What LuaVm sends into a worker and gets back. Values travel in the same tagged binary form as plans (base/value.h).
struct VmReply {
  bool ok = false;
  std::string values;  ///< encoded array of results
  std::string error;   ///< message when !ok
  std::string traceback;
};

struct Inheritance;

/// The key of a limit zone's dictionary. Rates and counts are different entries: a zone that a reload puts to the other use
/// begins anew.
inline std::string limit_zone_key(const LimitZone &zone) {
  return (zone.rate ? "limit_req:" : "limit_conn:") + zone.name;
}

/// The problems that a start would report, sockets and shared memory apart. Log files and folders are made as by a start where
/// they may be, and nothing else is wrong.
void server_check(const Plan &plan, bool may_create, Problems &problems);

class Server {
 public:
  explicit Server(ServerEvents events);
  ~Server();  ///< stops and joins every worker at once
  /// Opens (or keeps) the plan's listening sockets and starts a new generation of workers on them; the old generation,
  /// when `started` reports success, stops accepting, finishes its requests and ends. Returns false with `problems` when a
  /// regex is bad, or a host, a log file or a socket could not be had; nothing has changed then.
  /// With an inheritance, in a process of a supervisor's: sockets and dictionaries come from there, and `started` tells that
  /// the generation is ready, but it serves only when settle() says so.
  bool start(const PlanRef &plan, Problems &problems, Inheritance *from = nullptr);
  /// A generation that is ready serves from now on; or it is given up, and the one before it serves on.
  void settle(uint32_t generation, bool serves);
  /// Bound addresses as text ("127.0.0.1:8080", "unix:/path"), real ports in place of 0.
  std::vector<std::string> addresses() const;
  std::vector<WorkerStats> stats() const;
  /// Stops accepting; requests under way may finish within drain_ms (0 = at once), then workers end; worker_exit reports.
  void close(uint64_t drain_ms);
  /// Frees the generations whose workers have all ended.
  void reap();
  /// Reopens log files (SIGUSR1).
  void reopen_logs();
  /// Runs Lua in worker `worker` of the newest generation as a light thread without a request: code when `is_code`, else the
  /// global function (dotted path) `text`. `args` is an encoded array. `done` is called on the worker thread.
  void run(uint32_t worker, bool is_code, std::string text, std::string chunkname, std::string args,
           std::function<void(VmReply)> done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mw
