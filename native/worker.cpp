// SPDX-License-Identifier: MIT
// See worker.h. A worker's life: boot, init, init_worker, accept; then quit: drain, timers run out, exit_worker, end.
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "http/phase.h"
#include "net/resolver.h"
#include "script/vm.h"
#include "succession.h"
#include "worker_limits.h"

namespace mw {

static constexpr size_t kScratch = 65536;
static constexpr uint64_t kPublishMs = 1000;

Worker::Worker(std::shared_ptr<const Generation> generation, uint32_t id, std::vector<ListenShare> sockets,
               Succession *succession, Events events)
    : generation_(std::move(generation)),
      id_(id),
      sockets_(std::move(sockets)),
      succession_(succession),
      events_(std::move(events)) {
  for (size_t i = 0; i < generation_->plan->listens.size(); ++i)
    listen_keys_.push_back(listen_key(*generation_->plan, i));
  kill_timer_.worker = publish_timer_.worker = init_timer_.worker = this;
}

/// The worker that goes by its process's id.
static std::atomic<const Worker *> pid_holder{nullptr};

/// ngx.worker.pid(). Libraries take it for the worker's identity, in random seeds and in events for all others, so no two workers
/// that live have the same: a first worker goes by the process's id, as in a pid file, the rest by their threads' ids, which
/// kill() and /proc take for the process, too.
static int32_t claim_pid(const Worker *w, bool is_first) {
  const Worker *nobody = nullptr;
  if (is_first && pid_holder.compare_exchange_strong(nobody, w)) return getpid();
  return static_cast<int32_t>(syscall(SYS_gettid));
}

static void release_pid(const Worker *w) { pid_holder.compare_exchange_strong(w, nullptr); }

Worker::~Worker() { join(); }

void Worker::start() {
  // Here and not on the thread: what is sent to it before it runs, a quit above all, needs the wake-up to exist.
  if (!loop_.open()) open_errno_ = errno;
  thread_.start([this] { main(); });
}

void Worker::join() { thread_.join(); }

// --- start -----------------------------------------------------------------------------------------------------------

static void on_tick(Loop *, void *arg) { core_tick(static_cast<HttpCore *>(arg)); }

/// nginx's debug lines of each turn of the loop.
static void debug_turn(Loop *, int timeout, void *arg) {
  const Log &log = *static_cast<HttpCore *>(arg)->log;
  log_write(log, kLogDebug, 0, nullptr, "worker cycle");
  log_write(log, kLogDebug, 0, nullptr, "epoll timer: %d", timeout);
}

bool Worker::boot(std::string &error) {
  if (open_errno_ != 0) {
    error = std::string("epoll_create() failed (") + std::to_string(open_errno_) + ": " + strerror(open_errno_) + ")";
    return false;
  }
  const Plan &plan = *generation_->plan;
  core_.loop = &loop_;
  core_.plan = generation_->plan;
  core_.p = generation_->plan.get();
  core_.router = generation_->router;
  core_.vars = generation_->vars;
  core_.files = generation_->files;
  core_.peers = generation_->peers;
  for (const ShmDictRef &zone : generation_->limit_zones) core_.limit_zones.push_back(zone.get());
  for (const ShmDictRef &zone : generation_->cache_zones) core_.cache_zones.push_back(zone.get());
  core_.peer_state = peers_create_state(*core_.peers);
  core_.log = &generation_->files->main;
  core_.is_debug = generation_->files->is_debug;
  core_.abi = &abi_;
  core_.generation = static_cast<int32_t>(generation_->number);
  core_.ask_workers = [](void *worker, const std::shared_ptr<StatusReplies> &replies) {
    static_cast<Worker *>(worker)->generation_->ask_workers(replies);
  };
  core_.ask_workers_arg = this;
  core_.wants_privileged_agent = &generation_->wants_privileged_agent;
  core_.net.loop = &loop_;
  core_.resolvers = std::make_shared<Resolvers>(&loop_);
  core_.net.log = core_.log;
  for (const ServerConf &s :
       plan.servers)  // a head at its limit must leave room, or a full buffer would look like an end
    core_.net.recv_size = std::max<size_t>(
        core_.net.recv_size, s.large_client_header_buffers_size * (s.large_client_header_buffers_n + size_t{1}));
  core_.net.recv_buf = static_cast<char *>(malloc(core_.net.recv_size));
  if (!core_.net.recv_buf) return error = "out of memory", false;
  scratch_.resize(kScratch);
  abi_.buf = scratch_.data();
  abi_.buf_size = scratch_.size();
  abi_.worker_id = role_ == Role::serving ? static_cast<int32_t>(generation_->first_worker + id_) : -1;
  abi_.worker_count = static_cast<int32_t>(generation_->total_workers);
  abi_.process_pid = getpid();
  abi_.pid = claim_pid(this, role_ == Role::serving && id_ == 0);
  if (role_ == Role::serving) worker_limits_apply(plan, generation_->first_worker + id_, *core_.log);
  abi_.is_strict_phases = plan.lua_strict_phases;
  abi_worker = &abi_;
  loop_.on_tick = on_tick;
  loop_.on_tick_arg = &core_;
  if (core_.is_debug) {
    loop_.before_wait = debug_turn;
    loop_.before_wait_arg = &core_;
  }
  core_tick(&core_);
  return is_cache_helper() || boot_vm(error);
}

bool Worker::boot_vm(std::string &error) {
  VmHost host;
  host.core = &core_;
  host.is_cli = generation_->is_cli;
  if (Board *board = generation_->board.get(); board && abi_.worker_id < static_cast<int32_t>(kBoardWorkers)) {
    host.pids = board->pids;
    if (role_ == Role::serving) {
      board->pids[abi_.worker_id] = abi_.pid;
      board_slot = &board->slots[abi_.worker_id];
      board_slot->length = board_slot->place_length = 0;
    }
  }
  if (generation_->pids) {
    static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t));
    host.pids = reinterpret_cast<int32_t *>(generation_->pids.get());
    if (role_ == Role::serving) generation_->pids[id_].store(abi_.pid, std::memory_order_relaxed);
  }
  if (!host.is_cli) host.replace = replace_vm;
  host.replace_arg = this;
  std::error_code unknown;  // a working directory that was removed: none
  host.cwd = std::filesystem::current_path(unknown).string() + "/";
  for (const ShmDictRef &dict : generation_->dicts)
    host.dicts.emplace_back(std::string(shm_dict_name(*dict)), dict.get());
  vm_ = vm_create(host, error);
  return vm_ != nullptr;
}

