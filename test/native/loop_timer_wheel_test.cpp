// SPDX-License-Identifier: MIT
// The timer wheel against a plain list as its model: order, moments, re-arming and cancelling from callbacks.
#include "loop/timer_wheel.h"

#include <algorithm>
#include <string>
#include <vector>

#include "check.h"

using namespace mw;

namespace {

struct Entry : Timer {
  int id = 0;
  std::vector<int> *fired = nullptr;
  void (*then)(Entry *) = nullptr;
};

void on_fire(Timer *t) {
  Entry *e = static_cast<Entry *>(t);
  if (e->fired) e->fired->push_back(e->id);
  if (e->then) e->then(e);
}

std::string text(const std::vector<int> &ids) {
  std::string out;
  for (int id : ids) out += std::to_string(id) + " ";
  return out;
}

struct Wheel {
  TimerWheel wheel;
  std::vector<int> fired;
  std::vector<Entry> entries;
  explicit Wheel(size_t n, uint64_t now = 1000) : entries(n) {
    wheel.start(now);
    for (size_t i = 0; i < n; ++i) {
      entries[i].id = static_cast<int>(i);
      entries[i].fired = &fired;
      entries[i].fire = on_fire;
    }
  }
  std::string advance(uint64_t now) {
    fired.clear();
    wheel.advance(now);
    return text(fired);
  }
};

TimerWheel *current = nullptr;
Entry *other = nullptr;

}  // namespace

TEST(wheel_fires_at_the_moment) {
  // Around every level's border, from clocks of every alignment.
  for (uint64_t start :
       {0ull, 1ull, 63ull, 64ull, 4095ull, 4096ull, 262143ull, 1ull << 30, (1ull << 36) - 1, 1ull << 40}) {
    for (uint64_t delta :
         {1ull, 2ull, 63ull, 64ull, 65ull, 127ull, 128ull, 4095ull, 4096ull, 4097ull, 262143ull, 262144ull, 16777216ull,
          1ull << 30, (1ull << 36) - 1, 1ull << 36, (1ull << 36) + 1, 3ull << 36}) {
      Wheel w(1, start);
      w.wheel.add(&w.entries[0], start + delta);
      CHECK(w.entries[0].is_armed());
      int64_t delay = w.wheel.next_delay(start);
      CHECK(delay > 0 && static_cast<uint64_t>(delay) <= delta);  // early, never late
      CHECK_EQ(w.advance(start + delta - 1), "");
      CHECK_EQ(w.advance(start + delta), "0 ");
      CHECK(!w.entries[0].is_armed());
      CHECK_EQ(w.wheel.next_delay(start + delta), -1);
    }
  }
}

TEST(wheel_fires_in_order_of_deadline_then_of_arming) {
  Wheel w(6);
  w.wheel.add(&w.entries[0], 1130);  // first on level 1
  w.wheel.add(&w.entries[1], 1130);
  w.wheel.add(&w.entries[2], 1120);
  CHECK_EQ(w.advance(1100), "");
  w.wheel.add(&w.entries[3], 1130);  // now on level 0
  w.wheel.add(&w.entries[4], 1110);
  w.wheel.add(&w.entries[5], 1131);
  CHECK_EQ(w.advance(2000), "4 2 0 1 3 5 ");
}

TEST(wheel_order_through_all_levels) {
  // One deadline, armed from far to near: a million ms, then 5,000 before, then 200, then 10.
  Wheel w(5, 0);
  const uint64_t deadline = 1 << 20;  // aligned to every level below it
  w.wheel.add(&w.entries[0], deadline);
  w.advance(deadline - 5000);
  w.wheel.add(&w.entries[1], deadline);
  w.advance(deadline - 200);
  w.wheel.add(&w.entries[2], deadline);
  w.advance(deadline - 10);
  w.wheel.add(&w.entries[3], deadline);
  w.wheel.add(&w.entries[4], deadline);
  CHECK_EQ(w.advance(deadline), "0 1 2 3 4 ");
}

TEST(wheel_past_deadline_fires_in_the_next_advance) {
  Wheel w(2);
  w.wheel.add(&w.entries[0], 1000);
  w.wheel.add(&w.entries[1], 3);
  CHECK_EQ(w.wheel.next_delay(1000), 0);
  CHECK_EQ(w.advance(1000), "0 1 ");
}

TEST(wheel_moves_an_armed_timer) {
  Wheel w(1);
  w.wheel.add(&w.entries[0], 1010);
  w.wheel.add(&w.entries[0], 5000);
  CHECK_EQ(w.advance(1500), "");
  w.wheel.add(&w.entries[0], 1501);
  CHECK_EQ(w.advance(6000), "0 ");
}

