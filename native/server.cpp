// SPDX-License-Identifier: MIT
// See server.h. Generations: the newest that came up serves; older ones drain. Worker threads report through their own
// callbacks, which only touch what `mutex` guards; finished workers are joined by reap() on the control thread.
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "base/value.h"
#include "http/metrics.h"
#include "http/router.h"
#include "http/variable.h"
#include "listen_set.h"
#include "script/vm.h"
#include "succession.h"
#include "worker.h"

namespace mw {

static constexpr uint64_t kDrainForever = UINT64_MAX;  // nginx: until the last request ends, or worker_shutdown_timeout

struct GenerationState {
  ListenSet inherited;   ///< a supervisor's sockets
  bool is_held = false;  ///< serves when settle() says so
  std::shared_ptr<Generation> shared;
  std::vector<std::unique_ptr<Worker>> helpers;  ///< of the response cache
  size_t helpers_started = 0;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Worker>
      privileged_agent;  ///< null until the generation serves, and without enable_privileged_agent()
  uint32_t pending = 0;  ///< workers that have not reported ready
  uint32_t left = 0;     ///< workers whose thread has not ended
  std::vector<const Worker *> ended;
  std::string error;
  bool is_serving = false;

  void quit(uint64_t drain_ms);
};

void GenerationState::quit(uint64_t drain_ms) {
  for (auto &w : helpers) w->quit(0);
  for (auto &w : workers) w->quit(drain_ms);
  if (privileged_agent) privileged_agent->quit(drain_ms);
}

struct Server::Impl {
  ServerEvents events;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<GenerationState>> generations;
  ListenSet sockets;
  Succession succession;
  std::vector<std::string> addresses;  ///< of the newest generation that came up
  std::vector<ShmDictRef> dicts;
  std::vector<ShmDictRef> limit_zones, cache_zones;
  uint32_t last_number = 0;
  bool is_closing = false;
  mw_metrics_t retired{};  ///< what workers that have ended had counted

  std::unique_ptr<GenerationState> prepare(const PlanRef &plan, Problems &problems, Inheritance *from);
  void inherit(GenerationState *g, Inheritance &from);
  ListenSet &sockets_of(GenerationState *g) { return g->is_held ? g->inherited : sockets; }
  void promote(GenerationState *g);
  void discard(GenerationState *g);
  void make_helpers(GenerationState *g);
  void start_privileged_agent(GenerationState *g);
  void start_next(GenerationState *g);
  void on_ready(GenerationState *g, std::string error);
  void on_ended(GenerationState *g, Worker *w);
  void reap();
  void ask_workers(const std::shared_ptr<StatusReplies> &replies);
};

Server::Server(ServerEvents events) : impl_(std::make_unique<Impl>()) { impl_->events = std::move(events); }

Server::~Server() {
  close(0);
  for (auto &g : impl_->generations) {
    for (auto &w : g->helpers) w->join();  // the last of them may just start the workers
    for (auto &w : g->workers) w->join();
    if (g->privileged_agent) g->privileged_agent->join();
  }
  impl_->generations.clear();
}

std::vector<std::string> Server::addresses() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->addresses;
}

// --- generations -----------------------------------------------------------------------------------------------------

static void make_folder(const std::string &path, const SourcePos &pos, Problems &problems) {
  if (mkdir(path.c_str(), 0700) < 0 && errno != EEXIST)
    problems.add("mkdir() \"" + path + "\" failed (" + std::to_string(errno) + ": " + strerror(errno) + ")", pos);
}

static void collect_temp_dirs(const std::vector<Location> &locations, std::set<std::string> &out) {
  for (const Location &l : locations) {
    out.insert(l.conf.client_body_temp_path);
    collect_temp_dirs(l.children, out);
  }
}

/// The folders that client_body_temp_path names, at any level.
static std::set<std::string> temp_dirs(const Plan &plan) {
  std::set<std::string> out;
  for (const ServerConf &s : plan.servers) {
    out.insert(s.conf.client_body_temp_path);
    collect_temp_dirs(s.locations, out);
  }
  for (const LocationConf &conf : plan.if_confs) out.insert(conf.client_body_temp_path);
  out.erase("");
  return out;
}

static void make_temp_dir(const std::string &path, Problems &problems) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    make_folder(path.substr(0, slash), {}, problems);
    if (slash == std::string::npos || !problems.empty()) return;
  }
}