/// The directive as lua-nginx-module names it: NAME or NAME_file.
static std::string script_name(const Plan &plan, int32_t script, const char *name) {
  return plan.scripts[static_cast<size_t>(script)].is_file ? std::string(name) + "_file" : name;
}

/// A VM in the place of `old`, which is lost (then this is called on the stack of its last resume) or retires.
bool Worker::replace_vm(void *arg, Vm *old) {
  Worker *w = static_cast<Worker *>(arg);
  std::string error;
  Vm *vm = vm_create(vm_host(old), error);
  if (!vm) {
    log_write(*w->core_.log, kLogEmerg, 0, nullptr, "%s", error.c_str());
    return false;
  }
  if (vm_is_lost(old)) w->events_.vm_lost(w);
  w->old_vms_.push_back(old);
  w->vm_ = vm;
  if (w->is_exiting_)
    vm_begin_exit(vm);
  else
    w->run_replacement_init(vm);
  return true;
}

void Worker::run_replacement_init(Vm *vm) {
  const Plan &plan = *generation_->plan;
  auto report = [this, &plan](int32_t script, const char *name, const std::string &error) {
    if (!error.empty())
      log_write(*core_.log, kLogError, 0, nullptr, "%s error: %s", script_name(plan, script, name).c_str(),
                error.c_str());
  };
  auto run_init_worker = [vm, &plan, report](const std::string &before) {
    if (vm_is_lost(vm)) return;  // while its init waited
    report(plan.init_script, "init_by_lua", before);
    if (plan.init_worker_script < 0) return;
    vm_run_script(vm, plan.init_worker_script, MW_PHASE_INIT_WORKER, [&plan, report](const std::string &error) {
      report(plan.init_worker_script, "init_worker_by_lua", error);
    });
  };
  if (plan.init_script < 0) return run_init_worker("");
  vm_run_script(vm, plan.init_script, MW_PHASE_INIT, run_init_worker);
}

