// SPDX-License-Identifier: MIT
// shm/limit: the leaky bucket's arithmetic, connection counts, and what a full zone does.
#include "shm/limit.h"

#include <string>

#include "check.h"

using namespace mw;

namespace {

constexpr uint64_t kStart = 1'000'000;

ShmDictRef zone_of(uint64_t size) {
  std::string error;
  ShmDictRef zone = shm_dict_create("z", size, error);
  CHECK(zone != nullptr);
  return zone;
}

}  // namespace

TEST(shm_limit_one_request_a_second_with_a_burst_of_two) {
  ShmDictRef zone = zone_of(65536);
  uint64_t excess = 99;
  auto ask = [&](uint64_t at) { return shm_limit_rate(*zone, "k", 1000, 2000, true, kStart + at, excess); };
  CHECK(ask(0) == ShmStatus::ok);
  CHECK(excess == 0);
  CHECK(ask(0) == ShmStatus::ok);
  CHECK(excess == 1000);
  CHECK(ask(0) == ShmStatus::ok);
  CHECK(excess == 2000);
  CHECK(ask(0) == ShmStatus::exists);
  CHECK(excess == 3000);
  CHECK(ask(500) == ShmStatus::exists);  // what is refused does not count
  CHECK(excess == 2500);
  CHECK(ask(1000) == ShmStatus::ok);
  CHECK(excess == 2000);
  CHECK(ask(1'000'000'000) == ShmStatus::ok);
  CHECK(excess == 0);
}

/// Nor does a clock that is set back fill or empty the bucket.
TEST(shm_limit_asking_without_charging_changes_nothing) {
  ShmDictRef zone = zone_of(65536);
  uint64_t excess = 99;
  for (int i = 0; i < 5; ++i) CHECK(shm_limit_rate(*zone, "k", 1000, 0, false, kStart, excess) == ShmStatus::ok);
  CHECK(excess == 0);
  CHECK(shm_limit_rate(*zone, "k", 1000, 5000, true, kStart, excess) == ShmStatus::ok);
  CHECK(shm_limit_rate(*zone, "k", 1000, 5000, false, kStart, excess) == ShmStatus::ok);
  CHECK(excess == 1000);
  CHECK(shm_limit_rate(*zone, "k", 1000, 5000, true, kStart - 10, excess) == ShmStatus::ok);
  CHECK(excess == 1000);
  CHECK(shm_limit_rate(*zone, "k", 1000, 5000, true, kStart - 100'000, excess) == ShmStatus::ok);
  CHECK(excess == 1999);
}

TEST(shm_limit_connections_enter_and_leave) {
  ShmDictRef zone = zone_of(65536);
  CHECK(shm_limit_enter(*zone, "k", 2, kStart) == ShmStatus::ok);
  CHECK(shm_limit_enter(*zone, "k", 2, kStart) == ShmStatus::ok);
  CHECK(shm_limit_enter(*zone, "k", 2, kStart) == ShmStatus::exists);
  CHECK(shm_limit_enter(*zone, "other", 2, kStart) == ShmStatus::ok);
  shm_limit_leave(*zone, "k", kStart);
  CHECK(shm_limit_enter(*zone, "k", 2, kStart) == ShmStatus::ok);
  for (int i = 0; i < 2; ++i) shm_limit_leave(*zone, "k", kStart);
  shm_limit_leave(*zone, "other", kStart);
  shm_limit_leave(*zone, "other", kStart);  // once too often
  CHECK(shm_dict_stats(*zone).entries == 0);
  CHECK(shm_dict_verify(*zone));
}

TEST(shm_limit_a_full_zone_forgets_old_rates_and_refuses_connections) {
  ShmDictRef rates = zone_of(32768), counts = zone_of(32768);
  uint64_t excess = 0;
  for (int i = 0; i < 5000; ++i)
    CHECK(shm_limit_rate(*rates, std::to_string(i), 1000, 0, true, kStart, excess) == ShmStatus::ok);
  CHECK(shm_dict_verify(*rates));
  int entered = 0;
  while (entered < 5000 && shm_limit_enter(*counts, std::to_string(entered), 1, kStart) == ShmStatus::ok) ++entered;
  CHECK(entered > 0);
  CHECK(entered < 5000);
  CHECK(shm_limit_enter(*counts, "0", 1, kStart) == ShmStatus::exists);
  CHECK(shm_limit_enter(*counts, "new", 1, kStart) == ShmStatus::no_memory);
  shm_limit_leave(*counts, "0", kStart);
  CHECK(shm_limit_enter(*counts, "new", 1, kStart) == ShmStatus::ok);
  CHECK(shm_dict_verify(*counts));
}
