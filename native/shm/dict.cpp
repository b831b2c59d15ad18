// SPDX-License-Identifier: MIT
// Shared dictionaries as regions: creation, mapping, the guard that repairs after a dead owner, and the check of the
// whole structure. The operations are in dict_store.cpp, dict_list.cpp and dict_scan.cpp.
#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <bit>

#include "shm/dict_inner.h"

namespace mw {
namespace {

constexpr uint64_t kMagic = 0x3174636964776d01;  // "\1mwdict1"
constexpr uint64_t kBucketsPerPage = 16;         // small entries (128-byte blocks) then give chains of one or two

uint64_t align_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/// Where the parts lie in a region of `size` bytes; a function of the size alone.
struct Layout {
  uint64_t descs_off, buckets_off, buckets, pages_off;
  uint32_t pages;
};

Layout layout_of(uint64_t size) {
  uint64_t total = size / kSlabPageSize;
  Layout l;
  l.descs_off = align_up(sizeof(ShmHeader), 64);
  l.buckets = std::bit_ceil(total * kBucketsPerPage);
  l.buckets_off = align_up(l.descs_off + total * sizeof(SlabPage), 64);
  l.pages_off = align_up(l.buckets_off + l.buckets * sizeof(uint32_t), kSlabPageSize);
  l.pages = static_cast<uint32_t>(total - l.pages_off / kSlabPageSize);
  return l;
}

/// Builds an empty dictionary in zeroed memory: everything but the lock, the seed and the counters of recoveries.
void region_format(ShmDict &dict) {
  ShmHeader &h = dict.header();
  Layout l = layout_of(dict.size);
  h.slab.pages_off = l.pages_off;
  h.slab.descs_off = l.descs_off;
  slab_init(dict.slab(), l.pages);
  h.buckets_off = l.buckets_off;
  h.bucket_mask = l.buckets - 1;
  h.root_off = slab_alloc(dict.slab(), sizeof(ShmRoot));
  dict.root() = ShmRoot{};
  std::string text = " in lua_shared_dict zone \"" + dict.name + "\"";
  h.name_off = slab_alloc(dict.slab(), text.size() + 1);
  if (h.name_off != 0) std::memcpy(dict.base + h.name_off, text.c_str(), text.size() + 1);
  h.name_len = static_cast<uint32_t>(dict.name.size());
}

bool entry_verify(ShmDict &dict, uint64_t off, uint64_t &elements) {
  uint64_t room = slab_block_size(dict.slab(), off);
  if (room < kShmNodeHead) return false;
  ShmNode *n = dict.node(off);
  uint64_t value = n->type == ShmType::list ? 0 : n->value_len;
  if (n->key_len == 0 || kShmNodeHead + n->key_len + value > room) return false;
  if (n->hash != shm_hash(dict, Str(n->data, n->key_len))) return false;
  switch (n->type) {
    case ShmType::boolean: return value == 1;
    case ShmType::number: return value == sizeof(double);
    case ShmType::string: return true;
    case ShmType::list: break;
    default: return false;
  }
  uint64_t count = 0, prev = 0;
  for (uint64_t e = n->first; e != 0; e = dict.element(e)->next) {
    if (++count > n->value_len || slab_block_size(dict.slab(), e) < kShmListNodeHead) return false;
    ShmListNode *el = dict.element(e);
    if (el->prev != prev || kShmListNodeHead + el->len > slab_block_size(dict.slab(), e)) return false;
    prev = e;
  }
  elements += count;
  return prev == n->last && count == n->value_len && count > 0;
}

bool region_verify(ShmDict &dict) {
  ShmHeader &h = dict.header();
  Layout l = layout_of(dict.size);
  uint64_t blocks = 0;
  if (h.slab.pages_off != l.pages_off || h.slab.descs_off != l.descs_off || h.slab.n_pages != l.pages) return false;
  if (h.buckets_off != l.buckets_off || h.bucket_mask != l.buckets - 1) return false;
  if (!slab_verify(dict.slab(), blocks) || slab_block_size(dict.slab(), h.root_off) < sizeof(ShmRoot)) return false;
  uint64_t limit = dict.size / kShmNodeHead, count = 0, elements = 0, prev = 0;
  ShmRoot &root = dict.root();
  for (uint64_t off = root.lru_first; off != 0; off = dict.node(off)->lru_next) {
    if (++count > limit || !entry_verify(dict, off, elements) || dict.node(off)->lru_prev != prev) return false;
    prev = off;
  }
  if (prev != root.lru_last || count != root.entries || elements != root.elements) return false;
  uint64_t chained = 0;
  const uint32_t *buckets = reinterpret_cast<const uint32_t *>(dict.base + l.buckets_off);
  for (uint64_t b = 0; b < l.buckets; ++b) {
    for (uint64_t off = uint64_t{buckets[b]} * 8; off != 0; off = dict.node(off)->chain) {
      if (++chained > count || slab_block_size(dict.slab(), off) < kShmNodeHead) return false;
      if ((dict.node(off)->hash & h.bucket_mask) != b) return false;
    }
  }
  return chained == count && blocks == count + elements + 1 + (h.name_off != 0);
}

/// After an owner died: a write it was in the middle of makes all suspect; a read can only have been moving an entry in
/// the LRU queue, which the check finds.
void region_recover(ShmDict &dict) {
  ShmHeader &h = dict.header();
  if (h.writing == 0 && region_verify(dict)) {
    ++h.recovered;
    return;
  }
  Layout l = layout_of(dict.size);
  std::memset(dict.base + l.descs_off, 0, l.pages_off - l.descs_off);
  region_format(dict);
  ++h.reset;
  h.writing = 0;
}

/// Keeps the compiler from moving the writes of a section out of its `writing` bracket; the hardware need not be told,
/// for a dead thread's stores all arrive, in program order.
void writing_set(ShmHeader &h, uint32_t value) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  *static_cast<volatile uint32_t *>(&h.writing) = value;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

bool region_map(ShmDict &dict, int fd, uint64_t size) {
  int flags = fd >= 0 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
  void *at = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (at == MAP_FAILED) return false;
  dict.base = static_cast<char *>(at);
  dict.size = size;
  dict.fd = fd;
  return true;
}

int region_file(uint64_t size) {
  int fd = memfd_create("mw-shdict", MFD_CLOEXEC);
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) != 0) {
    close(fd);
    fd = -1;
  }
  return fd;
}

}  // namespace

