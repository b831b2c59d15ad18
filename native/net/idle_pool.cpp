// SPDX-License-Identifier: MIT
// See idle_pool.h.
#include "net/idle_pool.h"

namespace mw {

/// Whatever an idle connection has to say, it is of no more use.
void IdlePool::on_event(Outgoing *o) {
  static_cast<IdlePool *>(o->pool)->unlink(o);
  outgoing_close(o);
}

const OutgoingEvents IdlePool::kEvents = {[](Outgoing *o, int) { on_event(o); }, on_event, on_event, on_event,
                                          on_event};

void IdlePool::unlink(Outgoing *o) {
  (o->idle_prev ? o->idle_prev->idle_next : newest_) = o->idle_next;
  (o->idle_next ? o->idle_next->idle_prev : oldest_) = o->idle_prev;
  o->idle_next = o->idle_prev = nullptr;
  o->pool = nullptr;
  --size_;
}

void IdlePool::put(Outgoing *o, uint32_t limit, uint64_t timeout_ms) {
  while (size_ >= limit && oldest_) on_event(oldest_);
  o->events = &kEvents;
  o->owner = nullptr;
  o->pool = this;
  o->idle_next = newest_;
  (newest_ ? newest_->idle_prev : oldest_) = o;
  newest_ = o;
  ++size_;
  outgoing_write_timeout(o, 0);
  outgoing_read_timeout(o, timeout_ms);
}

static bool is_same(const PeerAddress &a, const PeerAddress &b) {
  return a.len == b.len && memcmp(&a.un, &b.un, a.len) == 0;
}

Outgoing *IdlePool::take(const PeerAddress &peer) {
  for (Outgoing *o = newest_; o; o = o->idle_next) {
    if (!is_same(o->peer, peer)) continue;
    unlink(o);
    outgoing_read_timeout(o, 0);
    return o;
  }
  return nullptr;
}

}  // namespace mw
