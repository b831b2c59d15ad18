// SPDX-License-Identifier: MIT
// Machine-code memory for LuaJIT: an arena inside the addon's own .bss, near LuaJIT's code whatever node's heap has taken.
// LuaJIT probes for free space within 1 GB (x86-64) or 64 MB (arm64) of its code and gives up when node's Buffers sit
// there; then a VM silently loses its JIT. deps/recipes.mjs compiles lj_mcode.c with mmap and munmap renamed to these.
// Any thread; chunks belong to the VM that took them and come back when its state is closed.
#pragma once
#include <sys/types.h>

#include <cstddef>

namespace mw {

/// Size of the arena, and of the unit it is given out in (LuaJIT's sizemcode, 64 KB, is one unit).
#ifdef __aarch64__
inline constexpr size_t kMcodeArena = size_t{48} << 20;  // a branch reaches 128 MB; LuaJIT accepts 62 MB from its code
#else
inline constexpr size_t kMcodeArena = size_t{64} << 20;
#endif
inline constexpr size_t kMcodeChunk = size_t{64} << 10;

/// Bytes of the arena that are given out now.
size_t mcode_used();
/// Whether machine code may lie at `p`. Safe in a signal handler.
bool mcode_has(const void *p);

}  // namespace mw

extern "C" {
/// As mmap: a run of chunks with protection `prot`; when the arena is full, memory near `hint` from the kernel.
void *mw_mcode_mmap(void *hint, size_t size, int prot, int flags, int fd, off_t offset);
/// As munmap: gives a run back to the arena (its pages to the kernel), anything else to the kernel.
int mw_mcode_munmap(void *p, size_t size);
}
