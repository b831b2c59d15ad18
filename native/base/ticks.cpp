// SPDX-License-Identifier: MIT
// See ticks.h.
#include "base/ticks.h"

#include <time.h>

namespace mw {

#if defined(__aarch64__)
static double measure() {
  uint64_t rate;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(rate));
  return static_cast<double>(rate);
}
#else
static uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

/// Against the clock, over a millisecond or more: whether the thread loses the processor meanwhile does not matter.
static double measure() {
  uint64_t began = clock_ns(), from = ticks_now(), now;
  do now = clock_ns();
  while (now - began < 1000000);
  return static_cast<double>(ticks_now() - from) * 1e9 / static_cast<double>(now - began);
}
#endif

double ticks_per_second() {
  static const double rate = measure();
  return rate;
}

}  // namespace mw