void Worker::reap_vms() {
  std::erase_if(old_vms_, [](Vm *vm) {
    if (!vm_is_over(vm)) return false;
    vm_destroy(vm);
    return true;
  });
}

/// Runs init and init_worker, which may wait, but no longer than lua_init_timeout together.
void Worker::run_init() {
  const Plan &plan = *generation_->plan;
  is_starting_ = true;
  init_timer_.fire = [](Timer *t) { of(t)->init_over_time(); };
  if (plan.lua_init_timeout) loop_.arm(&init_timer_, plan.lua_init_timeout);
  if (plan.init_script < 0) return run_init_worker();
  vm_run_script(vm_, plan.init_script, MW_PHASE_INIT, [this, &plan](std::string error) {
    if (!is_starting_) return;
    if (error.empty()) return run_init_worker();
    init_done(script_name(plan, plan.init_script, "init_by_lua") + " error: " + error);
  });
}

void Worker::run_init_worker() {
  const Plan &plan = *generation_->plan;
  if (plan.init_worker_script < 0) return init_done("");
  is_in_init_worker_ = true;
  vm_run_script(vm_, plan.init_worker_script, MW_PHASE_INIT_WORKER, [this, &plan](std::string error) {
    // nginx starts all the same when init_worker fails; the log says why.
    if (!error.empty())
      log_write(*core_.log, kLogError, 0, nullptr, "%s error: %s",
                script_name(plan, plan.init_worker_script, "init_worker_by_lua").c_str(), error.c_str());
    init_done("");
  });
}

/// A start without its init is none. What init_worker waits for may still come: it goes on while the worker serves.
void Worker::init_over_time() {
  const Plan &plan = *generation_->plan;
  std::string error = script_name(plan, is_in_init_worker_ ? plan.init_worker_script : plan.init_script,
                                  is_in_init_worker_ ? "init_worker_by_lua" : "init_by_lua") +
                      " error: still waiting after " + std::to_string(plan.lua_init_timeout) + " ms (lua_init_timeout)";
  if (!is_in_init_worker_) return init_done(std::move(error));
  log_write(*core_.log, kLogError, 0, nullptr, "%s", error.c_str());
  init_done("");
}

void Worker::init_done(std::string error) {
  if (!is_starting_) return;
  is_starting_ = false;
  loop_.disarm(&init_timer_);
  bool is_good = error.empty();
  events_.ready(this, std::move(error));
  if (!is_good) loop_.stop();
}

void Worker::main() {
  std::string name = role_ == Role::privileged_agent ? "mw-agent" : "mw-worker-" + std::to_string(id_);
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  sigset_t all;  // signals belong to the control thread
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::string error;
  if (!boot(error)) {
    events_.ready(this, error);
  } else if (is_cache_helper()) {
    help();
  } else {
    if (role_ == Role::privileged_agent)
      log_write(*core_.log, kLogNotice, 0, nullptr, "start privileged agent process %d", abi_.pid);
    publish_timer_.fire = [](Timer *t) {
      Worker *w = of(t);
      w->publish();
      w->reap_vms();
      w->loop_.arm(t, kPublishMs);
    };
    loop_.arm(&publish_timer_, kPublishMs);
    run_init();
    loop_.run();
  }
  core_shutdown(&core_);
  core_.metrics.accepted = core_.net.accepted;
  for (Vm *vm : old_vms_) vm_destroy(vm);
  if (vm_) vm_destroy(vm_);
  vm_ = nullptr;
  core_.resolvers.reset();
  abi_worker = nullptr;
  board_slot = nullptr;
  release_pid(this);
  events_.ended(this);
}