/// What a plan needs that can be had without its sockets and its memory. Nothing is created once there is a problem.
static void build(Generation &to, const Plan &plan, bool may_create, Problems &problems) {
  to.router = router_build(plan, problems);
  to.vars = variable_build(plan, problems);
  to.peers = peers_build(plan, problems);
  to.files = log_files_open(plan, may_create && problems.empty(), problems);
  if (!may_create || !problems.empty()) return;
  for (const std::string &path : temp_dirs(plan)) make_temp_dir(path, problems);
  for (const CachePath &c : plan.cache_paths) make_folder(c.path, c.pos, problems);
}

void server_check(const Plan &plan, bool may_create, Problems &problems) {
  Generation unused;
  build(unused, plan, may_create, problems);
}

static ShmDictRef attach(const std::vector<ShmDictRef> &have, int fd) {
  struct stat wanted, st;
  if (fstat(fd, &wanted) == 0)
    for (const ShmDictRef &d : have)
      if (fstat(shm_dict_fd(*d), &st) == 0 && st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev) return d;
  return shm_dict_attach(fd);
}

/// Takes what a supervisor gave: prepare() then finds the dictionaries, and needs no sockets.
void Server::Impl::inherit(GenerationState *g, Inheritance &from) {
  g->is_held = true;
  g->inherited.inherit(from);
  g->shared->first_worker = from.first_worker;
  g->shared->total_workers = from.total_workers;
  for (const Inheritance::Item &item : from.items) {
    if (item.kind == Inheritance::board) g->shared->board = board_attach(item.fd);
    if (item.kind != Inheritance::dict && item.kind != Inheritance::limit_zone) continue;
    auto &mine = item.kind == Inheritance::dict ? g->shared->dicts : g->shared->limit_zones;
    if (ShmDictRef dict = attach(item.kind == Inheritance::dict ? dicts : limit_zones, item.fd)) mine.push_back(dict);
  }
}

std::unique_ptr<GenerationState> Server::Impl::prepare(const PlanRef &plan, Problems &problems, Inheritance *from) {
  auto g = std::make_unique<GenerationState>();
  g->shared = std::make_shared<Generation>();
  Generation &shared = *g->shared;
  shared.plan = plan;
  shared.number = ++last_number;
  shared.is_cli = plan->is_cli;
  shared.total_workers = plan->worker_processes;
  if (from) inherit(g.get(), *from);
  if (!shared.board) shared.pids = std::make_unique<std::atomic<int32_t>[]>(shared.total_workers);
  std::vector<ShmDictRef> have_dicts = from ? std::move(shared.dicts) : dicts;
  std::vector<ShmDictRef> have_zones = from ? std::move(shared.limit_zones) : limit_zones;
  shared.dicts.clear();
  shared.limit_zones.clear();
  shared.ask_workers = [this](const std::shared_ptr<StatusReplies> &replies) { ask_workers(replies); };
  build(shared, *plan, true, problems);
  if (!problems.empty()) return nullptr;
  std::string error;
  auto fail = [&]() -> std::unique_ptr<GenerationState> {
    problems.add(error);
    return nullptr;
  };
  for (const SharedDict &d : plan->shared_dicts) {
    ShmDictRef dict = shm_dict_obtain(have_dicts, d.name, d.size, error);
    if (!dict) return fail();
    shared.dicts.push_back(dict);
  }
  for (const LimitZone &z : plan->limit_zones) {
    ShmDictRef zone = shm_dict_obtain(have_zones, limit_zone_key(z), z.size, error);
    if (!zone) return fail();
    shared.limit_zones.push_back(zone);
  }
  for (const CachePath &c : plan->cache_paths) {
    // Another folder's files are other files: the name of a zone alone is not enough to keep what it knows.
    ShmDictRef zone = shm_dict_obtain(cache_zones, c.name + " " + c.path, c.size, error);
    if (!zone) return fail();
    shared.cache_zones.push_back(zone);
  }
  if (!from && !sockets.open(*plan, error)) return fail();
  return g;
}

void Server::reap() {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->reap();
}

void Server::Impl::reap() {
  for (auto it = generations.begin(); it != generations.end();) {
    if ((*it)->left > 0) {
      ++it;
      continue;
    }
    for (auto &w : (*it)->helpers) w->join();
    for (auto &w : (*it)->workers) w->join();
    if ((*it)->privileged_agent) (*it)->privileged_agent->join();
    it = generations.erase(it);
  }
}

