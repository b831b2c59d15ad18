// SPDX-License-Identifier: MIT
// The workers that help the response cache, see worker.h: nginx's cache manager and cache loader processes, as threads. They
// have no Lua VM: where nginx closes the one that came with the fork, and lua-nginx-module says so, there is none to close.
#include <unistd.h>

#include <algorithm>

#include "http/cache_manager.h"
#include "worker.h"

namespace mw {

static constexpr uint64_t kLoadAfterMs = 60000;  ///< nginx's: a start has better things to do

void Worker::help() {
  const char *name = role_ == Role::cache_manager ? "manager" : "loader";
  pthread_setname_np(pthread_self(), role_ == Role::cache_manager ? "mw-cache-mngr" : "mw-cache-load");
  log_write(*core_.log, kLogNotice, 0, nullptr, "start cache %s process %d", name, static_cast<int>(getpid()));
  log_write(*core_.log, kLogDebug, 0, nullptr, "lua close the global Lua VM %016d in the cache helper process %d", 0,
            static_cast<int>(getpid()));
  log_write(*core_.log, kLogDebug, 0, nullptr, "lua close the global Lua VM %016d", 0);
  events_.ready(this, "");
  publish_timer_.fire = [](Timer *t) {
    Worker *w = of(t);
    w->role_ == Role::cache_manager ? w->manage_caches() : w->load_caches();
  };
  loop_.arm(&publish_timer_, role_ == Role::cache_manager ? 0 : kLoadAfterMs);
  loop_.run();
}

void Worker::manage_caches() {
  const Plan &plan = *generation_->plan;
  uint64_t next_ms = UINT64_MAX;
  for (size_t i = 0; i < plan.cache_paths.size(); ++i)
    if (!is_ending_)
      next_ms = std::min(next_ms, cache_manage({&plan.cache_paths[i], core_.cache_zones[i]}, *core_.log));
  loop_.update_time();
  if (!is_ending_) loop_.arm(&publish_timer_, next_ms);
}

void Worker::load_caches() {
  const Plan &plan = *generation_->plan;
  for (size_t i = 0; i < plan.cache_paths.size(); ++i)
    if (shm_cache_totals(*core_.cache_zones[i]).is_cold)
      cache_load({&plan.cache_paths[i], core_.cache_zones[i]}, *core_.log, is_ending_);
  loop_.stop();
}

}  // namespace mw
