// SPDX-License-Identifier: MIT
// Notices Lua that runs too long: one thread of the process looks at what each worker says it is doing, and sends the signal
// kWatchSignal to a worker's thread whose run is nearly over its time. The signal's handler, on that thread, calls the VM,
// which sets a hook (interrupt.cpp). The thread is there while a VM is that has a limit.
#pragma once
#include <atomic>
#include <cstdint>

namespace mw {

/// What a watched thread is doing. On a cache line of its own: the watchdog reads it, the thread alone writes it.
struct alignas(64) Watch {
  std::atomic<uint64_t> run{0};  ///< number << 32 | ms that it may take; no ms: nothing runs, or without limit
  uint64_t number = 0;
  alignas(64) std::atomic<uint64_t> overdue{0};  ///< the run that the watchdog has found over its time
};

/// Begins to watch the calling thread, whose limits are `shortest_ms` or longer. `interrupt` is called in a signal handler
/// on this thread, as often as need be, while a run is over its time. Null where no thread can be made, with errno.
Watch *watchdog_join(uint64_t shortest_ms, void (*interrupt)(void *), void *arg);
/// From the thread that joined.
void watchdog_leave(Watch *w);

/// A run begins that may take `ms` (0: as long as it likes). Returns what watch_end() restores: runs nest.
inline uint64_t watch_begin(Watch *w, uint64_t ms) {
  uint64_t before = w->run.load(std::memory_order_relaxed);
  w->run.store(++w->number << 32 | (ms < UINT32_MAX ? ms : UINT32_MAX), std::memory_order_relaxed);
  return before;
}

/// It is over: it is not interrupted any more.
inline void watch_end(Watch *w, uint64_t before) {
  w->run.store(before, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// The time that a run may take.
inline uint64_t watch_ms(uint64_t run) { return run & UINT32_MAX; }

}  // namespace mw