ShmDict::~ShmDict() {
  if (base) munmap(base, size);
  if (fd >= 0) close(fd);
}

ShmGuard::ShmGuard(ShmDict &dict, Intent intent) : dict_(dict) {
  if (shm_lock_take(dict.header().lock)) region_recover(dict);
  if (intent == writing) writing_set(dict.header(), 1);
}

ShmGuard::~ShmGuard() {
  ShmHeader &h = dict_.header();
  if (h.writing) writing_set(h, 0);
  shm_lock_release(h.lock);
}

ShmDictRef shm_dict_create(Str name, uint64_t size, std::string &error) {
  if (size < kShmDictMinSize || size >= uint64_t{8} << 32) {  // a bucket holds offset / 8 in 32 bits
    error = "invalid lua shared dict size \"" + std::to_string(size) + "\"";
    return nullptr;
  }
  auto dict = std::make_shared<ShmDict>();
  dict->name = name;
  int fd = region_file(size);
  if (!region_map(*dict, fd, size)) {
    if (fd >= 0) close(fd);
    error = "mmap(MAP_ANON|MAP_SHARED, " + std::to_string(size) + ") failed (" + std::to_string(errno) + ": " +
            std::strerror(errno) + ")";
    return nullptr;
  }
  ShmHeader &h = dict->header();
  h.size = size;
  if (getrandom(h.seed, sizeof h.seed, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof h.seed))
    h.seed[0] = static_cast<uint64_t>(time(nullptr)) ^ reinterpret_cast<uintptr_t>(dict.get());
  region_format(*dict);
  if (h.name_off == 0 || !shm_lock_init(h.lock)) {
    error = "could not allocate lua_shared_dict \"" + dict->name + "\"";
    return nullptr;
  }
  h.magic = kMagic;
  return dict;
}

ShmDictRef shm_dict_attach(int fd) {
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0 || static_cast<uint64_t>(st.st_size) < kShmDictMinSize) return nullptr;
  auto dict = std::make_shared<ShmDict>();
  int own = dup(fd);
  if (own < 0) return nullptr;
  if (!region_map(*dict, own, static_cast<uint64_t>(st.st_size))) {
    close(own);
    return nullptr;
  }
  const ShmHeader &h = dict->header();
  if (h.magic != kMagic || h.size != dict->size) return nullptr;
  const char *text = dict->base + h.name_off;
  dict->name.assign(std::strchr(text, '"') + 1, h.name_len);
  return dict;
}

ShmDictRef shm_dict_obtain(const std::vector<ShmDictRef> &have, Str name, uint64_t size, std::string &error) {
  for (const ShmDictRef &d : have)
    if (d->name == name && d->size == size) return d;
  return shm_dict_create(name, size, error);
}

Str shm_dict_name(const ShmDict &dict) { return dict.name; }
int shm_dict_fd(const ShmDict &dict) { return dict.fd; }
uint64_t shm_dict_capacity(const ShmDict &dict) { return dict.size; }

uint64_t shm_dict_free_space(ShmDict &dict) {
  ShmGuard guard(dict, ShmGuard::reading);
  return dict.header().slab.n_free * kSlabPageSize;
}

ShmStats shm_dict_stats(ShmDict &dict) {
  ShmGuard guard(dict, ShmGuard::reading);
  const ShmRoot &r = dict.root();
  return {r.entries, r.evicted, r.expired, dict.header().recovered, dict.header().reset};
}

bool shm_dict_verify(ShmDict &dict) {
  ShmGuard guard(dict, ShmGuard::reading);
  return region_verify(dict);
}

void shm_dict_seize(ShmDict &dict, bool writing) {
  shm_lock_take(dict.header().lock);
  if (writing) writing_set(dict.header(), 1);
}

}  // namespace mw
