// SPDX-License-Identifier: MIT
// The slab allocator: see slab.h. Pages are named by index, blocks by offset from the region's start.
#include "shm/slab.h"

#include <bit>
#include <cstring>

namespace mw {
namespace {

constexpr uint32_t kExactShift = 6;  // from 64 bytes on, a page's bitmap fits the descriptor's mask

SlabPage *page_at(Slab s, uint32_t i) { return reinterpret_cast<SlabPage *>(s.base + s.state->descs_off) + i; }
uint64_t page_off(Slab s, uint32_t i) { return s.state->pages_off + i * kSlabPageSize; }
uint32_t &list_of(Slab s, uint32_t shift) { return s.state->with_room[shift - kSlabMinShift]; }

uint32_t blocks_per_page(uint32_t shift) { return static_cast<uint32_t>(kSlabPageSize >> shift); }
uint32_t bitmap_words(uint32_t shift) { return shift >= kExactShift ? 1 : blocks_per_page(shift) / 64; }
/// Blocks that the in-page bitmap itself takes.
uint32_t bitmap_blocks(uint32_t shift) {
  if (shift >= kExactShift) return 0;
  uint32_t bytes = blocks_per_page(shift) / 8;
  return (bytes + (1u << shift) - 1) >> shift;
}
uint64_t *bitmap_of(Slab s, uint32_t i) {
  SlabPage *p = page_at(s, i);
  return p->shift >= kExactShift ? &p->mask : reinterpret_cast<uint64_t *>(s.base + page_off(s, i));
}

void list_push(Slab s, uint32_t &head, uint32_t i) {
  SlabPage *p = page_at(s, i);
  p->prev = kSlabNone;
  p->next = head;
  if (head != kSlabNone) page_at(s, head)->prev = i;
  head = i;
}

void list_remove(Slab s, uint32_t &head, uint32_t i) {
  SlabPage *p = page_at(s, i);
  if (p->prev != kSlabNone)
    page_at(s, p->prev)->next = p->next;
  else
    head = p->next;
  if (p->next != kSlabNone) page_at(s, p->next)->prev = p->prev;
}

/// Makes [i, i + n) one free run, its inner pages being marked already: the first page and the last know its length, so
/// that both neighbours can merge with it.
void run_set_ends(Slab s, uint32_t i, uint32_t n) {
  page_at(s, i)->kind = SlabPage::free_run;
  page_at(s, i)->run = n;
  page_at(s, i + n - 1)->run = n;
}

void pages_mark_free(Slab s, uint32_t i, uint32_t n) {
  for (uint32_t k = i; k < i + n; ++k) {
    SlabPage *p = page_at(s, k);
    p->kind = SlabPage::free_inner;
    p->run = 0;
    p->used = 0;
    p->shift = 0;
    p->mask = 0;
  }
}

uint32_t pages_alloc(Slab s, uint32_t n) {
  SlabState *st = s.state;
  for (uint32_t i = st->free_head; i != kSlabNone; i = page_at(s, i)->next) {
    uint32_t run = page_at(s, i)->run;
    if (run < n) continue;
    list_remove(s, st->free_head, i);
    if (run > n) {
      run_set_ends(s, i + n, run - n);
      list_push(s, st->free_head, i + n);
    }
    st->n_free -= n;
    return i;
  }
  return kSlabNone;
}

void pages_free(Slab s, uint32_t i, uint32_t n) {
  SlabState *st = s.state;
  st->n_free += n;
  pages_mark_free(s, i, n);
  uint32_t after = i + n;
  if (after < st->n_pages && page_at(s, after)->kind == SlabPage::free_run) {
    n += page_at(s, after)->run;
    list_remove(s, st->free_head, after);
    page_at(s, after)->kind = SlabPage::free_inner;
  }
  if (i > 0) {
    SlabPage *before = page_at(s, i - 1);
    if (before->kind == SlabPage::free_run || before->kind == SlabPage::free_inner) {
      uint32_t first = i - before->run;
      list_remove(s, st->free_head, first);
      n += i - first;
      i = first;
    }
  }
  run_set_ends(s, i, n);
  list_push(s, st->free_head, i);
}

uint64_t block_take(Slab s, uint32_t i) {
  SlabPage *p = page_at(s, i);
  uint64_t *map = bitmap_of(s, i);
  uint32_t words = bitmap_words(p->shift), total = blocks_per_page(p->shift);
  for (uint32_t w = 0; w < words; ++w) {
    if (map[w] == ~uint64_t{0}) continue;
    uint32_t bit = static_cast<uint32_t>(std::countr_one(map[w]));
    uint32_t block = w * 64 + bit;
    if (block >= total) break;
    map[w] |= uint64_t{1} << bit;
    if (++p->used == total) list_remove(s, list_of(s, p->shift), i);
    return page_off(s, i) + (uint64_t{block} << p->shift);
  }
  return 0;
}

uint32_t block_page_new(Slab s, uint32_t shift) {
  uint32_t i = pages_alloc(s, 1);
  if (i == kSlabNone) return kSlabNone;
  SlabPage *p = page_at(s, i);
  p->kind = SlabPage::blocks;
  p->shift = static_cast<uint8_t>(shift);
  p->run = 0;
  p->mask = 0;
  p->used = static_cast<uint16_t>(bitmap_blocks(shift));
  uint64_t *map = bitmap_of(s, i);
  std::memset(map, 0, bitmap_words(shift) * sizeof(uint64_t));
  for (uint32_t b = 0; b < p->used; ++b) map[0] |= uint64_t{1} << b;
  list_push(s, list_of(s, shift), i);
  return i;
}

/// Where `off` lies, when it is the start of an allocated block.
struct Place {
  uint32_t page = kSlabNone;
  uint32_t block = 0;
  uint64_t size = 0;
};

Place place_of(Slab s, uint64_t off) {
  const SlabState *st = s.state;
  if (off < st->pages_off) return {};
  uint64_t index = (off - st->pages_off) / kSlabPageSize, rest = (off - st->pages_off) % kSlabPageSize;
  if (index >= st->n_pages) return {};
  uint32_t i = static_cast<uint32_t>(index);
  SlabPage *p = page_at(s, i);
  if (p->kind == SlabPage::large_run) return rest == 0 ? Place{i, 0, p->run * kSlabPageSize} : Place{};
  if (p->kind != SlabPage::blocks || p->shift < kSlabMinShift || p->shift > kSlabMaxShift) return {};
  if (rest & ((uint64_t{1} << p->shift) - 1)) return {};
  uint32_t block = static_cast<uint32_t>(rest >> p->shift);
  if (block < bitmap_blocks(p->shift)) return {};
  if (!(bitmap_of(s, i)[block / 64] >> (block % 64) & 1)) return {};
  return {i, block, uint64_t{1} << p->shift};
}

/// The blocks of one page in use; -1 when its bitmap and its count disagree.
int64_t page_blocks_used(Slab s, uint32_t i) {
  SlabPage *p = page_at(s, i);
  uint32_t used = 0, own = bitmap_blocks(p->shift), total = blocks_per_page(p->shift);
  for (uint32_t w = 0; w < bitmap_words(p->shift); ++w)
    used += static_cast<uint32_t>(std::popcount(bitmap_of(s, i)[w]));
  if (used != p->used || used > total || used <= own) return -1;
  return used - own;
}

/// Length of a list whose pages all satisfy kind (and shift); -1 when a link is broken.
int64_t list_verify(Slab s, uint32_t head, uint8_t kind, uint8_t shift) {
  uint32_t prev = kSlabNone, count = 0;
  for (uint32_t i = head; i != kSlabNone; i = page_at(s, i)->next) {
    if (i >= s.state->n_pages || ++count > s.state->n_pages) return -1;
    SlabPage *p = page_at(s, i);
    if (p->prev != prev || p->kind != kind || p->shift != shift) return -1;
    prev = i;
  }
  return count;
}

}  // namespace

void slab_init(Slab slab, uint32_t n_pages) {
  SlabState *st = slab.state;
  st->n_pages = n_pages;
  st->n_free = n_pages;
  st->free_head = kSlabNone;
  for (uint32_t &head : st->with_room) head = kSlabNone;
  run_set_ends(slab, 0, n_pages);
  list_push(slab, st->free_head, 0);
}

uint64_t slab_alloc(Slab slab, uint64_t size) {
  if (size > (uint64_t{1} << kSlabMaxShift)) {
    uint64_t n = (size + kSlabPageSize - 1) / kSlabPageSize;
    if (n > slab.state->n_free) return 0;
    uint32_t i = pages_alloc(slab, static_cast<uint32_t>(n));
    if (i == kSlabNone) return 0;
    for (uint32_t k = 0; k < n; ++k) page_at(slab, i + k)->kind = SlabPage::large_inner;
    page_at(slab, i)->kind = SlabPage::large_run;
    page_at(slab, i)->run = static_cast<uint32_t>(n);
    return page_off(slab, i);
  }
  uint32_t shift = size <= 8 ? kSlabMinShift : static_cast<uint32_t>(std::bit_width(size - 1));
  uint32_t i = list_of(slab, shift);
  if (i == kSlabNone) i = block_page_new(slab, shift);
  return i == kSlabNone ? 0 : block_take(slab, i);
}

bool slab_free(Slab slab, uint64_t off) {
  Place at = place_of(slab, off);
  if (at.page == kSlabNone) return false;
  SlabPage *p = page_at(slab, at.page);
  if (p->kind == SlabPage::large_run) {
    pages_free(slab, at.page, p->run);
    return true;
  }
  bool was_full = p->used == blocks_per_page(p->shift);
  bitmap_of(slab, at.page)[at.block / 64] &= ~(uint64_t{1} << (at.block % 64));
  --p->used;
  if (was_full) list_push(slab, list_of(slab, p->shift), at.page);
  if (p->used == bitmap_blocks(p->shift)) {
    list_remove(slab, list_of(slab, p->shift), at.page);
    pages_free(slab, at.page, 1);
  }
  return true;
}

uint64_t slab_block_size(Slab slab, uint64_t off) { return place_of(slab, off).size; }

bool slab_verify(Slab slab, uint64_t &blocks) {
  const SlabState *st = slab.state;
  uint32_t free_pages = 0, free_runs = 0, with_room[kSlabMaxShift - kSlabMinShift + 1] = {};
  bool after_free = false;
  blocks = 0;
  for (uint32_t i = 0; i < st->n_pages;) {
    SlabPage *p = page_at(slab, i);
    if (p->kind == SlabPage::free_run || p->kind == SlabPage::large_run) {
      bool is_free = p->kind == SlabPage::free_run;
      if (p->run == 0 || p->run > st->n_pages - i || (is_free && after_free)) return false;
      for (uint32_t k = 1; k < p->run; ++k)
        if (page_at(slab, i + k)->kind != (is_free ? SlabPage::free_inner : SlabPage::large_inner)) return false;
      if (is_free && page_at(slab, i + p->run - 1)->run != p->run) return false;
      free_pages += is_free ? p->run : 0;
      free_runs += is_free;
      blocks += !is_free;
      after_free = is_free;
      i += p->run;
      continue;
    }
    if (p->kind != SlabPage::blocks || p->shift < kSlabMinShift || p->shift > kSlabMaxShift) return false;
    int64_t used = page_blocks_used(slab, i);
    if (used < 0) return false;
    if (p->used < blocks_per_page(p->shift)) ++with_room[p->shift - kSlabMinShift];
    blocks += static_cast<uint64_t>(used);
    after_free = false;
    ++i;
  }
  if (free_pages != st->n_free || list_verify(slab, st->free_head, SlabPage::free_run, 0) != free_runs) return false;
  for (uint32_t shift = kSlabMinShift; shift <= kSlabMaxShift; ++shift) {
    int64_t n = list_verify(slab, list_of(slab, shift), SlabPage::blocks, static_cast<uint8_t>(shift));
    if (n != with_room[shift - kSlabMinShift]) return false;
  }
  return true;
}

}  // namespace mw
