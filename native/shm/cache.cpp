// SPDX-License-Identifier: MIT
// See cache.h. An entry's value is a ShmCacheEntry; with its key it fits a block of 128 bytes, so that a megabyte holds about
// 8 thousand, as nginx says of its own. The zone's totals lie in the spare words of the region's root.
#include "shm/cache.h"

#include <algorithm>

#include "shm/dict_inner.h"

namespace mw {
namespace {

static_assert(kShmNodeHead + kCacheKeySize + sizeof(ShmCacheEntry) <= 128);

constexpr uint16_t kMostUses = 1023;
constexpr int kForcedTries = 20;  ///< entries in use that a forced eviction passes over

uint64_t &blocks_of(ShmDict &zone) { return zone.root().reserved[0]; }
uint64_t &loaded_of(ShmDict &zone) { return zone.root().reserved[1]; }
uint64_t &watermark_of(ShmDict &zone) { return zone.root().reserved[2]; }

ShmCacheEntry entry_of(ShmDict &zone, uint64_t off) {
  ShmCacheEntry e;
  std::memcpy(&e, shm_value(*zone.node(off)), sizeof e);
  return e;
}

void entry_put(ShmDict &zone, uint64_t off, const ShmCacheEntry &e) {
  std::memcpy(shm_value(*zone.node(off)), &e, sizeof e);
}

uint64_t entry_new(ShmDict &zone, uint64_t hash, Str key, const ShmCacheEntry &e) {
  bool forcible = false;
  uint64_t off = shm_node_new(zone, hash, key, sizeof e, true, 0, forcible);
  if (off == 0) {  // from now on the manager keeps some room
    watermark_of(zone) = std::max<uint64_t>(zone.root().entries - zone.root().entries / 8, 1);
    return 0;
  }
  ShmNode &node = *zone.node(off);
  node.type = ShmType::string;
  node.expires = 0;
  node.flags = 0;
  entry_put(zone, off, e);
  return off;
}

void entry_delete(ShmDict &zone, uint64_t off) {
  uint64_t &total = blocks_of(zone);
  total -= std::min<uint64_t>(total, entry_of(zone, off).blocks);
  shm_node_delete(zone, off);
}

void blocks_set(ShmDict &zone, ShmCacheEntry &e, uint32_t blocks) {
  uint64_t &total = blocks_of(zone);
  total -= std::min<uint64_t>(total, e.blocks);
  total += blocks;
  e.blocks = blocks;
}

uint64_t find(ShmDict &zone, Str key) { return shm_find(zone, shm_hash(zone, key), key, 0).off; }

}  // namespace

ShmCacheFound shm_cache_enter(ShmDict &zone, Str key, uint32_t min_uses, bool is_held, uint32_t now_s,
                              uint32_t expire_s, ShmCacheEntry &out) {
  uint64_t hash = shm_hash(zone, key);
  ShmGuard guard(zone, ShmGuard::writing);
  uint64_t off = shm_find(zone, hash, key, 0).off;
  ShmCacheEntry e;
  ShmCacheFound found = ShmCacheFound::fresh;
  if (off == 0) {
    e.uses = 1;
    e.count = 1;
    e.expire_s = expire_s;
    if (entry_new(zone, hash, key, e) == 0) return ShmCacheFound::no_memory;
    out = e;
    return found;
  }
  e = entry_of(zone, off);
  if (!is_held) {
    e.uses = std::min<uint16_t>(static_cast<uint16_t>(e.uses + 1), kMostUses);
    ++e.count;
  }
  if (e.error && e.valid_s < now_s) {  // it is over: as if it were new
    blocks_set(zone, e, 0);
    e.error = e.exists = 0;
    e.valid_s = 0;
    e.uniq = 0;
    e.body_start = 0;
  } else {
    found = e.error || e.exists || e.uses >= min_uses ? ShmCacheFound::known : ShmCacheFound::scarce;
  }
  e.expire_s = expire_s;
  entry_put(zone, off, e);
  shm_lru_touch(zone, off);
  out = e;
  return found;
}

void shm_cache_leave(ShmDict &zone, Str key, const ShmCacheLeave &how) {
  ShmGuard guard(zone, ShmGuard::writing);
  uint64_t off = find(zone, key);
  if (off == 0) return;  // the zone lost its data with a process that died in it
  ShmCacheEntry e = entry_of(zone, off);
  if (e.count > 0) --e.count;
  if (how.was_updating && e.lock_ms == how.lock_ms) e.updating = 0;
  if (how.error) {
    e.error = how.error;
    e.valid_s = how.valid_s;
  } else if (!e.exists && !e.error && e.count == 0 && how.may_forget) {
    return entry_delete(zone, off);
  }
  entry_put(zone, off, e);
}

void shm_cache_store(ShmDict &zone, Str key, uint64_t uniq, uint32_t blocks, uint16_t body_start) {
  ShmGuard guard(zone, ShmGuard::writing);
  uint64_t off = find(zone, key);
  if (off == 0) return;
  ShmCacheEntry e = entry_of(zone, off);
  if (e.count > 0) --e.count;
  e.error = 0;
  e.updating = 0;
  e.uniq = uniq;
  e.body_start = body_start;
  blocks_set(zone, e, blocks);
  if (blocks) e.exists = 1;
  entry_put(zone, off, e);
}

bool shm_cache_learn(ShmDict &zone, Str key, uint64_t uniq, uint32_t blocks, uint16_t body_start, uint32_t expire_s) {
  uint64_t hash = shm_hash(zone, key);
  ShmGuard guard(zone, ShmGuard::writing);
  uint64_t off = shm_find(zone, hash, key, 0).off;
  ShmCacheEntry e;
  if (off != 0) {
    e = entry_of(zone, off);
    if (e.exists) return true;
  } else {
    e.uses = 1;
    e.expire_s = expire_s;
    off = entry_new(zone, hash, key, e);
    if (off == 0) return false;
  }
  e.exists = 1;
  e.uniq = uniq;
  e.body_start = body_start;
  blocks_set(zone, e, blocks);
  entry_put(zone, off, e);
  return true;
}

uint64_t shm_cache_lock(ShmDict &zone, Str key, uint64_t now_ms, uint64_t age_ms) {
  ShmGuard guard(zone, ShmGuard::writing);
  uint64_t off = find(zone, key);
  if (off == 0) return 0;
  ShmCacheEntry e = entry_of(zone, off);
  if (e.updating && (age_ms == 0 || e.lock_ms > now_ms)) return 0;
  e.updating = 1;
  e.lock_ms = std::max(now_ms + age_ms, e.lock_ms + 1);  // each holder knows its own by it
  entry_put(zone, off, e);
  return e.lock_ms;
}

bool shm_cache_is_locked(ShmDict &zone, Str key, uint64_t now_ms) {
  ShmGuard guard(zone, ShmGuard::reading);
  uint64_t off = find(zone, key);
  if (off == 0) return false;
  ShmCacheEntry e = entry_of(zone, off);
  return e.updating && e.lock_ms > now_ms;
}

bool shm_cache_evict(ShmDict &zone, bool forced, uint32_t now_s, uint32_t inactive_s,
                     unsigned char (&key)[kCacheKeySize], bool &has_file, uint32_t &wait_s) {
  ShmGuard guard(zone, ShmGuard::writing);
  wait_s = 10;
  int tries = kForcedTries;
  for (uint64_t off = zone.root().lru_last, before; off != 0; off = before) {
    before = zone.node(off)->lru_prev;
    ShmCacheEntry e = entry_of(zone, off);
    if (!forced && e.expire_s > now_s) {
      wait_s = std::min(e.expire_s - now_s, 10u);
      return false;
    }
    if (e.count == 0) {
      std::memcpy(key, zone.node(off)->data, kCacheKeySize);
      has_file = e.exists;
      entry_delete(zone, off);
      return true;
    }
    if (--tries == 0) {
      wait_s = 1;
      return false;
    }
    if (forced) continue;
    e.expire_s = now_s + inactive_s;  // somebody has used it for as long as that: look at it again later
    entry_put(zone, off, e);
    shm_lru_touch(zone, off);
  }
  return false;
}

ShmCacheTotals shm_cache_totals(ShmDict &zone) {
  ShmGuard guard(zone, ShmGuard::reading);
  return {blocks_of(zone), zone.root().entries, watermark_of(zone), loaded_of(zone) == 0};
}

void shm_cache_set_loaded(ShmDict &zone) {
  ShmGuard guard(zone, ShmGuard::writing);
  loaded_of(zone) = 1;
}

}  // namespace mw
