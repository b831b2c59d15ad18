// SPDX-License-Identifier: MIT
// Idle connections kept for another use: the newest goes out first, the oldest makes room, each leaves when its time is over or
// its peer says anything. A worker's own. A connection in a pool is its pool's; taking it out gives it to the taker.
#pragma once
#include "net/outgoing.h"

namespace mw {

class IdlePool {
 public:
  IdlePool() = default;
  IdlePool(const IdlePool &) = delete;
  IdlePool &operator=(const IdlePool &) = delete;
  IdlePool(IdlePool &&) = delete;
  /// Takes over an idle connection for `timeout_ms` (0: for good); at most `limit` stay.
  void put(Outgoing *o, uint32_t limit, uint64_t timeout_ms);
  /// The newest one to that address, or null. The caller gives it events and an owner.
  Outgoing *take(const PeerAddress &peer);
  uint32_t size() const { return size_; }

 private:
  static void on_event(Outgoing *o);
  static const OutgoingEvents kEvents;
  void unlink(Outgoing *o);
  Outgoing *newest_ = nullptr, *oldest_ = nullptr;
  uint32_t size_ = 0;
};

}  // namespace mw
