// SPDX-License-Identifier: MIT
// Lists in a shared dictionary: an entry that knows its first and last element, and one block per element. Each call runs
// with the region's lock held; pushes never evict entries that are still valid.
#include "shm/dict_inner.h"

namespace mw {
namespace {

uint64_t element_new(ShmDict &dict, const ShmInput &value) {
  Str bytes =
      value.type == ShmType::number ? Str(reinterpret_cast<const char *>(&value.num), sizeof value.num) : value.str;
  if (bytes.size() > 0xffffffffu) return 0;
  uint64_t off = slab_alloc(dict.slab(), kShmListNodeHead + bytes.size());
  if (off == 0) return 0;
  ShmListNode *e = dict.element(off);
  e->type = value.type;
  e->len = static_cast<uint32_t>(bytes.size());
  if (!bytes.empty()) std::memcpy(e->data, bytes.data(), bytes.size());
  return off;
}

void element_link(ShmDict &dict, ShmNode &list, uint64_t off, ShmEnd end) {
  ShmListNode *e = dict.element(off);
  if (end == ShmEnd::left) {
    e->prev = 0;
    e->next = list.first;
    (list.first ? dict.element(list.first)->prev : list.last) = off;
    list.first = off;
  } else {
    e->next = 0;
    e->prev = list.last;
    (list.last ? dict.element(list.last)->next : list.first) = off;
    list.last = off;
  }
  ++list.value_len;
  ++dict.root().elements;
}

void element_remove(ShmDict &dict, ShmNode &list, uint64_t off) {
  ShmListNode *e = dict.element(off);
  (e->prev ? dict.element(e->prev)->next : list.first) = e->next;
  (e->next ? dict.element(e->next)->prev : list.last) = e->prev;
  --list.value_len;
  --dict.root().elements;
  slab_free(dict.slab(), off);
}

/// The entry to push to, new or emptied where the old one had expired. 0 = no memory.
uint64_t list_open(ShmDict &dict, uint64_t hash, Str key, ShmFound found, uint64_t now_ms) {
  if (found.expired && dict.node(found.off)->type == ShmType::list) {
    shm_list_clear(dict, found.off);
    dict.node(found.off)->expires = 0;
    shm_lru_touch(dict, found.off);
    return found.off;
  }
  if (found.expired) shm_node_delete(dict, found.off);
  if (found && !found.expired) return found.off;
  bool forcible = false;
  uint64_t off = shm_node_new(dict, hash, key, 0, true, now_ms, forcible);
  if (off == 0) return 0;
  ShmNode &n = *dict.node(off);
  n.type = ShmType::list;
  n.expires = 0;
  n.flags = 0;
  n.value_len = 0;
  n.first = n.last = 0;
  return off;
}

}  // namespace

void shm_list_clear(ShmDict &dict, uint64_t off) {
  ShmNode &n = *dict.node(off);
  for (uint64_t e = n.first; e != 0;) {
    uint64_t next = dict.element(e)->next;
    slab_free(dict.slab(), e);
    e = next;
  }
  dict.root().elements -= n.value_len;
  n.value_len = 0;
  n.first = n.last = 0;
}

ShmStatus shm_dict_push(ShmDict &dict, ShmEnd end, Str key, const ShmInput &value, uint64_t now_ms, uint64_t &length) {
  uint64_t hash = shm_hash(dict, key);
  ShmGuard guard(dict, ShmGuard::writing);
  shm_reap(dict, false, now_ms);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (found && !found.expired) {
    shm_lru_touch(dict, found.off);
    if (dict.node(found.off)->type != ShmType::list) return ShmStatus::not_list;
  }
  uint64_t off = list_open(dict, hash, key, found, now_ms);
  if (off == 0) return ShmStatus::no_memory;
  uint64_t e = element_new(dict, value);
  if (e == 0) {
    if (dict.node(off)->value_len == 0) shm_node_delete(dict, off);
    return ShmStatus::no_memory;
  }
  element_link(dict, *dict.node(off), e, end);
  length = dict.node(off)->value_len;
  return ShmStatus::ok;
}

ShmStatus shm_dict_pop(ShmDict &dict, ShmEnd end, Str key, uint64_t now_ms, char *buf, uint64_t cap, ShmOutput &out) {
  uint64_t hash = shm_hash(dict, key);
  out = ShmOutput{};
  ShmGuard guard(dict, ShmGuard::writing);
  shm_reap(dict, false, now_ms);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (!found || found.expired) return ShmStatus::not_found;
  shm_lru_touch(dict, found.off);
  ShmNode &list = *dict.node(found.off);
  if (list.type != ShmType::list) return ShmStatus::not_list;
  uint64_t off = end == ShmEnd::left ? list.first : list.last;
  ShmListNode *e = dict.element(off);
  out.type = e->type;
  out.size = e->len;
  if (e->type == ShmType::number) {
    std::memcpy(&out.num, e->data, sizeof out.num);
  } else {
    if (e->len > cap) return ShmStatus::too_small;
    if (e->len) std::memcpy(buf, e->data, e->len);
  }
  element_remove(dict, list, off);
  if (list.value_len == 0) shm_node_delete(dict, found.off);
  return ShmStatus::ok;
}

ShmStatus shm_dict_len(ShmDict &dict, Str key, uint64_t now_ms, uint64_t &length) {
  uint64_t hash = shm_hash(dict, key);
  length = 0;
  ShmGuard guard(dict, ShmGuard::writing);
  shm_reap(dict, false, now_ms);
  ShmFound found = shm_find(dict, hash, key, now_ms);
  if (!found || found.expired) return ShmStatus::ok;
  shm_lru_touch(dict, found.off);
  if (dict.node(found.off)->type != ShmType::list) return ShmStatus::not_list;
  length = dict.node(found.off)->value_len;
  return ShmStatus::ok;
}

}  // namespace mw
