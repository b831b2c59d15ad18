// SPDX-License-Identifier: MIT
// A hierarchical timing wheel of 1 ms ticks: arming and cancelling are O(1), finding the next expiry is six bit scans.
// Owned by one loop, used on its thread alone. Timers are embedded in their owners; the wheel never allocates.
#pragma once
#include <cstdint>

namespace mw {

/// A one-shot timer, embedded in the object it belongs to. Zero-initialised = idle.
struct Timer {
  Timer *next = nullptr;
  Timer *prev = nullptr;  ///< null when idle
  uint64_t deadline = 0;  ///< monotonic ms
  void (*fire)(Timer *) = nullptr;
  uint16_t slot = 0;  ///< level * 64 + slot while armed
  bool is_armed() const { return prev != nullptr; }
};

class TimerWheel {
 public:
  TimerWheel();
  TimerWheel(const TimerWheel &) = delete;
  TimerWheel &operator=(const TimerWheel &) = delete;
  /// Sets the wheel's clock without firing; only before the first add.
  void start(uint64_t now) { now_ = now; }
  /// Arms `t` for `deadline`; one that is armed moves. A deadline not after the clock fires in the next advance().
  void add(Timer *t, uint64_t deadline);
  /// Disarms; harmless on an idle timer.
  void cancel(Timer *t);
  /// Moves the clock to `now` and fires what is due, in order of deadline, equal ones in order of arming. A callback may add
  /// and cancel any timer; one that it arms for no later than the tick fires in the next advance().
  void advance(uint64_t now);
  /// Milliseconds from `now` to the next thing to do (0 = at once), or -1 when no timer is armed. May be early, never late.
  int64_t next_delay(uint64_t now) const;

 private:
  static constexpr int kLevels = 6, kBits = 6, kSlots = 64;
  uint64_t next_tick() const;
  void place(Timer *t, int level, int slot, bool first);
  void link(Timer *t, bool first);
  void cascade(int level, int slot);
  void fire_list(Timer *head);
  uint64_t now_ = 0;
  uint64_t occupied_[kLevels] = {};
  Timer heads_[kLevels * kSlots];  ///< list heads, circular
  Timer due_;                      ///< added with a deadline already past
};

}  // namespace mw
