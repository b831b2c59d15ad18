// SPDX-License-Identifier: MIT
// See chain.h.
#include "base/chain.h"

#include <stdlib.h>
#include <unistd.h>

#include <new>

namespace mw {

static constexpr size_t kMaxFree = 256;
static constexpr uint64_t kCopyBelow = 2048;

BlockPool::~BlockPool() {
  while (Block *b = free_) {
    free_ = b->next;
    free(b);
  }
}

Block *BlockPool::get(size_t min) {
  if (min <= kData && free_) {
    Block *b = free_;
    free_ = b->next;
    --free_count_;
    b->next = nullptr;
    return b;
  }
  size_t capacity = min < kData ? kData : min;
  void *p = malloc(sizeof(Block) + capacity);
  if (!p) abort();
  Block *b = new (p) Block();
  b->capacity = static_cast<uint32_t>(capacity);
  return b;
}

void BlockPool::put(Block *b) {
  if (b->is_file() && b->owns_fd) close(b->fd);
  if (b->capacity != kData || free_count_ >= kMaxFree) return free(b);
  b->fd = -1;
  b->owns_fd = false;
  b->start = b->end = 0;
  b->next = free_;
  free_ = b;
  ++free_count_;
}

void Chain::push(Block *b) {
  if (last_)
    last_->next = b;
  else
    first_ = b;
  last_ = b;
}

void Chain::append_slow(BlockPool &pool, Str s) {
  while (!s.empty()) {
    if (!last_ || last_->is_file() || last_->end == last_->capacity) push(pool.get());
    size_t room = last_->capacity - last_->end;
    size_t n = s.size() < room ? s.size() : room;
    memcpy(last_->data + last_->end, s.data(), n);
    last_->end += n;
    bytes_ += n;
    s.remove_prefix(n);
  }
}

char *Chain::reserve(BlockPool &pool, size_t n) {
  if (!last_ || last_->is_file() || last_->capacity - last_->end < n) push(pool.get(n));
  return last_->data + last_->end;
}

void Chain::append_file(BlockPool &pool, int fd, bool owns, uint64_t start, uint64_t end) {
  Block *b = pool.get();
  b->fd = fd;
  b->owns_fd = owns;
  b->start = start;
  b->end = end;
  push(b);
  bytes_ += b->size();
}

void Chain::take(BlockPool &pool, Chain &other) {
  while (Block *b = other.first_) {
    other.first_ = b->next;
    b->next = nullptr;
    if (!b->is_file() && b->size() < kCopyBelow) {
      append(pool, b->view());
      pool.put(b);
    } else {
      push(b);
      bytes_ += b->size();
    }
  }
  other.last_ = nullptr;
  other.bytes_ = 0;
}

void Chain::consume(BlockPool &pool, uint64_t n) {
  bytes_ -= n;
  while (first_) {
    uint64_t size = first_->size();
    if (n < size) {
      first_->start += n;
      return;
    }
    n -= size;
    Block *b = first_;
    first_ = b->next;
    if (!first_) last_ = nullptr;
    pool.put(b);
  }
}

void Chain::clear(BlockPool &pool) { consume(pool, bytes_); }

}  // namespace mw
