// SPDX-License-Identifier: MIT
// The arena: alignment, zeroed objects, large pieces beside small ones, chunks that return to the pool.
#include "base/arena.h"

#include <string>
#include <vector>

#include "check.h"

using namespace mw;

TEST(arena_pieces_are_aligned_and_apart) {
  ArenaPool pool;
  Arena arena(&pool);
  std::vector<std::pair<char *, size_t>> pieces;
  for (size_t i = 0; i < 3000; ++i) {
    // Small ones, some just at a chunk's size, some far beyond it.
    size_t n = i % 97 == 0 ? ArenaPool::kChunk - 24 + i % 48 : i % 331 == 0 ? 40000 : 1 + i % 61;
    char *p = static_cast<char *>(arena.alloc(n));
    CHECK_EQ(reinterpret_cast<uintptr_t>(p) % 8, 0u);
    memset(p, static_cast<int>(i & 0xff), n);
    pieces.push_back({p, n});
  }
  size_t spoilt = 0;
  for (size_t i = 0; i < pieces.size(); ++i)
    for (size_t k = 0; k < pieces[i].second; ++k)
      spoilt += static_cast<unsigned char>(pieces[i].first[k]) != (i & 0xff);
  CHECK_EQ(spoilt, 0u);
}

TEST(arena_objects_are_zeroed) {
  ArenaPool pool;
  struct Thing {
    uint64_t a;
    char b[100];
  };
  for (int round = 0; round < 3; ++round) {  // the second round gets used chunks
    Arena arena(&pool);
    Thing *things = arena.make_array<Thing>(50);
    size_t set = 0;
    for (int i = 0; i < 50; ++i) {
      for (char c : things[i].b) set += c != 0;
      set += things[i].a != 0;
      memset(static_cast<void *>(&things[i]), 0xff, sizeof(Thing));
    }
    CHECK_EQ(set, 0u);
    CHECK_EQ(arena.make<Thing>()->a, 0u);
  }
}

TEST(arena_dup) {
  ArenaPool pool;
  Arena arena(&pool);
  std::string text(10000, 'x');
  Str copy = arena.dup(text), empty = arena.dup("");
  text.assign(10000, 'y');
  CHECK_EQ(copy, Str(std::string(10000, 'x')));
  CHECK(empty.empty());
}

TEST(arena_reset_returns_its_chunks) {
  ArenaPool pool;
  Arena arena(&pool);
  void *first = arena.alloc(100);
  arena.alloc(100000);  // goes back to the system
  arena.reset();
  CHECK_EQ(arena.alloc(100), first);
  arena.reset();
  arena.reset();
  CHECK(arena.alloc(0) == arena.alloc(0));
}

TEST(arena_large_piece_keeps_the_rest_of_the_chunk) {
  ArenaPool pool;
  Arena arena(&pool);
  char *a = static_cast<char *>(arena.alloc(8));
  arena.alloc(ArenaPool::kChunk * 2);
  CHECK_EQ(static_cast<void *>(a + 8), arena.alloc(8));
}
