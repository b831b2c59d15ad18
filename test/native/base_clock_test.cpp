// SPDX-License-Identifier: MIT
// clock_now(): the wall clock near the system's, and in step with the other.
#include "base/clock.h"

#include <time.h>

#include "check.h"

using namespace mw;

TEST(clock_is_near_the_systems_and_in_step) {
  const Clock first = clock_now();
  for (int i = 0; i < 2000; ++i) {
    timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    const Clock now = clock_now();
    clock_gettime(CLOCK_REALTIME, &after);
    CHECK(now.wall_ms >= before.tv_sec * 1000 + before.tv_nsec / 1000000 - 2);
    CHECK(now.wall_ms <= after.tv_sec * 1000 + after.tv_nsec / 1000000 + 1);
    CHECK(now.wall_ms - now.mono_ms == first.wall_ms - first.mono_ms);
    const timespec pause{0, 3000};
    nanosleep(&pause, nullptr);
  }
}
