// SPDX-License-Identifier: MIT
// Bump allocation for one request: everything dies together. Chunks come from a per-worker pool and go back to it, so a
// steady load calls malloc never. Single-threaded; the pool must outlive its arenas.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/str.h"

namespace mw {

/// Keeps emptied standard chunks for the next arena.
class ArenaPool {
 public:
  static constexpr size_t kChunk = 4096;
  ArenaPool() = default;
  ~ArenaPool();
  ArenaPool(const ArenaPool &) = delete;
  ArenaPool &operator=(const ArenaPool &) = delete;

 private:
  friend class Arena;
  struct Chunk {
    Chunk *next;
    size_t size;  ///< of the whole chunk, this header included
  };
  Chunk *get(size_t size);
  void put(Chunk *c);
  Chunk *free_ = nullptr;
  size_t free_count_ = 0;
};

class Arena {
 public:
  /// Of no use before use().
  Arena() = default;
  explicit Arena(ArenaPool *pool) : pool_(pool) {}
  /// Where its chunks come from; before the first of them.
  void use(ArenaPool *pool) { pool_ = pool; }
  ~Arena() { reset(); }
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;

  /// Uninitialised bytes, aligned to 8. Ends the process when memory is out, as operator new does.
  void *alloc(size_t size) {
    size = (size + 7) & ~size_t{7};
    if (size > static_cast<size_t>(end_ - pos_)) return alloc_slow(size);
    char *p = pos_;
    pos_ += size;
    return p;
  }
  /// A zeroed object; T must need no destructor.
  template <class T>
  T *make() {
    return new (alloc(sizeof(T))) T();
  }
  template <class T>
  T *make_array(size_t n) {
    T *a = static_cast<T *>(alloc(sizeof(T) * n));
    for (size_t i = 0; i < n; ++i) new (&a[i]) T();
    return a;
  }
  /// A copy of `s` that lives as long as the arena.
  Str dup(Str s) {
    if (s.empty()) return {};
    char *p = static_cast<char *>(alloc(s.size()));
    memcpy(p, s.data(), s.size());
    return {p, s.size()};
  }
  /// printf into the arena; more than 255 bytes are cut.
  Str format(const char *format, ...) __attribute__((format(printf, 2, 3)));
  /// Frees everything at once.
  void reset();

 private:
  void *alloc_slow(size_t size);
  ArenaPool *pool_ = nullptr;
  ArenaPool::Chunk *chunks_ = nullptr;
  char *pos_ = nullptr;
  char *end_ = nullptr;
};

}  // namespace mw
