// SPDX-License-Identifier: MIT
// The buffer chain: bytes on their way out (or waiting to be parsed), in blocks from a per-worker pool, and file ranges.
// A chain owns its blocks; moving a chain moves them. Single-threaded; the pool must outlive its chains.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <utility>

#include "base/str.h"

namespace mw {

/// A run of bytes in memory, or of a file when fd >= 0 (then `start` and `end` are file offsets).
struct Block {
  Block *next = nullptr;
  int fd = -1;
  bool owns_fd = false;
  uint32_t capacity = 0;
  uint64_t start = 0;  ///< first byte not yet consumed
  uint64_t end = 0;    ///< past the last byte
  char data[];
  uint64_t size() const { return end - start; }
  bool is_file() const { return fd >= 0; }
  Str view() const { return {data + start, static_cast<size_t>(end - start)}; }
};

class BlockPool {
 public:
  static constexpr size_t kData = 16384 - sizeof(Block);  ///< bytes a standard block holds
  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool &) = delete;
  BlockPool &operator=(const BlockPool &) = delete;
  /// An empty block of at least `min` bytes.
  Block *get(size_t min = kData);
  void put(Block *b);
  bool has_free() const { return free_ != nullptr; }

 private:
  Block *free_ = nullptr;
  size_t free_count_ = 0;
};

class Chain {
 public:
  Chain() = default;
  Chain(const Chain &) = delete;
  Chain &operator=(const Chain &) = delete;
  bool is_empty() const { return bytes_ == 0; }
  uint64_t bytes() const { return bytes_; }
  Block *first() const { return first_; }
  /// Bytes that fit behind the last one without another block.
  size_t room() const { return last_ && !last_->is_file() ? static_cast<size_t>(last_->capacity - last_->end) : 0; }

  /// Copies `s` to the end.
  void append(BlockPool &pool, Str s) {
    if (last_ && !last_->is_file() && last_->capacity - last_->end >= s.size()) {
      str_put(last_->data + last_->end, s);
      last_->end += s.size();
      bytes_ += s.size();
      return;
    }
    append_slow(pool, s);
  }
  /// Room for `n` bytes at the end (n <= BlockPool::kData); the caller writes and then calls advance().
  char *reserve(BlockPool &pool, size_t n);
  void advance(size_t n) {
    last_->end += n;
    bytes_ += n;
  }
  /// A range of a file; with `owns` the descriptor is closed when the range is consumed.
  void append_file(BlockPool &pool, int fd, bool owns, uint64_t start, uint64_t end);
  /// Moves all of `other` to the end of this one; small memory is copied to keep the chain short.
  void take(BlockPool &pool, Chain &other);
  /// Drops the first `n` bytes and the blocks they empty.
  void consume(BlockPool &pool, uint64_t n);
  void clear(BlockPool &pool);
  void swap(Chain &other) {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(bytes_, other.bytes_);
  }

 private:
  void append_slow(BlockPool &pool, Str s);
  void push(Block *b);
  Block *first_ = nullptr;
  Block *last_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace mw
