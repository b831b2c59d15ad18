// SPDX-License-Identifier: MIT
// See limit.h. An entry's value is a Bucket, or a count of connections; both live until their zone needs the room: buckets
// least recently used first, counts only when they are back at zero.
#include "shm/limit.h"

#include "shm/dict_inner.h"

namespace mw {
namespace {

struct Bucket {
  uint64_t last_ms;
  uint64_t excess;  ///< thousandths of a request
};

constexpr int64_t kClockJump = 60000;  ///< a clock that was set back by more counts as 1 ms, as in nginx

template <class T>
T value_of(ShmNode &node) {
  T value;
  std::memcpy(&value, shm_value(node), sizeof value);
  return value;
}

template <class T>
void value_put(ShmNode &node, const T &value) {
  std::memcpy(shm_value(node), &value, sizeof value);
}

template <class T>
uint64_t entry_new(ShmDict &zone, uint64_t hash, Str key, const T &value, bool may_evict, uint64_t now_ms) {
  bool forcible = false;
  uint64_t off = shm_node_new(zone, hash, key, sizeof value, !may_evict, now_ms, forcible);
  if (off == 0) return 0;
  ShmNode &node = *zone.node(off);
  node.type = ShmType::string;
  node.expires = 0;
  node.flags = 0;
  value_put(node, value);
  return off;
}

}  // namespace

ShmStatus shm_limit_rate(ShmDict &zone, Str key, uint64_t rate, uint64_t burst, bool account, uint64_t now_ms,
                         uint64_t &excess) {
  uint64_t hash = shm_hash(zone, key);
  ShmGuard guard(zone, ShmGuard::writing);
  ShmFound found = shm_find(zone, hash, key, now_ms);
  excess = 0;
  if (!found) {
    if (!account) return ShmStatus::ok;
    return entry_new(zone, hash, key, Bucket{now_ms, 0}, true, now_ms) ? ShmStatus::ok : ShmStatus::no_memory;
  }
  shm_lru_touch(zone, found.off);
  Bucket b = value_of<Bucket>(*zone.node(found.off));
  int64_t ms = static_cast<int64_t>(now_ms) - static_cast<int64_t>(b.last_ms);
  if (ms < 0) ms = ms < -kClockJump ? 1 : 0;
  uint64_t leaked =
      static_cast<uint64_t>(ms) > UINT64_MAX / (rate + 1) ? UINT64_MAX : rate * static_cast<uint64_t>(ms) / 1000;
  excess = b.excess + 1000 > leaked ? b.excess + 1000 - leaked : 0;
  if (excess > burst) return ShmStatus::exists;
  if (!account) return ShmStatus::ok;
  b.excess = excess;
  if (ms) b.last_ms = now_ms;
  value_put(*zone.node(found.off), b);
  return ShmStatus::ok;
}

ShmStatus shm_limit_enter(ShmDict &zone, Str key, uint32_t most, uint64_t now_ms) {
  uint64_t hash = shm_hash(zone, key);
  ShmGuard guard(zone, ShmGuard::writing);
  ShmFound found = shm_find(zone, hash, key, now_ms);
  if (!found) return entry_new(zone, hash, key, uint32_t{1}, false, now_ms) ? ShmStatus::ok : ShmStatus::no_memory;
  uint32_t count = value_of<uint32_t>(*zone.node(found.off));
  if (count >= most) return ShmStatus::exists;
  value_put(*zone.node(found.off), count + 1);
  return ShmStatus::ok;
}

void shm_limit_leave(ShmDict &zone, Str key, uint64_t now_ms) {
  uint64_t hash = shm_hash(zone, key);
  ShmGuard guard(zone, ShmGuard::writing);
  ShmFound found = shm_find(zone, hash, key, now_ms);
  if (!found) return;  // the zone lost its data with a process that died in it
  uint32_t count = value_of<uint32_t>(*zone.node(found.off));
  if (count <= 1) return shm_node_delete(zone, found.off);
  value_put(*zone.node(found.off), count - 1);
}

}  // namespace mw