// --- connections -----------------------------------------------------------------------------------------------------

void Worker::on_accept(Listener *l, int fd, const sockaddr *peer, socklen_t len) {
  Worker *w = static_cast<Accepting *>(l)->worker;
  http_accept(&w->core_, fd, l, peer, len);
}

/// worker_connections: whether another connection may be had. As in nginx, those that wait for their next request give way; where
/// there are none, clients wait in the backlog.
bool Worker::has_room(const Listener *l) {
  uint32_t limit = generation_->plan->worker_connections;
  if (core_.net.active + core_.net.outgoing_count < limit) return true;
  pollfd waiting{l->fd, POLLIN, 0};
  if (poll(&waiting, 1, 0) <= 0) return true;  // nobody has come
  uint32_t most = std::clamp(limit / 16, 1U, 32U);
  if (http_close_idle(&core_, most) > 0) {
    if (loop_.now_ms() - told_ms_ >= kPublishMs || told_ms_ == 0)
      log_write(*core_.log, kLogWarn, 0, nullptr, "%u worker_connections are not enough, reusing connections", limit);
    told_ms_ = loop_.now_ms();
    return true;
  }
  log_write(*core_.log, kLogAlert, 0, nullptr, "%u worker_connections are not enough", limit);
  return false;
}

void Worker::begin_accepting() {
  if (is_quitting_ || is_accepting_) return;
  is_accepting_ = true;
  for (ListenShare &share : sockets_) {
    auto l = std::make_unique<Accepting>();
    l->worker = this;
    l->socket = std::move(share.socket);
    l->fd = l->socket->fd;
    l->index = share.index;
    l->is_shared = share.is_shared;
    l->tcp_nodelay = generation_->plan->listens[static_cast<size_t>(share.index)].tcp_nodelay;
    l->loop = &loop_;
    l->accepted = on_accept;
    l->log = core_.log;
    l->may_accept = [](Listener *listener) { return static_cast<Accepting *>(listener)->worker->has_room(listener); };
    if (!listener_start(l.get()))
      log_write(*core_.log, kLogEmerg, errno, nullptr, "epoll_ctl() of a listening socket failed");
    listeners_.push_back(std::move(l));
  }
  sockets_.clear();
}

void Worker::stop_accepting() {
  sockets_.clear();
  if (!is_accepting_) return;
  is_accepting_ = false;
  for (auto &l : listeners_) {  // the objects stay: connections name them
    l->is_passed_on = succession_->has(listen_keys_[static_cast<size_t>(l->index)]);
    listener_stop(l.get());
    l->socket.reset();
  }
}

// --- connections that change workers ---------------------------------------------------------------------------------

bool Worker::pass_on(HttpCore *, Connection *c, void *arg) {
  Worker *w = static_cast<Worker *>(arg);
  return w->succession_->give(w->listen_keys_[static_cast<size_t>(c->listener->index)],
                              [c](Handover &to) { connection_give(c, to); });
}

void Worker::take_over(std::shared_ptr<Handover> handover) {
  loop_.send([this, handover = std::move(handover)] { take(*handover); });
}

void Worker::take(Handover &handover) {
  for (auto &l : listeners_)
    if (listen_keys_[static_cast<size_t>(l->index)] == handover.listen)
      return http_take_over(&core_, handover, l.get());
}

// --- counters --------------------------------------------------------------------------------------------------------

