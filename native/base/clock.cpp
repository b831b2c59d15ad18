// SPDX-License-Identifier: MIT
// See clock.h.
#include "base/clock.h"

#include <time.h>

namespace mw {

static constexpr int64_t kMs = 1000000;

static int64_t read_ns(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

Clock clock_now() {
  static constinit thread_local int64_t offset_ms = 0;
  int64_t mono = read_ns(CLOCK_MONOTONIC), offset = read_ns(CLOCK_REALTIME) - mono;
  bool is_near = offset >= (offset_ms - 1) * kMs && offset < (offset_ms + 2) * kMs;
  if (!is_near) offset_ms = (offset - (offset < 0 ? kMs - 1 : 0)) / kMs;  // the first time, or the clock was set
  return {mono / kMs, mono / kMs + offset_ms};
}

}  // namespace mw
