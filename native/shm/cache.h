// SPDX-License-Identifier: MIT
// The zones of proxy_cache_path: what is known of each cached file, by the 16 bytes of its key's MD5. A zone is a region of
// shm/dict.h, so that it outlives reloads and a process that dies in it; the files themselves are the caller's. Any thread of
// any process that maps the region. An entry that is entered is not evicted until it is left.
#pragma once
#include "shm/dict.h"

namespace mw {

constexpr size_t kCacheKeySize = 16;
constexpr uint64_t kCacheBlock = 4096;  ///< sizes of files are counted in these

/// The state of an entry, copied.
struct ShmCacheEntry {
  uint64_t uniq = 0;        ///< inode of the file
  uint64_t lock_ms = 0;     ///< until when an update under way keeps others out (monotonic clock)
  uint32_t valid_s = 0;     ///< of `error`: until when
  uint32_t expire_s = 0;    ///< when it will have been unused for too long
  uint32_t blocks = 0;      ///< of the file
  uint32_t count = 0;       ///< requests that have entered
  uint16_t uses = 0;        ///< since it was made, at most 1023
  uint16_t error = 0;       ///< a status that is cached without a file
  uint16_t body_start = 0;  ///< of the file
  uint8_t exists = 0;       ///< there is a file
  uint8_t updating = 0;     ///< somebody is fetching it
};

enum class ShmCacheFound : uint8_t {
  known,      ///< there is a file, an error, or it was asked for often enough
  scarce,     ///< not asked for often enough yet
  fresh,      ///< just made
  no_memory,  ///< shm_cache_evict() may make room
};

/// Counts the caller in (once: not with `is_held`) and as a use, and moves the entry away from eviction until `expire_s`.
ShmCacheFound shm_cache_enter(ShmDict &zone, Str key, uint32_t min_uses, bool is_held, uint32_t now_s,
                              uint32_t expire_s, ShmCacheEntry &out);

/// How a request leaves an entry that it has stored nothing in.
struct ShmCacheLeave {
  bool was_updating = false;  ///< it held the update, which began with lock_ms
  uint64_t lock_ms = 0;
  uint16_t error = 0;  ///< to be cached until valid_s
  uint32_t valid_s = 0;
  bool may_forget = false;  ///< an entry that stands for nothing and that nobody else uses goes
};
void shm_cache_leave(ShmDict &zone, Str key, const ShmCacheLeave &how);
/// The file of an entered entry is there (blocks > 0) or could not be put there; the caller is counted out.
void shm_cache_store(ShmDict &zone, Str key, uint64_t uniq, uint32_t blocks, uint16_t body_start);
/// A file was found on disk: an entry for it, if there is none. False without room.
bool shm_cache_learn(ShmDict &zone, Str key, uint64_t uniq, uint32_t blocks, uint16_t body_start, uint32_t expire_s);

/// Takes the update of an entered entry unless somebody has it, whose time is not over (`age_ms` = 0: whatever its time).
/// Returns its new lock_ms, or 0.
uint64_t shm_cache_lock(ShmDict &zone, Str key, uint64_t now_ms, uint64_t age_ms);
/// Somebody has the update, and time left for it.
bool shm_cache_is_locked(ShmDict &zone, Str key, uint64_t now_ms);

/// Takes the least recently used entry that nobody uses out of the zone: one that has expired by `now_s`, or with `forced`
/// any. True: `key` receives its key, and `has_file` whether its file is to be removed. False: `wait_s` is how long none will
/// do (10 at most), or 0 where `skipped` entries in use stood in the way and were given more time.
bool shm_cache_evict(ShmDict &zone, bool forced, uint32_t now_s, uint32_t inactive_s,
                     unsigned char (&key)[kCacheKeySize], bool &has_file, uint32_t &wait_s);

/// The zone as a whole.
struct ShmCacheTotals {
  uint64_t blocks = 0, entries = 0,
           watermark = 0;  ///< watermark: more entries than that are too many, 0 = no such number
  bool is_cold = true;     ///< the files on disk have not been read yet
};
ShmCacheTotals shm_cache_totals(ShmDict &zone);
/// The loader has been through.
void shm_cache_set_loaded(ShmDict &zone);

}  // namespace mw