void Worker::publish() {
  constexpr auto relaxed = std::memory_order_relaxed;
  counters_.connections_active.store(core_.net.active, relaxed);
  counters_.connections_accepted.store(core_.net.accepted, relaxed);
  counters_.requests.store(core_.requests_total, relaxed);
  if (!vm_) return;
  counters_.lua_memory.store(vm_memory(vm_), relaxed);
  counters_.timers_pending.store(vm_timers_pending(vm_), relaxed);
  counters_.timers_running.store(vm_timers_running(vm_), relaxed);
}

// --- end -------------------------------------------------------------------------------------------------------------

/// How long exit_worker_by_lua* may hold up a worker that ends at once.
static constexpr uint64_t kExitScriptMs = 1000;
/// Times to drain from here on are none: no timer stands for them.
static constexpr uint64_t kNoLimitMs = 0xffffffff;

void Worker::quit(uint64_t drain_ms) {
  is_ending_.store(true, std::memory_order_relaxed);
  loop_.send([this, drain_ms] {
    if (is_quitting_ && drain_ms > 0) return;
    is_quitting_ = true;
    abi_.exiting = 1;
    stop_accepting();
    if (!vm_) return end_now();
    kill_timer_.fire = [](Timer *t) {
      Worker *w = of(t);
      w->over_time();
    };
    if (drain_ms == 0) return is_exiting_ ? end_now() : cut();
    uint64_t limit = generation_->plan->worker_shutdown_timeout;
    limit = limit ? std::min(limit, drain_ms) : drain_ms;
    if (limit < kNoLimitMs) loop_.arm(&kill_timer_, limit);
    if (succession_->has_heirs()) {
      core_.pass_on = pass_on;
      core_.pass_on_arg = this;
    }
    core_.on_drained = [](HttpCore *, void *arg) { static_cast<Worker *>(arg)->begin_exit(); };
    core_.on_drained_arg = this;
    http_drain(&core_);
  });
}

/// The time to drain is over: clients are cut off as nginx does it, and what does not end with its client ends with the VM.
void Worker::over_time() {
  if (is_exiting_) return end_now();
  http_break_all(&core_);
  if (!is_exiting_) return cut();
  loop_.arm(&kill_timer_, kExitScriptMs);
}

/// Ends without regard to requests and timers. exit_worker_by_lua* runs all the same; its waits are bounded.
void Worker::cut() {
  bool has_served = !listeners_.empty() || role_ == Role::privileged_agent;
  if (!has_served || generation_->plan->exit_worker_script < 0) return end_now();
  is_exiting_ = true;
  loop_.arm(&kill_timer_, kExitScriptMs);
  run_exit_script([this] { end_now(); });
}

void Worker::begin_exit() {
  if (is_exiting_) return;
  is_exiting_ = true;
  vm_begin_exit(vm_);
  // Not from here: the last connection is still being closed above us.
  loop_.send([this] {
    run_exit_script([this] {
      exit_script_done_ = true;
      maybe_end();
    });
  });
}

void Worker::run_exit_script(std::function<void()> then) {
  int32_t script = generation_->plan->exit_worker_script;
  if (script < 0) return then();
  vm_run_script(vm_, script, MW_PHASE_EXIT_WORKER, [this, script, then](std::string error) {
    if (!error.empty())
      log_write(*core_.log, kLogError, 0, nullptr, "%s error: %s",
                script_name(*generation_->plan, script, "exit_worker_by_lua").c_str(), error.c_str());
    then();
  });
}

void Worker::maybe_end() {
  if (!exit_script_done_) return;
  reap_vms();
  if (core_.requests_active == 0 && vm_is_idle(vm_) && old_vms_.empty()) return end_now();
  // Detached log handlers and premature timers may still wait on something; look again until the kill timer.
  publish_timer_.fire = [](Timer *t) { of(t)->maybe_end(); };
  loop_.arm(&publish_timer_, 10);
}

void Worker::end_now() { loop_.stop(); }

}  // namespace mw
