// SPDX-License-Identifier: MIT
// The dictionary's layout inside its region, shared by the dict*.cpp files alone: header | page descriptors | hash buckets
// | slab pages. All links are offsets from the region's start, 0 = none. Everything here runs with the lock held.
#pragma once
#include <cstddef>
#include <cstring>
#include <string>

#include "shm/dict.h"
#include "shm/lock.h"
#include "shm/slab.h"

namespace mw {

/// One entry: key bytes, then the value's: 8 of a double, 1 of a boolean, or a string's. Its head is as large as
/// lua-nginx-module's (67 bytes, there 68): a zone then holds as many items as it does under nginx, and evicts when that does.
struct ShmNode {
  uint64_t hash;
  uint64_t expires;   ///< wall clock in ms, 0 = never
  uint64_t lru_prev;  ///< towards the most recently used
  uint64_t lru_next;
  uint64_t chain;        ///< next entry of the same bucket
  uint64_t first, last;  ///< a list's elements
  uint32_t value_len;    ///< bytes; of a list the number of elements
  uint32_t flags;
  uint16_t key_len;
  ShmType type;
  char data[1];
};
inline constexpr uint64_t kShmNodeHead = offsetof(ShmNode, data);

/// One list element, a block of its own.
struct ShmListNode {
  uint64_t prev, next;
  uint32_t len;
  ShmType type;
  char data[1];
};
inline constexpr uint64_t kShmListNodeHead = offsetof(ShmListNode, data);

/// The words every call touches; a block of their own.
struct ShmRoot {
  uint64_t lru_first;  ///< most recently used
  uint64_t lru_last;
  uint64_t entries;
  uint64_t elements;  ///< list elements
  uint64_t evicted, expired;
  uint64_t reserved[3];
};

/// At offset 0.
struct ShmHeader {
  uint64_t magic;
  uint64_t size;
  uint64_t seed[2];
  uint64_t buckets_off;  ///< uint32_t each: offset of the first entry / 8
  uint64_t bucket_mask;
  uint64_t root_off;
  uint64_t name_off;   ///< text for log lines, NUL-terminated: ` in lua_shared_dict zone "NAME"`
  uint32_t name_len;   ///< of NAME
  uint32_t writing;    ///< set while values or structure change: an owner that dies then leaves garbage
  uint64_t recovered;  ///< owners that died; data kept
  uint64_t reset;      ///< owners that died; data dropped
  alignas(64) ShmLock lock;
  alignas(64) SlabState slab;
};

struct ShmDict {
  char *base = nullptr;
  uint64_t size = 0;
  int fd = -1;
  std::string name;

  ~ShmDict();
  ShmHeader &header() const { return *reinterpret_cast<ShmHeader *>(base); }
  ShmRoot &root() const { return *reinterpret_cast<ShmRoot *>(base + header().root_off); }
  Slab slab() const { return {base, &header().slab}; }
  ShmNode *node(uint64_t off) const { return reinterpret_cast<ShmNode *>(base + off); }
  ShmListNode *element(uint64_t off) const { return reinterpret_cast<ShmListNode *>(base + off); }
  uint32_t *bucket(uint64_t hash) const {
    return reinterpret_cast<uint32_t *>(base + header().buckets_off) + (hash & header().bucket_mask);
  }
};

/// Holds the region's lock for a scope; repairs after a dead owner before anything else sees the data.
class ShmGuard {
 public:
  enum Intent : uint8_t { reading, writing };
  ShmGuard(ShmDict &dict, Intent intent);
  ~ShmGuard();
  ShmGuard(const ShmGuard &) = delete;
  ShmGuard &operator=(const ShmGuard &) = delete;

 private:
  ShmDict &dict_;
};

uint64_t shm_hash(const ShmDict &dict, Str key);

/// A found entry. `off` 0 = none.
struct ShmFound {
  uint64_t off = 0;
  bool expired = false;
  explicit operator bool() const { return off != 0; }
};
ShmFound shm_find(ShmDict &dict, uint64_t hash, Str key, uint64_t now_ms);

void shm_lru_touch(ShmDict &dict, uint64_t off);
/// Links a new node of which key, hash and type are set.
void shm_node_link(ShmDict &dict, uint64_t off);
/// Unlinks an entry and frees it, a list with its elements.
void shm_node_delete(ShmDict &dict, uint64_t off);
/// Frees one or two expired entries at the LRU's end; `force` first removes the last one whatever its state.
uint32_t shm_reap(ShmDict &dict, bool force, uint64_t now_ms);
/// A new linked entry of `value_len` value bytes. Without `safe`, evicts up to 30 rounds (forcible). 0 = no memory.
uint64_t shm_node_new(ShmDict &dict, uint64_t hash, Str key, uint64_t value_len, bool safe, uint64_t now_ms,
                      bool &forcible);

inline bool shm_is_expired(const ShmNode &node, uint64_t now_ms) { return node.expires != 0 && node.expires <= now_ms; }
inline char *shm_value(ShmNode &node) { return node.data + node.key_len; }
inline uint64_t shm_deadline(uint64_t ttl_ms, uint64_t now_ms) { return ttl_ms == 0 ? 0 : now_ms + ttl_ms; }
/// Frees all elements of a list entry and empties it.
void shm_list_clear(ShmDict &dict, uint64_t off);

}  // namespace mw