bool Server::start(const PlanRef &plan, Problems &problems, Inheritance *from) {
  std::unique_lock<std::mutex> lock(impl_->mutex);
  impl_->reap();
  std::unique_ptr<GenerationState> made = impl_->prepare(plan, problems, from);
  if (!made) return false;
  GenerationState *g = made.get();
  g->pending = g->left = plan->worker_processes;
  Impl *impl = impl_.get();
  for (uint32_t i = 0; i < plan->worker_processes; ++i) {
    Worker::Events events;
    events.ready = [impl, g](Worker *, std::string why) { impl->on_ready(g, std::move(why)); };
    events.ended = [impl, g](Worker *w) { impl->on_ended(g, w); };
    events.vm_lost = [impl, g](Worker *w) { impl->events.vm_lost(g->shared->number, w->id()); };
    g->workers.push_back(std::make_unique<Worker>(g->shared, i, impl->sockets_of(g).share(*plan, i), &impl->succession,
                                                  std::move(events)));
  }
  impl_->make_helpers(g);
  impl_->generations.push_back(std::move(made));
  impl_->start_next(g);
  return true;
}

/// The response cache's: its loader once, its manager for as long as the generation serves.
void Server::Impl::make_helpers(GenerationState *g) {
  if (g->shared->plan->cache_paths.empty()) return;
  for (Worker::Role role : {Worker::Role::cache_manager, Worker::Role::cache_loader}) {
    Worker::Events events;
    events.ready = [this, g](Worker *, std::string why) {
      if (!why.empty()) log_write(g->shared->files->main, kLogAlert, 0, nullptr, "cache helper: %s", why.c_str());
      std::lock_guard<std::mutex> lock(mutex);
      start_next(g);
    };
    events.ended = [](Worker *) {};
    g->helpers.push_back(
        std::make_unique<Worker>(g->shared, 0, std::vector<ListenShare>(), &succession, std::move(events)));
    g->helpers.back()->set_role(role);
  }
}

/// The helpers start one after the other, then all workers.
void Server::Impl::start_next(GenerationState *g) {
  if (g->helpers_started < g->helpers.size()) return g->helpers[g->helpers_started++]->start();
  for (auto &w : g->workers) w->start();
}

/// lua-resty-core's: one worker more, that has no listening sockets. Of several processes the first has it.
void Server::Impl::start_privileged_agent(GenerationState *g) {
  if (is_closing || !g->shared->wants_privileged_agent || g->shared->first_worker > 0) return;
  Worker::Events events;
  events.ready = [g](Worker *, std::string why) {
    if (!why.empty()) log_write(g->shared->files->main, kLogEmerg, 0, nullptr, "privileged agent: %s", why.c_str());
  };
  events.ended = [this, g](Worker *w) { on_ended(g, w); };
  events.vm_lost = [this, g](Worker *w) { this->events.vm_lost(g->shared->number, w->id()); };
  g->privileged_agent = std::make_unique<Worker>(g->shared, static_cast<uint32_t>(g->workers.size()),
                                                 std::vector<ListenShare>(), &succession, std::move(events));
  g->privileged_agent->set_role(Worker::Role::privileged_agent);
  ++g->left;
  g->privileged_agent->start();
}

/// On a worker's thread. The last one to report decides: all well, then the older generations drain; else this one ends.
void Server::Impl::on_ready(GenerationState *g, std::string error) {
  std::unique_lock<std::mutex> lock(mutex);
  if (!error.empty() && g->error.empty()) g->error = std::move(error);
  if (--g->pending > 0) return;
  if (g->error.empty() && !g->is_held) sockets.listen(*g->shared->plan, g->error);
  std::string failure = g->error;
  if (!failure.empty())
    discard(g);
  else if (!g->is_held)
    promote(g);
  uint32_t number = g->shared->number;
  lock.unlock();
  events.started(number, failure);
}

/// From here on `g` serves. In this order: it accepts, it inherits, the older ones give up what they have.
void Server::Impl::promote(GenerationState *g) {
  const Plan &plan = *g->shared->plan;
  g->is_serving = true;
  dicts = g->shared->dicts;
  limit_zones = g->shared->limit_zones;
  cache_zones = g->shared->cache_zones;
  addresses = sockets_of(g).names(plan);
  for (auto &w : g->workers) w->accept();
  if (!is_closing) {
    std::vector<Worker *> heirs;
    std::vector<std::string> listens;
    for (auto &w : g->workers) heirs.push_back(w.get());
    for (size_t i = 0; i < plan.listens.size(); ++i) listens.push_back(listen_key(plan, i));
    succession.begin(std::move(heirs), std::move(listens));
  }
  for (auto &other : generations)
    if (other.get() != g && other->left > 0) other->quit(kDrainForever);
  sockets.keep_only(plan);
  g->inherited.close_all();  // the workers have theirs
  start_privileged_agent(g);
}

