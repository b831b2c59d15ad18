// SPDX-License-Identifier: MIT
// A slab allocator inside one memory region, addressed by offsets: 4 KB pages, power-of-two blocks of 8 to 2048 bytes,
// runs of whole pages above that; free runs coalesce. The geometry (block sizes, the bitmap kept inside pages of small
// blocks) follows nginx, so that a zone sized for nginx holds the same number of items here.
// Any thread or process, under the lock of the dictionary that owns the region. Offset 0 means "none".
#pragma once
#include <cstddef>
#include <cstdint>

namespace mw {

inline constexpr uint64_t kSlabPageSize = 4096;
inline constexpr uint32_t kSlabMinShift = 3;   ///< 8 bytes
inline constexpr uint32_t kSlabMaxShift = 11;  ///< 2048 bytes
inline constexpr uint32_t kSlabNone = 0xffffffffu;

/// What a page is used for; one descriptor per page.
struct SlabPage {
  enum Kind : uint8_t { free_inner, free_run, blocks, large_run, large_inner };
  uint64_t mask;        ///< blocks of 64 bytes and more: one bit per used block (smaller ones: bitmap in the page)
  uint32_t prev, next;  ///< free_run: the free list; blocks with room: the list of its size
  uint32_t run;         ///< free_run, large_run: pages in the run; last page of a free run: the same
  uint16_t used;        ///< blocks: how many are taken, the bitmap's own included
  uint8_t kind;
  uint8_t shift;  ///< blocks: log2 of the size
};

/// The allocator's state; lives in the region's header.
struct SlabState {
  uint64_t pages_off;  ///< offset of page 0
  uint64_t descs_off;  ///< offset of the descriptors
  uint32_t n_pages;
  uint32_t n_free;  ///< wholly free pages
  uint32_t free_head;
  uint32_t with_room[kSlabMaxShift - kSlabMinShift + 1];  ///< per size: pages with a free block
};

/// A view of the allocator at the address where this process mapped the region.
struct Slab {
  char *base;
  SlabState *state;
};

/// Makes all `n_pages` pages one free run. state->pages_off and descs_off are set before, and the descriptors are zero: so a
/// fresh region costs no touch of memory per page.
void slab_init(Slab slab, uint32_t n_pages);
/// A block of at least `size` bytes, aligned to min(size rounded up to a power of two, 4096). 0 when there is no room.
uint64_t slab_alloc(Slab slab, uint64_t size);
/// Gives a block back. False (and nothing done) when `off` is no allocated block.
bool slab_free(Slab slab, uint64_t off);
/// Size of the allocated block that starts at `off`; 0 when none does.
uint64_t slab_block_size(Slab slab, uint64_t off);
/// Checks every descriptor, list and bitmap. `blocks` receives the number of allocated blocks. Bounded even on garbage.
bool slab_verify(Slab slab, uint64_t &blocks);

}  // namespace mw