TEST(wheel_cancel) {
  Wheel w(4);
  w.wheel.cancel(&w.entries[0]);  // idle
  w.wheel.add(&w.entries[0], 1010);
  w.wheel.add(&w.entries[1], 1010);
  w.wheel.add(&w.entries[2], 9999);
  w.wheel.add(&w.entries[3], 1);
  for (Entry &e : w.entries)
    if (e.id != 1) w.wheel.cancel(&e);
  CHECK_EQ(w.advance(20000), "1 ");
  CHECK_EQ(w.wheel.next_delay(20000), -1);
}

TEST(wheel_callback_cancels_its_neighbours) {
  Wheel w(4);
  current = &w.wheel;
  other = w.entries.data();
  for (Entry &e : w.entries) w.wheel.add(&e, e.id < 3 ? 1010 : 1011);
  w.entries[0].then = [](Entry *) {
    current->cancel(&other[1]);
    current->cancel(&other[3]);
    current->cancel(&other[0]);  // itself, already idle
  };
  CHECK_EQ(w.advance(1100), "0 2 ");
}

TEST(wheel_callback_arms_again) {
  Wheel w(2);
  current = &w.wheel;
  // Every 10 ms, though the clock jumps: each moment is met.
  w.entries[0].then = [](Entry *e) { current->add(e, e->deadline + 10); };
  w.wheel.add(&w.entries[0], 1010);
  CHECK_EQ(w.advance(1055), "0 0 0 0 0 ");
  CHECK_EQ(w.wheel.next_delay(1055), 5);
  // For at once: once in each advance, not for ever.
  w.wheel.cancel(&w.entries[0]);
  w.entries[1].then = [](Entry *e) { current->add(e, 0); };
  w.wheel.add(&w.entries[1], 1060);
  CHECK_EQ(w.advance(1100), "1 ");
  CHECK_EQ(w.advance(1100), "1 ");
  w.entries[1].then = nullptr;
  CHECK_EQ(w.advance(1100), "1 ");
  CHECK_EQ(w.advance(1101), "");
}

TEST(wheel_callback_moves_one_that_is_due) {
  Wheel w(3);
  current = &w.wheel;
  other = w.entries.data();
  for (Entry &e : w.entries) w.wheel.add(&e, 1010);
  w.entries[0].then = [](Entry *) { current->add(&other[1], 1015); };
  CHECK_EQ(w.advance(1010), "0 2 ");
  CHECK_EQ(w.advance(1015), "1 ");
}

TEST(wheel_agrees_with_a_model) {
  uint64_t seed = 42;
  auto random = [&seed](uint64_t n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % n;
  };
  constexpr size_t kTimers = 200;
  Wheel w(kTimers, 77777);
  struct Armed {
    uint64_t deadline, serial;
    int id;
  };
  std::vector<Armed> model;
  uint64_t now = 77777, serial = 0;
  for (int round = 0; round < 20000; ++round) {
    int id = static_cast<int>(random(kTimers));
    std::erase_if(model, [id](const Armed &a) { return a.id == id; });
    if (random(4) == 0) {
      w.wheel.cancel(&w.entries[static_cast<size_t>(id)]);
    } else {
      uint64_t deadline = now + 1 + random(uint64_t{1} << random(20));
      w.wheel.add(&w.entries[static_cast<size_t>(id)], deadline);
      model.push_back({deadline, ++serial, id});
    }
    if (random(3)) continue;
    uint64_t nearest = UINT64_MAX;
    for (const Armed &a : model) nearest = std::min(nearest, a.deadline);
    int64_t delay = w.wheel.next_delay(now);
    CHECK(model.empty() ? delay == -1 : delay > 0 && now + static_cast<uint64_t>(delay) <= nearest);
    now += random(uint64_t{1} << random(16));
    std::vector<Armed> due;
    for (const Armed &a : model)
      if (a.deadline <= now) due.push_back(a);
    std::erase_if(model, [now](const Armed &a) { return a.deadline <= now; });
    std::sort(due.begin(), due.end(), [](const Armed &a, const Armed &b) {
      return a.deadline != b.deadline ? a.deadline < b.deadline : a.serial < b.serial;
    });
    std::vector<int> expected;
    for (const Armed &a : due) expected.push_back(a.id);
    std::string got = w.advance(now);
    if (got != text(expected)) {
      CHECK_EQ(got, text(expected));
      return;
    }
  }
}
