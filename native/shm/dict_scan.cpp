// SPDX-License-Identifier: MIT
// Calls on a shared dictionary's clock and on all of its entries: ttl, expire, flush, the list of keys. The scans hold the
// lock for their whole length, as lua-nginx-module's do.
#include "shm/dict_inner.h"

namespace mw {

ShmStatus shm_dict_ttl(ShmDict &dict, Str key, uint64_t now_ms, uint64_t &left_ms) {
  uint64_t hash = shm_hash(dict, key);
  ShmGuard guard(dict, ShmGuard::reading);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (!found || found.expired) return ShmStatus::not_found;
  uint64_t expires = dict.node(found.off)->expires;
  left_ms = expires == 0 ? 0 : expires - now_ms;
  return ShmStatus::ok;
}

ShmStatus shm_dict_expire(ShmDict &dict, Str key, uint64_t ttl_ms, uint64_t now_ms) {
  uint64_t hash = shm_hash(dict, key);
  ShmGuard guard(dict, ShmGuard::writing);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (!found) return ShmStatus::not_found;
  dict.node(found.off)->expires = shm_deadline(ttl_ms, now_ms);
  return ShmStatus::ok;
}

void shm_dict_flush_all(ShmDict &dict, uint64_t now_ms) {
  ShmGuard guard(dict, ShmGuard::writing);
  for (uint64_t off = dict.root().lru_first; off != 0; off = dict.node(off)->lru_next) dict.node(off)->expires = 1;
  shm_reap(dict, true, now_ms);
}

uint64_t shm_dict_flush_expired(ShmDict &dict, uint64_t max, uint64_t now_ms) {
  ShmGuard guard(dict, ShmGuard::writing);
  uint64_t freed = 0;
  for (uint64_t off = dict.root().lru_last; off != 0;) {
    uint64_t prev = dict.node(off)->lru_prev;
    if (shm_is_expired(*dict.node(off), now_ms)) {
      shm_node_delete(dict, off);
      ++dict.root().expired;
      if (++freed == max) break;
    }
    off = prev;
  }
  return freed;
}

uint64_t shm_dict_keys(ShmDict &dict, uint64_t max, uint64_t now_ms, char *buf, uint64_t cap, uint64_t &count) {
  ShmGuard guard(dict, ShmGuard::reading);
  uint64_t needed = 0, seen = 0;
  count = 0;
  for (uint64_t off = dict.root().lru_last; off != 0; off = dict.node(off)->lru_prev) {
    ShmNode &n = *dict.node(off);
    if (shm_is_expired(n, now_ms)) continue;
    uint32_t len = n.key_len;
    if (needed + sizeof len + len <= cap) {
      std::memcpy(buf + needed, &len, sizeof len);
      std::memcpy(buf + needed + sizeof len, n.data, len);
      ++count;
    }
    needed += sizeof len + len;
    if (++seen == max) break;
  }
  return needed;
}

}  // namespace mw
