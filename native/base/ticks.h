// SPDX-License-Identifier: MIT
// The processor's time counter: what a measurement may cost on the hot path is one instruction. Any thread.
#pragma once
#include <stdint.h>

namespace mw {

/// Counts up at a constant rate, the same in all threads.
inline uint64_t ticks_now() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
#error "no time counter for this architecture"
#endif
}

/// The rate. Measured when it is first asked for, which takes about a millisecond.
double ticks_per_second();

}  // namespace mw
