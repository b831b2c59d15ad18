// SPDX-License-Identifier: MIT
// When a resolver looks for names that can go, and how many go.
#include "net/resolver_room.h"

#include "check.h"

using namespace mw;

TEST(resolver_room_sweeps_once_a_second_or_when_names_have_doubled) {
  ResolverRoom room;
  CHECK(!room.is_sweep_due(ResolverRoom::kFew - 1, 5000));
  CHECK(room.is_sweep_due(ResolverRoom::kFew, 5000));
  room.swept(ResolverRoom::kFew, 5000);
  CHECK(!room.is_sweep_due(ResolverRoom::kFew, 5000));
  CHECK(!room.is_sweep_due(2 * ResolverRoom::kFew - 1, 5999));
  CHECK(room.is_sweep_due(2 * ResolverRoom::kFew, 5000));
  CHECK(room.is_sweep_due(ResolverRoom::kFew, 6000));
  room.swept(100, 6000);
  CHECK(!room.is_sweep_due(ResolverRoom::kFew - 1, 9000));
  CHECK(room.is_sweep_due(ResolverRoom::kFew, 6000));
}

TEST(resolver_room_is_limited) {
  CHECK_EQ(ResolverRoom::excess(ResolverRoom::kMost - 1), size_t{0});
  CHECK_EQ(ResolverRoom::excess(ResolverRoom::kMost), ResolverRoom::kMost / 2);
  ResolverRoom room;
  room.swept(ResolverRoom::kMost - 5, 1000);
  CHECK(!room.is_sweep_due(ResolverRoom::kMost - 1, 1000));
  CHECK(room.is_sweep_due(ResolverRoom::kMost, 1000));
  // All of them are waited for: no sweep at each lookup.
  room.swept(ResolverRoom::kMost, 1000);
  CHECK(!room.is_sweep_due(ResolverRoom::kMost + 1, 1500));
  CHECK(room.is_sweep_due(ResolverRoom::kMost + 1, 2000));
}
