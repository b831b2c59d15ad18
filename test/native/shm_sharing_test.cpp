// SPDX-License-Identifier: MIT
// What makes the dictionary shared: two mappings at different addresses, threads that count together, another process
// that writes, and owners of the lock that die.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "shm/dict.h"
#include "shm/dict_inner.h"

using namespace mw;

namespace {
ShmDictRef zone(uint64_t size) {
  std::string error;
  return shm_dict_create("shared", size, error);
}

double number(ShmDict &d, Str key) {
  ShmOutput out;
  return shm_dict_get(d, key, false, 1, nullptr, 0, out) == ShmStatus::ok ? out.num : -1;
}

void set_number(ShmDict &d, Str key, double n) {
  bool forcible;
  shm_dict_store(d, ShmStore::set, false, key, {ShmType::number, n, {}}, 0, 0, 1, forcible);
}

/// Runs `child` in a forked process that ends without a word.
template <class F>
void in_child(F child) {
  pid_t pid = fork();
  if (pid == 0) {
    child();
    _exit(0);
  }
  int status = 0;
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}
}  // namespace

TEST(shm_sharing_two_mappings) {
  ShmDictRef a = zone(1 << 20), b = shm_dict_attach(shm_dict_fd(*a));
  CHECK(b != nullptr && a->base != b->base);
  CHECK_EQ(shm_dict_name(*b), "shared");
  uint64_t len;
  for (int i = 0; i < 2000; ++i) {
    set_number(i % 2 ? *a : *b, "k" + std::to_string(i), i);
    shm_dict_push(i % 2 ? *b : *a, ShmEnd::left, "list", {ShmType::number, 1, {}}, 1, len);
  }
  CHECK_EQ(len, 2000u);
  for (int i = 0; i < 2000; ++i) CHECK_EQ(number(i % 2 ? *b : *a, "k" + std::to_string(i)), i);
  CHECK(shm_dict_verify(*a) && shm_dict_verify(*b));
  CHECK(shm_dict_attach(-1) == nullptr);
}

TEST(shm_sharing_threads_count) {
  ShmDictRef d = zone(1 << 20);
  constexpr int kThreads = 8, kRounds = 20000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&d, t] {
      double init = 0, result;
      bool forcible;
      char buf[64];
      ShmOutput out;
      for (int i = 0; i < kRounds; ++i) {
        shm_dict_incr(*d, "hits", 1, &init, 0, 1, result, forcible);
        std::string own = "own" + std::to_string(t * 7 + i % 50);
        shm_dict_store(*d, ShmStore::set, false, own, {ShmType::string, 0, own}, i % 3, 0, 1 + i / 100, forcible);
        shm_dict_get(*d, own, true, 1, buf, sizeof buf, out);
      }
    });
  for (std::thread &t : threads) t.join();
  CHECK_EQ(number(*d, "hits"), kThreads * kRounds);
  CHECK(shm_dict_verify(*d));
}

TEST(shm_sharing_another_process) {
  ShmDictRef d = zone(1 << 20);
  in_child([&d] { set_number(*d, "from child", 42); });
  CHECK_EQ(number(*d, "from child"), 42);
}

TEST(shm_sharing_owner_dies_reading) {
  ShmDictRef d = zone(1 << 20);
  set_number(*d, "k", 7);
  in_child([&d] { shm_dict_seize(*d, false); });
  CHECK_EQ(number(*d, "k"), 7);
  CHECK_EQ(shm_dict_stats(*d).recovered, 1u);
  in_child([&d] { shm_dict_seize(*d, false); });
  set_number(*d, "k", 8);
  CHECK_EQ(number(*d, "k"), 8);
  CHECK_EQ(shm_dict_stats(*d).recovered, 2u);
  CHECK(shm_dict_verify(*d));
}

TEST(shm_sharing_owner_dies_writing) {
  ShmDictRef d = zone(1 << 20);
  for (int i = 0; i < 100; ++i) set_number(*d, "k" + std::to_string(i), i);
  uint64_t empty = shm_dict_free_space(*zone(1 << 20));
  in_child([&d] {
    shm_dict_seize(*d, true);
    d->root().lru_first = 12345;  // as torn as can be
    std::memset(d->base + d->header().slab.descs_off, 0x5a, 4096);
  });
  CHECK_EQ(number(*d, "k1"), -1);
  CHECK_EQ(shm_dict_stats(*d).reset, 1u);
  CHECK_EQ(shm_dict_free_space(*d), empty);
  set_number(*d, "k", 8);
  CHECK_EQ(number(*d, "k"), 8);
  CHECK(shm_dict_verify(*d));
}

TEST(shm_sharing_owner_dies_moving_an_entry) {
  ShmDictRef d = zone(1 << 20);
  set_number(*d, "a", 1);
  set_number(*d, "b", 2);
  in_child([&d] {
    shm_dict_seize(*d, false);
    d->root().lru_first = d->root().lru_last;  // a get that died between two links
  });
  CHECK_EQ(number(*d, "a"), -1);
  CHECK_EQ(shm_dict_stats(*d).reset, 1u);
  CHECK(shm_dict_verify(*d));
}

TEST(shm_sharing_killed_in_the_midst) {
  // Whatever a killed process was doing, the next call finds a whole dictionary, emptied if need be.
  ShmDictRef d = zone(64 << 10);
  uint64_t empty = shm_dict_free_space(*d);
  auto was_midst = [&d] {
    ShmStats stats = shm_dict_stats(*d);
    return stats.recovered + stats.reset > 0;
  };
  // Where a process is when it is killed is chance: on a busy machine it may be between two calls for long.
  for (int round = 0; round < 60 || (round < 3000 && !was_midst()); ++round) {
    int begun[2];
    CHECK(pipe(begun) == 0);
    pid_t pid = fork();
    if (pid == 0) {
      char buf[256] = {};
      if (write(begun[1], buf, 1) != 1) _exit(1);
      uint64_t len;
      bool forcible;
      ShmOutput out;
      for (uint64_t i = 0;; ++i) {
        std::string key = "k" + std::to_string(i * 7919 % 600), value(i % 200, 'v');
        shm_dict_store(*d, ShmStore::set, false, key, {ShmType::string, 0, value}, i % 50, 0, 1 + i / 100, forcible);
        shm_dict_push(*d, ShmEnd::left, "list", {ShmType::string, 0, value}, 1 + i / 100, len);
        shm_dict_get(*d, key, false, 1 + i / 100, buf, sizeof buf, out);
        if (i % 3) shm_dict_pop(*d, ShmEnd::right, "list", 1 + i / 100, buf, sizeof buf, out);
      }
    }
    char byte;
    CHECK(read(begun[0], &byte, 1) == 1);  // however long a loaded machine takes to get there
    usleep(1000 + static_cast<useconds_t>(round % 60) * 37);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, nullptr, 0) == pid);
    close(begun[0]);
    close(begun[1]);
    CHECK(shm_dict_verify(*d));
    if (round % 5 == 4) {  // nothing has leaked either
      shm_dict_flush_all(*d, 1);
      shm_dict_flush_expired(*d, 0, 1);
      CHECK_EQ(shm_dict_free_space(*d), empty);
    }
    shm_dict_expire(*d, "list", 1, 0);  // the list may fill the zone, and pushes never make room for a set
    shm_dict_flush_expired(*d, 0, 1);
    set_number(*d, "after", round);
    CHECK_EQ(number(*d, "after"), round);
  }
  CHECK(was_midst());
}
