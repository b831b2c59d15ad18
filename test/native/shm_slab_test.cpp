// SPDX-License-Identifier: MIT
// The slab allocator alone: geometry, coalescing, refusal of foreign offsets, and a seeded random run that never hands
// out overlapping blocks.
#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include "check.h"
#include "shm/slab.h"

using namespace mw;

namespace {
struct Region {
  std::vector<uint64_t> room;
  SlabState state{};
  explicit Region(uint32_t pages) : room((pages + 4) * 512) {
    state.descs_off = 64;
    state.pages_off = 2 * kSlabPageSize;
    slab_init(slab(), pages);
  }
  Slab slab() { return {reinterpret_cast<char *>(room.data()), &state}; }
  bool whole() {
    uint64_t blocks;
    return slab_verify(slab(), blocks);
  }
};
}  // namespace

TEST(shm_slab_sizes) {
  Region r(8);
  uint64_t sizes[][2] = {{1, 8},    {8, 8},       {9, 16},      {33, 64},     {64, 64},
                         {65, 128}, {2048, 2048}, {2049, 4096}, {8193, 12288}};
  for (auto [want, got] : sizes) {
    uint64_t off = slab_alloc(r.slab(), want);
    CHECK(off != 0);
    CHECK_EQ(slab_block_size(r.slab(), off), got);
    CHECK(slab_free(r.slab(), off));
    CHECK_EQ(slab_block_size(r.slab(), off), 0u);
    CHECK(!slab_free(r.slab(), off));
  }
  CHECK_EQ(r.state.n_free, 8u);
  CHECK(r.whole());
}

TEST(shm_slab_blocks_of_a_page) {
  // The bitmap of small blocks lives in the page: 504 blocks of 8 bytes, 254 of 16, 127 of 32, then 64, 32, ...
  uint32_t expect[] = {504, 254, 127, 64, 32, 16, 8, 4, 2};
  for (uint32_t k = 0; k < 9; ++k) {
    Region r(1);
    uint32_t n = 0;
    while (slab_alloc(r.slab(), uint64_t{8} << k)) ++n;
    CHECK_EQ(n, expect[k]);
    CHECK(r.whole());
  }
}

TEST(shm_slab_coalesces) {
  Region r(6);
  uint64_t a = slab_alloc(r.slab(), 4096), b = slab_alloc(r.slab(), 8192), c = slab_alloc(r.slab(), 4096);
  CHECK(slab_alloc(r.slab(), 3 * 4096) == 0);
  CHECK(slab_free(r.slab(), a));
  CHECK(slab_free(r.slab(), c));
  CHECK(r.whole());
  CHECK(slab_alloc(r.slab(), 4 * 4096) == 0);
  CHECK(slab_free(r.slab(), b));
  CHECK(r.whole());
  CHECK(slab_alloc(r.slab(), 6 * 4096) != 0);
  CHECK_EQ(r.state.n_free, 0u);
}

TEST(shm_slab_refuses_foreign_offsets) {
  Region r(4);
  uint64_t off = slab_alloc(r.slab(), 100);
  for (uint64_t bad : {uint64_t{0}, uint64_t{100}, off + 1, off + 128, off + kSlabPageSize, uint64_t{1} << 40})
    CHECK(!slab_free(r.slab(), bad));
  CHECK(slab_free(r.slab(), off));
}

TEST(shm_slab_verify_sees_damage) {
  Region r(4);
  uint64_t off = slab_alloc(r.slab(), 100);
  CHECK(r.whole());
  SlabPage *p =
      reinterpret_cast<SlabPage *>(r.slab().base + r.state.descs_off) + (off - r.state.pages_off) / kSlabPageSize;
  p->mask ^= 2;
  CHECK(!r.whole());
  p->mask ^= 2;
  p->kind = 77;
  CHECK(!r.whole());
  p->kind = SlabPage::blocks;
  --r.state.n_free;
  CHECK(!r.whole());
}

TEST(shm_slab_random_never_overlaps) {
  Region r(64);
  std::mt19937 rng(20240611);
  std::map<uint64_t, uint64_t> live;
  for (int i = 0; i < 60000; ++i) {
    if (rng() % 100 < 55 || live.empty()) {
      uint64_t size = rng() % 10 == 0 ? 1 + rng() % 20000 : 1 + rng() % 300;
      uint64_t off = slab_alloc(r.slab(), size);
      if (off == 0) continue;
      auto next = live.lower_bound(off);
      if (next != live.end() && off + size > next->first) CHECK(!"overlaps the next block");
      if (next != live.begin() && std::prev(next)->first + std::prev(next)->second > off)
        CHECK(!"overlaps the one before");
      live[off] = size;
    } else {
      auto it = live.begin();
      std::advance(it, rng() % std::min<size_t>(live.size(), 50));
      CHECK(slab_free(r.slab(), it->first));
      live.erase(it);
    }
    if (i % 500 == 0) {
      uint64_t blocks;
      CHECK(slab_verify(r.slab(), blocks));
      CHECK_EQ(blocks, live.size());
    }
  }
  for (auto [off, size] : live) CHECK(slab_free(r.slab(), off));
  CHECK_EQ(r.state.n_free, 64u);
  CHECK(r.whole());
}
