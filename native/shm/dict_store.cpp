// SPDX-License-Identifier: MIT
// Entries of a shared dictionary: hashing, finding, linking, eviction, and the calls that read and store single values.
// Semantics follow lua-nginx-module: each call first frees one or two expired entries at the end of the LRU queue.
#include "shm/dict_inner.h"

namespace mw {
namespace {

constexpr int kEvictRounds = 30;  // "tens of items" in the manual

uint64_t load64(const char *p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}
uint64_t load32(const char *p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
uint64_t fold(uint64_t a, uint64_t b) {
  unsigned __int128 r = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(r) ^ static_cast<uint64_t>(r >> 64);
}

/// The bytes of a value as stored; booleans and numbers are formed in `scratch`.
Str value_bytes(const ShmInput &value, char (&scratch)[8]) {
  switch (value.type) {
    case ShmType::number: std::memcpy(scratch, &value.num, 8); return Str(scratch, 8);
    case ShmType::boolean: scratch[0] = value.num != 0; return Str(scratch, 1);
    case ShmType::string: return value.str;
    default: return {};
  }
}

void lru_unlink(ShmDict &dict, ShmNode *n) {
  ShmRoot &root = dict.root();
  (n->lru_prev ? dict.node(n->lru_prev)->lru_next : root.lru_first) = n->lru_next;
  (n->lru_next ? dict.node(n->lru_next)->lru_prev : root.lru_last) = n->lru_prev;
}

void lru_link(ShmDict &dict, uint64_t off) {
  ShmRoot &root = dict.root();
  ShmNode *n = dict.node(off);
  n->lru_prev = 0;
  n->lru_next = root.lru_first;
  (root.lru_first ? dict.node(root.lru_first)->lru_prev : root.lru_last) = off;
  root.lru_first = off;
}

void value_set(ShmNode &n, ShmType type, Str bytes, uint64_t expires, uint32_t flags) {
  n.type = type;
  n.expires = expires;
  n.flags = flags;
  n.value_len = static_cast<uint32_t>(bytes.size());
  if (!bytes.empty()) std::memcpy(shm_value(n), bytes.data(), bytes.size());
}

ShmStatus value_read(ShmNode &n, char *buf, uint64_t cap, ShmOutput &out) {
  out.type = n.type;
  out.flags = n.flags;
  out.size = n.value_len;
  switch (n.type) {
    case ShmType::number: std::memcpy(&out.num, shm_value(n), sizeof(double)); return ShmStatus::ok;
    case ShmType::boolean: out.num = *shm_value(n); return ShmStatus::ok;
    case ShmType::list: return ShmStatus::is_list;
    default: break;
  }
  if (n.value_len > cap) return ShmStatus::too_small;
  if (n.value_len) std::memcpy(buf, shm_value(n), n.value_len);
  return ShmStatus::ok;
}

}  // namespace

uint64_t shm_hash(const ShmDict &dict, Str key) {
  // Two random seeds per region: chains cannot be lengthened on purpose by chosen keys.
  const uint64_t *seed = dict.header().seed;
  const char *p = key.data();
  size_t n = key.size();
  uint64_t h = seed[0] ^ (n * 0x9e3779b97f4a7c15u);
  for (; n > 16; p += 16, n -= 16) h = fold(load64(p) ^ seed[1], load64(p + 8) ^ h);
  uint64_t a = 0, b = 0;
  if (n >= 8) {
    a = load64(p);
    b = load64(p + n - 8);
  } else if (n >= 4) {
    a = load32(p);
    b = load32(p + n - 4);
  } else if (n > 0) {
    a = static_cast<unsigned char>(p[0]);
    b = static_cast<unsigned char>(p[n / 2]) << 8 | static_cast<unsigned char>(p[n - 1]);
  }
  return fold(fold(a ^ seed[1], b ^ h), 0xd6e8feb86659fd93u ^ h);
}

ShmFound shm_find(ShmDict &dict, uint64_t hash, Str key, uint64_t now_ms) {
  for (uint64_t off = uint64_t{*dict.bucket(hash)} * 8; off != 0;) {
    ShmNode *n = dict.node(off);
    if (n->hash == hash && n->key_len == key.size() && std::memcmp(n->data, key.data(), key.size()) == 0)
      return {off, shm_is_expired(*n, now_ms)};
    off = n->chain;
  }
  return {};
}

void shm_lru_touch(ShmDict &dict, uint64_t off) {
  if (dict.root().lru_first == off) return;
  lru_unlink(dict, dict.node(off));
  lru_link(dict, off);
}

void shm_node_link(ShmDict &dict, uint64_t off) {
  ShmNode *n = dict.node(off);
  uint32_t *bucket = dict.bucket(n->hash);
  n->chain = uint64_t{*bucket} * 8;
  *bucket = static_cast<uint32_t>(off / 8);
  lru_link(dict, off);
  ++dict.root().entries;
}

void shm_node_delete(ShmDict &dict, uint64_t off) {
  ShmNode *n = dict.node(off);
  if (n->type == ShmType::list) shm_list_clear(dict, off);
  uint32_t *bucket = dict.bucket(n->hash);
  if (uint64_t{*bucket} * 8 == off) {
    *bucket = static_cast<uint32_t>(n->chain / 8);
  } else {
    ShmNode *before = dict.node(uint64_t{*bucket} * 8);
    while (before->chain != off) before = dict.node(before->chain);
    before->chain = n->chain;
  }
  lru_unlink(dict, n);
  --dict.root().entries;
  slab_free(dict.slab(), off);
}

uint32_t shm_reap(ShmDict &dict, bool force, uint64_t now_ms) {
  ShmRoot &root = dict.root();
  uint32_t freed = 0;
  for (uint32_t round = force ? 0 : 1; round < 3; ++round) {
    uint64_t off = root.lru_last;
    if (off == 0) break;
    bool expired = shm_is_expired(*dict.node(off), now_ms);
    if (!expired && round != 0) break;
    ++(expired ? root.expired : root.evicted);
    shm_node_delete(dict, off);
    ++freed;
  }
  return freed;
}

uint64_t shm_node_new(ShmDict &dict, uint64_t hash, Str key, uint64_t value_len, bool safe, uint64_t now_ms,
                      bool &forcible) {
  uint64_t size = kShmNodeHead + key.size() + value_len;
  uint64_t off = slab_alloc(dict.slab(), size);
  for (int round = 0; off == 0 && !safe && round < kEvictRounds; ++round) {
    if (shm_reap(dict, true, now_ms) == 0) break;
    forcible = true;
    off = slab_alloc(dict.slab(), size);
  }
  if (off == 0) return 0;
  ShmNode *n = dict.node(off);
  n->hash = hash;
  n->key_len = static_cast<uint16_t>(key.size());
  std::memcpy(n->data, key.data(), key.size());
  shm_node_link(dict, off);
  return off;
}

ShmStatus shm_dict_get(ShmDict &dict, Str key, bool stale, uint64_t now_ms, char *buf, uint64_t cap, ShmOutput &out) {
  uint64_t hash = shm_hash(dict, key);
  out = ShmOutput{};
  ShmGuard guard(dict, ShmGuard::reading);
  if (!stale) shm_reap(dict, false, now_ms);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (!found || (found.expired && !stale)) return ShmStatus::not_found;
  if (!found.expired) shm_lru_touch(dict, found.off);
  out.stale = found.expired;
  return value_read(*dict.node(found.off), buf, cap, out);
}

ShmStatus shm_dict_store(ShmDict &dict, ShmStore op, bool safe, Str key, const ShmInput &value, uint64_t ttl_ms,
                         uint32_t flags, uint64_t now_ms, bool &forcible) {
  char scratch[8];
  Str bytes = value_bytes(value, scratch);
  uint64_t hash = shm_hash(dict, key), expires = shm_deadline(ttl_ms, now_ms);
  forcible = false;
  if (bytes.size() > 0xffffffffu) return ShmStatus::no_memory;
  ShmGuard guard(dict, ShmGuard::writing);
  shm_reap(dict, false, now_ms);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  bool valid = found && !found.expired;
  if (valid) shm_lru_touch(dict, found.off);
  if (op == ShmStore::replace && !valid) return ShmStatus::not_found;
  if (op == ShmStore::add && valid) return ShmStatus::exists;
  if (found) {
    ShmNode &n = *dict.node(found.off);
    if (value.type != ShmType::nil && n.type != ShmType::list && n.value_len == bytes.size()) {
      value_set(n, value.type, bytes, expires, flags);
      shm_lru_touch(dict, found.off);
      return ShmStatus::ok;
    }
    shm_node_delete(dict, found.off);
  }
  if (value.type == ShmType::nil) return ShmStatus::ok;
  uint64_t off = shm_node_new(dict, hash, key, bytes.size(), safe, now_ms, forcible);
  if (off == 0) return ShmStatus::no_memory;
  value_set(*dict.node(off), value.type, bytes, expires, flags);
  return ShmStatus::ok;
}

ShmStatus shm_dict_incr(ShmDict &dict, Str key, double step, const double *init, uint64_t init_ttl_ms, uint64_t now_ms,
                        double &result, bool &forcible) {
  uint64_t hash = shm_hash(dict, key);
  forcible = false;
  ShmGuard guard(dict, ShmGuard::writing);
  shm_reap(dict, false, now_ms);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (found && !found.expired) {
    ShmNode &n = *dict.node(found.off);
    shm_lru_touch(dict, found.off);
    if (n.type != ShmType::number) return ShmStatus::not_number;
    double num;
    std::memcpy(&num, shm_value(n), sizeof num);
    result = num + step;
    std::memcpy(shm_value(n), &result, sizeof result);
    return ShmStatus::ok;
  }
  if (!init) return ShmStatus::not_found;
  result = *init + step;
  uint64_t off = found.off;
  if (off != 0 && (dict.node(off)->type == ShmType::list || dict.node(off)->value_len != sizeof(double))) {
    shm_node_delete(dict, off);
    off = 0;
  }
  if (off != 0)
    shm_lru_touch(dict, off);
  else if ((off = shm_node_new(dict, hash, key, sizeof(double), false, now_ms, forcible)) == 0)
    return ShmStatus::no_memory;
  value_set(*dict.node(off), ShmType::number, Str(reinterpret_cast<const char *>(&result), sizeof result),
            shm_deadline(init_ttl_ms, now_ms), 0);
  return ShmStatus::ok;
}

}  // namespace mw
