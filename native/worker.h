// SPDX-License-Identifier: MIT
// A worker: one native thread with its loop, its VM, its share of the listening sockets. Made and stopped by the server on
// the control thread; everything else happens on its own thread. Dies when its thread has been joined.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/thread.h"
#include "http/core.h"
#include "http/modules/access_log.h"
#include "http/upstream_peers.h"
#include "listen_set.h"
#include "net/handover.h"
#include "net/listener.h"
#include "server.h"
#include "shm/board.h"
#include "shm/dict.h"

namespace mw {

struct Vm;
class Succession;

/// What all workers of one generation share, immutable.
struct Generation {
  uint32_t number = 0;
  PlanRef plan;
  std::shared_ptr<const Router> router;
  std::shared_ptr<const VarTable> vars;
  std::shared_ptr<LogFiles> files;
  std::shared_ptr<const PeerTable> peers;
  std::vector<ShmDictRef> dicts;
  std::vector<ShmDictRef> limit_zones;  ///< by index of Plan::limit_zones
  std::vector<ShmDictRef> cache_zones;  ///< by index of Plan::cache_paths
  bool is_cli = false;
  mutable std::atomic<bool> wants_privileged_agent{false};  ///< set by ngx.process in init, by any worker
  // Of a process of a supervisor's; else all workers are here.
  uint32_t first_worker = 0;                     ///< ngx.worker.id() of this process's first worker
  uint32_t total_workers = 0;                    ///< ngx.worker.count()
  BoardRef board;                                ///< null without a supervisor
  std::unique_ptr<std::atomic<int32_t>[]> pids;  ///< as Board::pids, where there is none; 0 = not started
  std::function<void(const std::shared_ptr<StatusReplies> &)>
      ask_workers;  ///< for moonwire_status; any worker's thread
};

/// A worker's counters, written by it alone, on cache lines of its own; read by the control thread.
struct alignas(64) WorkerCounters {
  std::atomic<uint64_t> connections_active{0}, connections_accepted{0}, requests{0}, lua_memory{0}, timers_pending{0},
      timers_running{0};
};

class Worker {
 public:
  struct Events {
    std::function<void(Worker *, std::string error)> ready;  ///< on its thread: boot, init and init_worker are through
    std::function<void(Worker *)> ended;                     ///< on its thread, as its last act
    std::function<void(Worker *)> vm_lost;                   ///< on its thread, on the stack of a resume
  };
  /// What it is there for. The privileged agent runs Lua as the others do, and serves nobody. The helpers of the response cache
  /// run no Lua: they have one thread each, so that walking and removing files holds nobody up (worker_helper.cpp).
  enum class Role : uint8_t { serving, privileged_agent, cache_manager, cache_loader };
  Worker(std::shared_ptr<const Generation> generation, uint32_t id, std::vector<ListenShare> sockets,
         Succession *succession, Events events);
  ~Worker();
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;
  /// Before start().
  void set_role(Role role) { role_ = role; }
  void start();
  /// Begins to accept connections (every worker of its generation is ready).
  void accept() {
    loop_.send([this] { begin_accepting(); });
  }
  /// Stops accepting; connections between requests go to the newest generation, where there is one. Ends when the requests
  /// under way have ended, or after drain_ms or worker_shutdown_timeout.
  void quit(uint64_t drain_ms);
  /// Goes on with a connection of a worker that ends. Any thread; after accept().
  void take_over(std::shared_ptr<Handover> handover);
  /// Runs `fn` on its thread.
  void send(std::function<void()> fn) { loop_.send(std::move(fn)); }
  void join();
  uint32_t id() const { return id_; }
  uint32_t generation() const { return generation_->number; }
  const WorkerCounters &counters() const { return counters_; }
  /// On its thread.
  const mw_metrics_t &metrics() const { return core_.metrics; }
  Vm *vm() { return vm_; }
  /// Writes what access logs hold back. On its thread.
  void flush_logs() { access_log_flush(&core_); }

 private:
  struct Accepting : Listener {
    Worker *worker = nullptr;
    ListenSocketRef socket;
  };
  struct OwnTimer : Timer {
    Worker *worker = nullptr;
  };
  static Worker *of(Timer *t) { return static_cast<OwnTimer *>(t)->worker; }
  void main();
  bool boot(std::string &error);
  bool boot_vm(std::string &error);
  bool is_cache_helper() const { return role_ == Role::cache_manager || role_ == Role::cache_loader; }
  void help();
  void manage_caches();
  void load_caches();
  static bool replace_vm(void *arg, Vm *old);
  void run_replacement_init(Vm *vm);
  void reap_vms();
  void run_init();
  void run_init_worker();
  void init_over_time();
  void init_done(std::string error);
  void begin_accepting();
  void stop_accepting();
  void take(Handover &handover);
  static bool pass_on(HttpCore *core, Connection *c, void *arg);
  void over_time();
  void cut();
  void begin_exit();
  void run_exit_script(std::function<void()> then);
  void maybe_end();
  void end_now();
  void publish();
  bool has_room(const Listener *l);
  static void on_accept(Listener *l, int fd, const sockaddr *peer, socklen_t len);

  std::shared_ptr<const Generation> generation_;
  uint32_t id_;
  std::vector<ListenShare> sockets_;
  Succession *succession_;
  std::vector<std::string> listen_keys_;  ///< by index of Plan::listens
  Events events_;
  Loop loop_;
  HttpCore core_;
  mw_worker_t abi_{};
  Vm *vm_ = nullptr;           ///< that of new requests
  std::vector<Vm *> old_vms_;  ///< retired ones, until they are over
  std::vector<std::unique_ptr<Accepting>> listeners_;
  WorkerCounters counters_;
  Thread thread_;
  OwnTimer kill_timer_, publish_timer_, init_timer_;
  uint64_t told_ms_ = 0;  ///< when the log was told last that connections give way
  Role role_ = Role::serving;
  std::atomic<bool> is_ending_{false};  ///< a quit was asked for; a helper looks at it between two files
  int open_errno_ = 0;                  ///< why the loop could not be opened
  bool is_starting_ = false, is_in_init_worker_ = false;
  bool is_accepting_ = false, is_quitting_ = false, is_exiting_ = false, exit_script_done_ = false;
  std::vector<char> scratch_;
};

}  // namespace mw