void Server::settle(uint32_t generation, bool serves) {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  for (auto &g : impl_->generations) {
    if (g->shared->number != generation || g->left == 0 || g->is_serving) continue;
    if (serves)
      impl_->promote(g.get());
    else
      impl_->discard(g.get());
  }
}

void Server::Impl::discard(GenerationState *g) {
  g->quit(0);
  const Plan *serving = nullptr;
  for (auto &other : generations)
    if (other->is_serving && other->left > 0) serving = other->shared->plan.get();
  if (serving) sockets.keep_only(*serving);
}

void Server::Impl::on_ended(GenerationState *g, Worker *w) {
  uint32_t number, id, left;
  {
    std::lock_guard<std::mutex> lock(mutex);
    number = g->shared->number;
    id = w->id();
    metrics_add(retired, w->metrics());
    g->ended.push_back(w);
    left = --g->left;
  }
  events.worker_exit(number, id, left);
}

void Server::close(uint64_t drain_ms) {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->is_closing = true;
  impl_->succession.end();
  impl_->sockets.close_all();  // the workers hold theirs until they have stopped accepting
  for (auto &g : impl_->generations) g->inherited.close_all();
  for (auto &g : impl_->generations) g->quit(drain_ms);
}

void Server::reopen_logs() {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  for (auto &g : impl_->generations) {
    std::shared_ptr<LogFiles> files = g->shared->files;
    if (!files->is_buffered || g->left == 0) {
      files->reopen();
      continue;
    }
    // What the workers hold back belongs to the file that was moved away: the last one that has written it opens the new one.
    auto left = std::make_shared<std::atomic<size_t>>(g->workers.size());
    for (auto &w : g->workers)
      w->send([worker = w.get(), files, left] {
        worker->flush_logs();
        if (left->fetch_sub(1) == 1) files->reopen();
      });
  }
}

std::vector<WorkerStats> Server::stats() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  std::vector<WorkerStats> out;
  for (auto &g : impl_->generations) {
    if (g->left == 0) continue;
    for (auto &w : g->workers) {
      const WorkerCounters &c = w->counters();
      WorkerStats s;
      s.generation = g->shared->number;
      s.worker = w->id();
      s.connections_active = c.connections_active;
      s.connections_accepted = c.connections_accepted;
      s.requests = c.requests;
      s.lua_memory_bytes = c.lua_memory;
      s.timers_pending = c.timers_pending;
      s.timers_running = c.timers_running;
      out.push_back(s);
    }
  }
  return out;
}

/// The one text that moonwire.status returned.
static std::string status_text(const VmResult &r) {
  Value values;
  bool is_text = r.ok && value_decode(values, r.values) && values.items.size() == 1;
  return is_text ? std::move(values.items[0].str) : std::string();
}

/// Sends the question to every worker that runs. On the thread of the worker that asks.
void Server::Impl::ask_workers(const std::shared_ptr<StatusReplies> &replies) {
  std::lock_guard<std::mutex> lock(mutex);
  replies->retired = retired;
  std::string no_arguments;
  Value none;
  none.tag = Value::array;
  value_encode(no_arguments, none);
  for (auto &g : generations) {
    auto ask = [&](Worker *w) {
      if (std::find(g->ended.begin(), g->ended.end(), w) != g->ended.end()) return;
      ++replies->missing;
      w->send([w, replies, no_arguments] {
        if (!w->vm()) return replies->put({});
        vm_call(w->vm(), true, "return require('moonwire.status').figures()", "=moonwire_status", no_arguments,
                [replies](const VmResult &r) { replies->put(status_text(r)); });
      });
    };
    for (auto &w : g->workers) ask(w.get());
    if (g->privileged_agent) ask(g->privileged_agent.get());
  }
}

void Server::run(uint32_t worker, bool is_code, std::string text, std::string chunkname, std::string args,
                 std::function<void(VmReply)> done) {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  Worker *w = nullptr;
  for (auto &g : impl_->generations)
    if (g->is_serving && g->left > 0 && worker < g->workers.size()) w = g->workers[worker].get();
  if (!w) return done({false, {}, "no such worker", {}});
  w->send([w, is_code, text = std::move(text), chunkname = std::move(chunkname), args = std::move(args),
           done = std::move(done)] {
    if (!w->vm()) return done({false, {}, "the worker is gone", {}});
    vm_call(w->vm(), is_code, text, chunkname, args, [done](VmResult r) {
      done({r.ok, std::move(r.values), std::move(r.error), std::move(r.traceback)});
    });
  });
}

}  // namespace mw
