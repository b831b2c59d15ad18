// SPDX-License-Identifier: MIT
// The machine-code arena: a first-fit bitmap of 64 KB chunks under one mutex. Called a few times per VM, when a trace
// needs a new area and when the VM closes; never on the request path.
//
// Protection: LuaJIT is built with LUAJIT_SECURITY_MCODE=0, so areas are writable and executable at once. Measured on two
// cores, 3,000 traces compiled in each VM: 1 VM 22 ms against 49 under W^X, 8 VMs 94 ms against 690, since every trace
// costs W^X two mprotect calls, which change the one address space that all worker threads share. A trace is compiled
// while a request waits. MOONWIRE_WX=1 npm run build gives W^X; the arena serves both: LuaJIT protects chunks itself.
#include "script/mcode.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace mw {
namespace {

constexpr size_t kChunks = kMcodeArena / kMcodeChunk;

alignas(65536) char arena[kMcodeArena];
uint8_t taken[kChunks];
size_t used_chunks;
size_t lowest_free;  // no chunk below this one is free

std::mutex &mcode_mutex() {
  static std::mutex *m = new std::mutex;  // never destroyed: VMs may close while the process exits
  return *m;
}

/// First run of `n` free chunks, or kChunks.
size_t find_run(size_t n) {
  size_t run = 0;
  for (size_t i = lowest_free; i < kChunks; ++i) {
    run = taken[i] ? 0 : run + 1;
    if (run == n) return i + 1 - n;
  }
  return kChunks;
}

void *arena_take(size_t size, int prot) {
  const size_t n = (size + kMcodeChunk - 1) / kMcodeChunk;
  std::lock_guard<std::mutex> lock(mcode_mutex());
  const size_t first = find_run(n);
  if (n == 0 || first == kChunks) return nullptr;
  char *p = arena + first * kMcodeChunk;
  if (mprotect(p, n * kMcodeChunk, prot) != 0) return nullptr;
  for (size_t i = first; i < first + n; ++i) taken[i] = 1;
  used_chunks += n;
  while (lowest_free < kChunks && taken[lowest_free]) ++lowest_free;
  return p;
}

void arena_give(void *p, size_t size) {
  const size_t first = static_cast<size_t>(static_cast<char *>(p) - arena) / kMcodeChunk;
  const size_t n = (size + kMcodeChunk - 1) / kMcodeChunk;
  madvise(p, n * kMcodeChunk, MADV_DONTNEED);
  mprotect(p, n * kMcodeChunk, PROT_READ | PROT_WRITE);
  std::lock_guard<std::mutex> lock(mcode_mutex());
  for (size_t i = first; i < first + n; ++i) taken[i] = 0;
  used_chunks -= n;
  if (first < lowest_free) lowest_free = first;
}

/// Areas from the kernel. One that finds no slot is not known as machine code: a fault there is not contained.
struct Outside {
  std::atomic<const char *> from{nullptr};
  std::atomic<size_t> size{0};
};
constinit Outside outside[256];

void note_outside(const char *p, size_t size) {
  std::lock_guard<std::mutex> lock(mcode_mutex());
  for (Outside &o : outside) {
    if (o.from.load(std::memory_order_relaxed)) continue;
    o.size.store(size, std::memory_order_relaxed);
    o.from.store(p, std::memory_order_relaxed);
    return;
  }
}

void forget_outside(const char *p) {
  std::lock_guard<std::mutex> lock(mcode_mutex());
  for (Outside &o : outside)
    if (o.from.load(std::memory_order_relaxed) == p) o.from.store(nullptr, std::memory_order_relaxed);
}

}  // namespace

size_t mcode_used() {
  std::lock_guard<std::mutex> lock(mcode_mutex());
  return used_chunks * kMcodeChunk;
}

bool mcode_has(const void *p) {
  const char *at = static_cast<const char *>(p);
  if (at >= arena && at < arena + kMcodeArena) return true;
  for (const Outside &o : outside) {
    const char *from = o.from.load(std::memory_order_relaxed);
    if (from && at >= from && at < from + o.size.load(std::memory_order_relaxed)) return true;
  }
  return false;
}

}  // namespace mw

void *mw_mcode_mmap(void *hint, size_t size, int prot, int flags, int fd, off_t offset) {
  void *p = mw::arena_take(size, prot);
  if (p) return p;
  p = mmap(hint, size, prot, flags, fd, offset);
  if (p != MAP_FAILED) mw::note_outside(static_cast<char *>(p), size);
  return p;
}

int mw_mcode_munmap(void *p, size_t size) {
  const char *at = static_cast<char *>(p);
  if (at < mw::arena || at >= mw::arena + mw::kMcodeArena) {
    mw::forget_outside(at);
    return munmap(p, size);
  }
  mw::arena_give(p, size);
  return 0;
}
