// SPDX-License-Identifier: MIT
// See server.h. Generations: the newest that came up serves; older ones drain. Worker threads report through their own
// callbacks, which only touch what `mutex` guards; finished workers are joined by the next call on the control thread.
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "http/router.h"
#include "http/variable.h"
#include "script/vm.h"
#include "worker.h"

namespace mw {

static constexpr uint64_t kOldGenerationDrainMs = 24ull * 3600 * 1000;  // nginx: until the last request ends

struct GenerationState {
  std::shared_ptr<Generation> shared;
  std::vector<std::unique_ptr<Worker>> workers;
  uint32_t pending = 0;  ///< workers that have not reported ready
  uint32_t left = 0;     ///< workers whose thread has not ended
  std::string error;
  bool is_serving = false;
};

struct Server::Impl {
  ServerEvents events;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<GenerationState>> generations;
  std::map<std::string, std::vector<int>> sockets;  ///< listen address -> a descriptor for each worker
  std::vector<ShmDictRef> dicts;
  std::vector<ShmDictRef> limit_zones;
  uint32_t last_number = 0;

  std::unique_ptr<GenerationState> prepare(const PlanRef &plan, std::string &error);
  bool open_sockets(const Plan &plan, std::string &error);
  void close_unused(const Plan &plan);
  void on_ready(GenerationState *g, std::string error);
  void on_ended(GenerationState *g, Worker *w);
  void reap();
};

Server::Server(ServerEvents events) : impl_(std::make_unique<Impl>()) { impl_->events = std::move(events); }

Server::~Server() {
  close(0);
  for (auto &g : impl_->generations)
    for (auto &w : g->workers) w->join();
  impl_->generations.clear();
  for (auto &s : impl_->sockets)
    for (int fd : s.second) ::close(fd);
  for (auto &s : impl_->sockets)
    if (s.first.compare(0, 5, "unix:") == 0) unlink(s.first.c_str() + 5);
}

// --- sockets ---------------------------------------------------------------------------------------------------------

/// Under what name the sockets of the plan's listen `index` are kept: its address. Listens of port 0 are each a port of their
/// own, so that the second one of a host is another name.
static std::string socket_key(const Plan &plan, size_t index) {
  const std::string &address = plan.listens[index].address;
  size_t before = 0;
  for (size_t i = 0; i < index; ++i) before += plan.listens[i].address == address;
  return before == 0 ? address : address + "#" + std::to_string(before);
}

/// Gives every listen of the plan as many descriptors as there are workers: SO_REUSEPORT sockets of their own for TCP, copies
/// of one for unix. Closes what it opened when one fails.
bool Server::Impl::open_sockets(const Plan &plan, std::string &error) {
  std::vector<std::pair<std::string, int>> opened;
  auto give_up = [&] {
    for (auto &o : opened) {
      ::close(o.second);
      auto &fds = sockets[o.first];
      fds.erase(std::find(fds.begin(), fds.end(), o.second));
      if (fds.empty()) sockets.erase(o.first);
    }
    return false;
  };
  for (size_t index = 0; index < plan.listens.size(); ++index) {
    const Listen &l = plan.listens[index];
    const std::string key = socket_key(plan, index);
    std::vector<int> &fds = sockets[key];
    while (fds.size() < plan.worker_processes) {
      bool is_unix = l.address.compare(0, 5, "unix:") == 0;
      // The second socket of a port 0 must get the port that the first one was given.
      std::string address = fds.empty() || is_unix ? l.address : listener_name(fds[0]);
      int fd = -1;
      if (is_unix && !fds.empty())
        fd = dup(fds[0]);
      else if (!fds.empty() || is_unix || listener_probe(address, l.ipv6only, error))
        fd = listener_open(address, l.backlog, l.ipv6only, true, error);
      if (fd < 0) {
        if (error.empty()) error = std::string("dup() failed: ") + strerror(errno);
        if (fds.empty()) sockets.erase(key);
        return give_up();
      }
      fds.push_back(fd);
      opened.emplace_back(key, fd);
    }
  }
  return true;
}

void Server::Impl::close_unused(const Plan &plan) {
  for (auto it = sockets.begin(); it != sockets.end();) {
    bool used = false;
    for (size_t i = 0; i < plan.listens.size(); ++i) used |= socket_key(plan, i) == it->first;
    if (used) {
      while (it->second.size() > plan.worker_processes) {
        ::close(it->second.back());
        it->second.pop_back();
      }
      ++it;
      continue;
    }
    for (int fd : it->second) ::close(fd);
    if (it->first.compare(0, 5, "unix:") == 0) unlink(it->first.c_str() + 5);
    it = sockets.erase(it);
  }
}

std::vector<std::string> Server::addresses() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  std::vector<std::string> out;
  const GenerationState *newest = nullptr;
  for (auto &g : impl_->generations)
    if (g->is_serving) newest = g.get();
  if (!newest) return out;
  const Plan &plan = *newest->shared->plan;
  for (size_t i = 0; i < plan.listens.size(); ++i) {
    auto it = impl_->sockets.find(socket_key(plan, i));
    if (it != impl_->sockets.end() && !it->second.empty()) out.push_back(listener_name(it->second[0]));
  }
  return out;
}

