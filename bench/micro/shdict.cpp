// SPDX-License-Identifier: MIT
// The cost of shared dictionary calls from C++: ns per call, uncontended and with all CPUs on one dictionary.
// Build: g++ -O2 -std=c++20 -fno-exceptions -fno-rtti -Inative bench/micro/shdict.cpp native/shm/*.cpp -lpthread
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "shm/dict.h"

using namespace mw;

namespace {
constexpr int kRounds = 2000000;

template <class F>
void measure(const char *name, int threads, F call) {
  auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&call, t] {
      for (int i = 0; i < kRounds; ++i) call(t, i);
    });
  for (std::thread &t : all) t.join();
  std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  std::printf("%-44s %2d threads %8.1f ns/call\n", name, threads, took.count() / kRounds / threads);
}
}  // namespace

int main() {
  std::string error;
  ShmDictRef d = shm_dict_create("bench", 64 << 20, error);
  ShmDictRef own[4];
  for (ShmDictRef &o : own) o = shm_dict_create("own", 1 << 20, error);
  std::vector<std::string> keys;
  for (int i = 0; i < 100000; ++i) keys.push_back("key:" + std::to_string(i));
  auto set = [](ShmDict &z, Str key, const ShmInput &v) {
    bool forcible;
    shm_dict_store(z, ShmStore::set, false, key, v, 0, 0, 1000, forcible);
  };
  auto get = [](ShmDict &z, Str key) {
    char buf[256];
    ShmOutput out;
    shm_dict_get(z, key, false, 1000, buf, sizeof buf, out);
  };
  auto incr = [](ShmDict &z, Str key) {
    double init = 0, result;
    bool forcible;
    shm_dict_incr(z, key, 1, &init, 0, 1000, result, forcible);
  };
  ShmInput text{ShmType::string, 0, "a value of thirty-two characters"};
  for (const std::string &k : keys) set(*d, k, text);
  measure("get of one key", 1, [&](int, int) { get(*d, "key:1"); });
  measure("get over 100,000 keys in random order", 1, [&](int, int i) { get(*d, keys[i * 7919u % keys.size()]); });
  measure("get of a missing key", 1, [&](int, int) { get(*d, "nothing"); });
  measure("incr of one key", 1, [&](int, int) { incr(*d, "hits"); });
  measure("set of one key", 1, [&](int, int) { set(*d, "key:1", text); });
  for (int threads : {2, 4}) {
    measure("incr of one key, one dictionary", threads, [&](int, int) { incr(*d, "hits"); });
    measure("get over 100 keys, one dictionary", threads, [&](int, int i) { get(*d, keys[i % 100u]); });
    measure("incr, a dictionary each (no shared lock)", threads, [&](int t, int) { incr(*own[t], "hits"); });
  }
}
