// SPDX-License-Identifier: MIT
// The two clocks that a worker caches. Any thread.
#pragma once
#include <stdint.h>

namespace mw {

struct Clock {
  int64_t mono_ms = 0;  ///< since the system's start
  int64_t wall_ms = 0;  ///< since 1970; at most two milliseconds behind the system's
};

/// Both, read at once. While the wall clock is not set, they advance by the same milliseconds within a thread, so that a timer's
/// wait is never shorter by one of them than by the other.
Clock clock_now();

}  // namespace mw
