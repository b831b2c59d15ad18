// SPDX-License-Identifier: MIT
// See output_queue.h.
#include "http/output_queue.h"

#include <string.h>

namespace mw {

static constexpr size_t kInArena = 16384;

/// Frees what has memory of its own, when the request is.
static void release(void *arg) {
  Request *r = static_cast<Request *>(arg);
  output_queue_clear(r);
  ::operator delete(r->out.replacement);
}

/// Memory for `size` bytes: the arena's while it is the response's beginning. Null: it is to be the caller's own.
static void *take_from_arena(Request *r, size_t size) {
  Output &o = r->out;
  if (size <= kInArena - o.queued_in_arena) {
    o.queued_in_arena += static_cast<uint32_t>(size);
    return r->arena.alloc(size);
  }
  if (!o.has_own_memory) request_on_free(r, release, r);
  o.has_own_memory = true;
  return nullptr;
}

static OutChunk *push(Request *r, size_t n) {
  void *space = take_from_arena(r, sizeof(OutChunk) + n);
  bool is_owned = !space;
  if (is_owned) space = ::operator new(sizeof(OutChunk) + n);
  OutChunk *c = new (space) OutChunk();
  c->is_owned = is_owned;
  c->data = {reinterpret_cast<char *>(c + 1), n};
  if (r->out.last)
    r->out.last->next = c;
  else
    r->out.first = c;
  r->out.last = c;
  return c;
}

void output_queue(Request *r, Str data, bool flush, bool last) {
  OutChunk *c = push(r, data.size());
  if (!data.empty()) memcpy(c + 1, data.data(), data.size());
  c->is_flush = flush;
  c->is_last = last;
  if (last) r->out.is_last_queued = true;
}

char *output_queue_reserve(Request *r, size_t n) { return reinterpret_cast<char *>(push(r, n) + 1); }

void output_queue_pop(Request *r) {
  OutChunk *c = r->out.first;
  r->out.first = c->next;
  if (!r->out.first) r->out.last = nullptr;
  if (c->is_owned) ::operator delete(c);
}

void output_queue_clear(Request *r) {
  while (r->out.first) output_queue_pop(r);
}

void output_replace_chunk(Request *r, Str data) {
  Output &o = r->out;
  o.filter_data = {};
  if (data.empty()) return;
  char *to = static_cast<char *>(take_from_arena(r, data.size()));
  if (!to) {
    if (o.replacement_size < data.size()) {
      ::operator delete(o.replacement);
      o.replacement = nullptr;  // should the next line throw
      o.replacement = static_cast<char *>(::operator new(data.size()));
      o.replacement_size = data.size();
    }
    to = o.replacement;
  }
  memcpy(to, data.data(), data.size());
  o.filter_data = {to, data.size()};
}

}  // namespace mw
