// SPDX-License-Identifier: MIT
// See arena.h.
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include <algorithm>

namespace mw {

static constexpr size_t kMaxFree = 1024;

ArenaPool::~ArenaPool() {
  while (Chunk *c = free_) {
    free_ = c->next;
    free(c);
  }
}

ArenaPool::Chunk *ArenaPool::get(size_t size) {
  if (size <= kChunk && free_) {
    Chunk *c = free_;
    free_ = c->next;
    --free_count_;
    return c;
  }
  if (size < kChunk) size = kChunk;
  Chunk *c = static_cast<Chunk *>(malloc(size));
  if (!c) abort();
  c->size = size;
  return c;
}

void ArenaPool::put(Chunk *c) {
  if (c->size != kChunk || free_count_ >= kMaxFree) return free(c);
  c->next = free_;
  free_ = c;
  ++free_count_;
}

void *Arena::alloc_slow(size_t size) {
  constexpr size_t kHead = sizeof(ArenaPool::Chunk);
  ArenaPool::Chunk *c = pool_->get(size + kHead);
  char *data = reinterpret_cast<char *>(c) + kHead;
  if (c->size > ArenaPool::kChunk && chunks_) {  // a big piece must not waste what is left of the current chunk
    c->next = chunks_->next;
    chunks_->next = c;
    return data;
  }
  c->next = chunks_;
  chunks_ = c;
  pos_ = data + size;
  end_ = reinterpret_cast<char *>(c) + c->size;
  return data;
}

void Arena::reset() {
  while (ArenaPool::Chunk *c = chunks_) {
    chunks_ = c->next;
    pool_->put(c);
  }
  pos_ = end_ = nullptr;
}

Str Arena::format(const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return dup({text, n < 0 ? 0 : std::min(static_cast<size_t>(n), sizeof text - 1)});
}

}  // namespace mw
