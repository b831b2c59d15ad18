// SPDX-License-Identifier: MIT
// What nginx's cache manager and cache loader processes do: keep a cache within its bounds, and tell its zone of the files that
// a run before has left. Both walk and remove files, which may take long: never on a worker that serves.
#pragma once
#include <atomic>

#include "base/log.h"
#include "config.h"
#include "shm/cache.h"

namespace mw {

/// A cache: its configuration and its zone.
struct CacheZone {
  const CachePath *conf = nullptr;
  ShmDict *zone = nullptr;
};

/// Removes what has been unused for `inactive`, then the least recently used until max_size, min_free and the zone's size are
/// kept; no more than manager_files, and no longer than manager_threshold. Returns the ms until it should run again.
uint64_t cache_manage(const CacheZone &cache, const Log &log);

/// Reads the folder. Sleeps as loader_* say, and gives up when `is_ending`. Files that no cache can have written there are
/// removed, as are temporary ones older than `inactive`.
void cache_load(const CacheZone &cache, const Log &log, const std::atomic<bool> &is_ending);

}  // namespace mw