// --- generations -----------------------------------------------------------------------------------------------------

static bool make_temp_dirs(const LocationConf &conf, std::string &error) {
  const std::string &path = conf.client_body_temp_path;
  if (path.empty()) return true;
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) < 0 && errno != EEXIST) {
      error = "mkdir() \"" + part + "\" failed (" + std::to_string(errno) + ": " + strerror(errno) + ")";
      return false;
    }
    if (slash == std::string::npos) return true;
  }
}

std::unique_ptr<GenerationState> Server::Impl::prepare(const PlanRef &plan, std::string &error) {
  auto g = std::make_unique<GenerationState>();
  g->shared = std::make_shared<Generation>();
  Generation &shared = *g->shared;
  shared.plan = plan;
  shared.number = ++last_number;
  shared.is_cli = plan->is_cli;
  if (!(shared.router = router_build(*plan, error))) return nullptr;
  if (!(shared.vars = variable_build(*plan, error))) return nullptr;
  if (!(shared.peers = peers_build(*plan, error))) return nullptr;
  if (!(shared.files = log_files_open(*plan, error))) return nullptr;
  for (const ServerConf &s : plan->servers)
    if (!make_temp_dirs(s.conf, error)) return nullptr;
  for (const SharedDict &d : plan->shared_dicts) {
    ShmDictRef dict = shm_dict_obtain(dicts, d.name, d.size, error);
    if (!dict) return nullptr;
    shared.dicts.push_back(dict);
  }
  for (const LimitZone &z : plan->limit_zones) {
    // Rates and counts are different entries: a zone that a reload puts to the other use begins anew.
    std::string name = (z.rate ? "limit_req:" : "limit_conn:") + z.name;
    ShmDictRef zone = shm_dict_obtain(limit_zones, name, z.size, error);
    if (!zone) return nullptr;
    shared.limit_zones.push_back(zone);
  }
  if (!open_sockets(*plan, error)) return nullptr;
  return g;
}

void Server::Impl::reap() {
  for (auto it = generations.begin(); it != generations.end();) {
    if ((*it)->left > 0) {
      ++it;
      continue;
    }
    for (auto &w : (*it)->workers) w->join();
    it = generations.erase(it);
  }
}

bool Server::start(const PlanRef &plan, std::string &error) {
  std::unique_lock<std::mutex> lock(impl_->mutex);
  impl_->reap();
  std::unique_ptr<GenerationState> made = impl_->prepare(plan, error);
  if (!made) return false;
  GenerationState *g = made.get();
  impl_->dicts = g->shared->dicts;
  impl_->limit_zones = g->shared->limit_zones;
  g->pending = g->left = plan->worker_processes;
  Impl *impl = impl_.get();
  for (uint32_t i = 0; i < plan->worker_processes; ++i) {
    std::vector<int> fds;
    for (size_t n = 0; n < plan->listens.size(); ++n) fds.push_back(impl->sockets[socket_key(*plan, n)][i]);
    Worker::Events events;
    events.ready = [impl, g](Worker *, std::string why) { impl->on_ready(g, std::move(why)); };
    events.ended = [impl, g](Worker *w) { impl->on_ended(g, w); };
    g->workers.push_back(std::make_unique<Worker>(g->shared, i, std::move(fds), std::move(events)));
  }
  impl_->generations.push_back(std::move(made));
  for (auto &w : g->workers) w->start();
  return true;
}

/// On a worker's thread. The last one to report decides: all well, then the older generations drain; else this one ends.
void Server::Impl::on_ready(GenerationState *g, std::string error) {
  std::unique_lock<std::mutex> lock(mutex);
  if (!error.empty() && g->error.empty()) g->error = std::move(error);
  if (--g->pending > 0) return;
  std::string failure = g->error;
  if (failure.empty()) {
    g->is_serving = true;
    for (auto &w : g->workers) w->accept();
    for (auto &other : generations)
      if (other.get() != g && other->left > 0)
        for (auto &w : other->workers) w->quit(kOldGenerationDrainMs);
    close_unused(*g->shared->plan);
  } else {
    for (auto &w : g->workers) w->quit(0);
    const Plan *serving = nullptr;
    for (auto &other : generations)
      if (other->is_serving && other->left > 0) serving = other->shared->plan.get();
    if (serving) close_unused(*serving);
  }
  uint32_t number = g->shared->number;
  lock.unlock();
  events.started(number, failure);
}

void Server::Impl::on_ended(GenerationState *g, Worker *w) {
  uint32_t number, id, left;
  {
    std::lock_guard<std::mutex> lock(mutex);
    number = g->shared->number;
    id = w->id();
    left = --g->left;
  }
  events.worker_exit(number, id, left);
}

void Server::close(uint64_t drain_ms) {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  for (auto &g : impl_->generations)
    for (auto &w : g->workers) w->quit(drain_ms);
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
