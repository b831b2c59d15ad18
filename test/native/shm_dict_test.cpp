// SPDX-License-Identifier: MIT
// The shared dictionary's calls one by one: values, store modes, expiry, eviction, lists, scans, and the sizes at which a
// zone is full. Time is a number that each case sets.
#include <string>

#include "check.h"
#include "shm/dict.h"

using namespace mw;

namespace {
constexpr uint64_t kNow = 1700000000000;

struct Zone {
  ShmDictRef d;
  uint64_t now = kNow;
  bool forcible = false;
  ShmOutput out;
  std::string text;
  explicit Zone(uint64_t size, Str name = "dogs") {
    std::string error;
    d = shm_dict_create(name, size, error);
    CHECK_EQ(error, "");
  }
  ShmStatus store(ShmStore op, Str key, const ShmInput &v, uint64_t ttl = 0, uint32_t flags = 0, bool safe = false) {
    return shm_dict_store(*d, op, safe, key, v, ttl, flags, now, forcible);
  }
  ShmStatus set(Str key, Str v, uint64_t ttl = 0) { return store(ShmStore::set, key, {ShmType::string, 0, v}, ttl); }
  ShmStatus num(Str key, double v, uint64_t ttl = 0) {
    return store(ShmStore::set, key, {ShmType::number, v, {}}, ttl);
  }
  ShmStatus get(Str key, bool stale = false) {
    text.assign(200000, '\0');
    ShmStatus s = shm_dict_get(*d, key, stale, now, text.data(), text.size(), out);
    text.resize(s == ShmStatus::ok && out.type == ShmType::string ? out.size : 0);
    return s;
  }
  bool has(Str key) { return get(key) == ShmStatus::ok; }
  ShmStatus incr(Str key, double step, const double *init = nullptr, uint64_t ttl = 0) {
    double result = 0;
    ShmStatus s = shm_dict_incr(*d, key, step, init, ttl, now, result, forcible);
    out.num = result;
    return s;
  }
  uint64_t keys(uint64_t max) {
    uint64_t count;
    text.assign(1 << 20, '\0');
    shm_dict_keys(*d, max, now, text.data(), text.size(), count);
    return count;
  }
};
bool is(ShmStatus a, ShmStatus b) { return a == b; }
}  // namespace

TEST(shm_dict_values_keep_their_type) {
  Zone z(1 << 20);
  CHECK(is(z.set("s", "hello"), ShmStatus::ok));
  CHECK(is(z.num("n", -0.25), ShmStatus::ok));
  CHECK(is(z.store(ShmStore::set, "t", {ShmType::boolean, 1, {}}, 0, 7), ShmStatus::ok));
  CHECK(is(z.set(Str("a\0b", 3), Str("\0\xff", 2)), ShmStatus::ok));
  CHECK(is(z.set("empty", ""), ShmStatus::ok));
  CHECK(z.has("s") && z.out.type == ShmType::string && z.text == "hello");
  CHECK(z.has("n") && z.out.type == ShmType::number && z.out.num == -0.25);
  CHECK(z.has("t") && z.out.type == ShmType::boolean && z.out.num == 1 && z.out.flags == 7);
  CHECK(z.has(Str("a\0b", 3)) && z.text == std::string("\0\xff", 2));
  CHECK(z.has("empty") && z.text.empty());
  CHECK(is(z.get("none"), ShmStatus::not_found));
  CHECK(is(z.store(ShmStore::set, "s", {}), ShmStatus::ok));
  CHECK(!z.has("s"));
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_get_tells_the_size_it_needs) {
  Zone z(1 << 20);
  z.set("k", std::string(5000, 'x'));
  char small[16];
  CHECK(is(shm_dict_get(*z.d, "k", false, kNow, small, sizeof small, z.out), ShmStatus::too_small));
  CHECK_EQ(z.out.size, 5000u);
  CHECK(z.has("k") && z.text == std::string(5000, 'x'));
}

TEST(shm_dict_add_and_replace) {
  Zone z(1 << 20);
  ShmInput v{ShmType::number, 1, {}};
  CHECK(is(z.store(ShmStore::replace, "k", v), ShmStatus::not_found));
  CHECK(is(z.store(ShmStore::add, "k", v, 10), ShmStatus::ok));
  CHECK(is(z.store(ShmStore::add, "k", v), ShmStatus::exists));
  CHECK(is(z.store(ShmStore::replace, "k", {ShmType::string, 0, "longer than a double"}, 10), ShmStatus::ok));
  CHECK(z.has("k") && z.text == "longer than a double");
  z.set("other", "x");
  z.now += 10;
  CHECK(is(z.store(ShmStore::replace, "k", v), ShmStatus::not_found));
  CHECK(is(z.store(ShmStore::add, "k", v), ShmStatus::ok));
  CHECK(z.has("k") && z.out.num == 1);
}

TEST(shm_dict_expiry) {
  Zone z(1 << 20);
  uint64_t left;
  z.num("k", 32, 10);
  z.num("long", 1, uint64_t{1} << 41);
  z.num("ever", 1);
  CHECK(is(shm_dict_ttl(*z.d, "k", z.now + 3, left), ShmStatus::ok) && left == 7);
  CHECK(is(shm_dict_ttl(*z.d, "long", z.now, left), ShmStatus::ok) && left == uint64_t{1} << 41);
  CHECK(is(shm_dict_ttl(*z.d, "ever", z.now, left), ShmStatus::ok) && left == 0);
  CHECK(is(shm_dict_ttl(*z.d, "none", z.now, left), ShmStatus::not_found));
  z.now += 9;
  CHECK(z.has("k"));
  z.has("long");
  z.has("ever");
  z.now += 1;
  CHECK(is(z.get("k", true), ShmStatus::ok) && z.out.stale && z.out.num == 32);
  CHECK(is(shm_dict_ttl(*z.d, "k", z.now, left), ShmStatus::not_found));
  CHECK(is(shm_dict_expire(*z.d, "k", 5, z.now), ShmStatus::ok));
  CHECK(z.has("k"));
  CHECK(is(z.get("k", true), ShmStatus::ok) && !z.out.stale);
  z.now += 5;
  CHECK(!z.has("k"));
  CHECK(is(shm_dict_expire(*z.d, "none", 5, z.now), ShmStatus::not_found));
  CHECK(is(shm_dict_expire(*z.d, "long", 0, z.now), ShmStatus::ok));
  CHECK(is(shm_dict_ttl(*z.d, "long", z.now, left), ShmStatus::ok) && left == 0);
}

TEST(shm_dict_incr) {
  Zone z(1 << 20);
  double init = 10;
  CHECK(is(z.incr("n", 1), ShmStatus::not_found));
  CHECK(is(z.incr("n", 1, &init, 20), ShmStatus::ok) && z.out.num == 11 && !z.forcible);
  CHECK(is(z.incr("n", -0.5, &init), ShmStatus::ok) && z.out.num == 10.5);
  z.set("s", "8 bytes!");
  CHECK(is(z.incr("s", 1, &init), ShmStatus::not_number));
  z.set("s", "8 bytes!", 5);
  z.set("odd", "x", 5);
  z.now += 20;
  CHECK(is(z.incr("n", 1), ShmStatus::not_found));
  CHECK(is(z.incr("s", 1, &init), ShmStatus::ok) && z.out.num == 11);
  CHECK(is(z.incr("odd", 1, &init), ShmStatus::ok) && z.out.num == 11);
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_evicts_least_recently_used) {
  Zone z(100 << 10);
  std::string value = std::string(60, 'v');
  int i = 0;
  do {
    ++i;
    if (i == 10) z.has("key_1");
    CHECK(is(z.set("key_" + std::to_string(i), value), ShmStatus::ok));
  } while (!z.forcible && i < 2000);
  CHECK_EQ(i, 353);  // 22 pages of 16, then the first eviction: as under nginx
  CHECK(z.has("key_1"));
  CHECK(!z.has("key_2"));
  CHECK_EQ(shm_dict_stats(*z.d).evicted, 1u);
  CHECK_EQ(shm_dict_free_space(*z.d), 0u);
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_safe_set_never_evicts) {
  Zone z(100 << 10);
  ShmInput v{ShmType::string, 0, "0123456789012345678901234567890123456789012345678901234567890123"};
  int i = 0;
  ShmStatus s;
  do {
    ++i;
    s = z.store(ShmStore::set, "key_" + std::to_string(i), v, i == 1 ? 10 : 0, 0, true);
  } while (s == ShmStatus::ok);
  CHECK(is(s, ShmStatus::no_memory));
  CHECK(!z.forcible && z.has("key_2"));
  z.now += 10;  // key_1 has expired: its room is taken
  CHECK(is(z.store(ShmStore::set, "one more", v, 0, 0, true), ShmStatus::ok));
  CHECK(is(z.store(ShmStore::add, "too many", v, 0, 0, true), ShmStatus::no_memory));
}

TEST(shm_dict_too_big_value) {
  Zone z(50 << 10);
  CHECK(is(z.set("foo", std::string(100000, 'x')), ShmStatus::no_memory));
  CHECK(!z.forcible);
  z.set("bah", "hello");
  CHECK(is(z.set("foo", std::string(100000, 'x')), ShmStatus::no_memory));
  CHECK(z.forcible && !z.has("bah"));
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_eviction_merges_pages) {
  Zone z(20 << 10);  // five pages: the header, two with the root and the name, two free
  for (int i = 0; i < 2; ++i) {
    CHECK(is(z.set("foo", std::string(4000, 'a')), ShmStatus::ok) && z.forcible == (i == 1));
    CHECK(is(z.set("bar", std::string(4001, 'b')), ShmStatus::ok) && !z.forcible);
    CHECK(is(z.set("baz", std::string(8102, 'c')), ShmStatus::ok) && z.forcible);
    CHECK(!z.has("foo") && !z.has("bar") && z.has("baz"));
  }
}

TEST(shm_dict_zone_sizes) {
  std::string error;
  CHECK(shm_dict_create("small", 8192, error) == nullptr && !error.empty());
  Zone least(kShmDictMinSize), cats(16 << 10, "cats"), birds(100 << 10, "birds");
  CHECK_EQ(shm_dict_free_space(*least.d), 0u);
  CHECK_EQ(shm_dict_free_space(*cats.d), 4096u);
  CHECK_EQ(shm_dict_free_space(*birds.d), 90112u);
  CHECK_EQ(shm_dict_capacity(*birds.d), 102400u);
  CHECK(is(least.set("k", "v"), ShmStatus::ok) && least.has("k"));
  for (int i = 1; i <= 64; ++i) {
    cats.set("key0000" + std::to_string(i), "val00000");
    CHECK_EQ(shm_dict_free_space(*cats.d), i <= 31 ? 4096u : 0u);
    CHECK(!cats.forcible || i == 64);
  }
}

TEST(shm_dict_lists) {
  Zone z(1 << 20);
  char buf[64];
  uint64_t len = 99;
  CHECK(is(shm_dict_len(*z.d, "l", kNow, len), ShmStatus::ok) && len == 0);
  CHECK(is(shm_dict_push(*z.d, ShmEnd::left, "l", {ShmType::string, 0, "b"}, kNow, len), ShmStatus::ok) && len == 1);
  CHECK(is(shm_dict_push(*z.d, ShmEnd::left, "l", {ShmType::number, 1.5, {}}, kNow, len), ShmStatus::ok) && len == 2);
  CHECK(is(shm_dict_push(*z.d, ShmEnd::right, "l", {ShmType::string, 0, "c"}, kNow, len), ShmStatus::ok) && len == 3);
  CHECK(shm_dict_verify(*z.d));
  CHECK(is(z.get("l"), ShmStatus::is_list));
  CHECK(is(z.incr("l", 1), ShmStatus::not_number));
  CHECK(is(shm_dict_pop(*z.d, ShmEnd::right, "l", kNow, buf, 0, z.out), ShmStatus::too_small) && z.out.size == 1);
  CHECK(is(shm_dict_pop(*z.d, ShmEnd::right, "l", kNow, buf, 64, z.out), ShmStatus::ok) && buf[0] == 'c');
  CHECK(is(shm_dict_pop(*z.d, ShmEnd::left, "l", kNow, buf, 64, z.out), ShmStatus::ok) && z.out.num == 1.5);
  CHECK(is(shm_dict_pop(*z.d, ShmEnd::left, "l", kNow, buf, 64, z.out), ShmStatus::ok) && buf[0] == 'b');
  CHECK(is(shm_dict_pop(*z.d, ShmEnd::left, "l", kNow, buf, 64, z.out), ShmStatus::not_found));
  CHECK_EQ(shm_dict_stats(*z.d).entries, 0u);
  z.set("s", "x");
  CHECK(is(shm_dict_push(*z.d, ShmEnd::left, "s", {ShmType::number, 1, {}}, kNow, len), ShmStatus::not_list));
  CHECK(is(shm_dict_pop(*z.d, ShmEnd::left, "s", kNow, buf, 64, z.out), ShmStatus::not_list));
  CHECK(is(shm_dict_len(*z.d, "s", kNow, len), ShmStatus::not_list));
}

TEST(shm_dict_list_replaced_and_expired) {
  Zone z(1 << 20);
  uint64_t len;
  ShmInput one{ShmType::string, 0, "1"};
  shm_dict_push(*z.d, ShmEnd::left, "other", one, z.now, len);
  for (int i = 0; i < 3; ++i) shm_dict_push(*z.d, ShmEnd::left, "a", one, z.now, len);
  shm_dict_expire(*z.d, "a", 5, z.now);
  z.now += 5;
  CHECK(is(shm_dict_push(*z.d, ShmEnd::left, "a", one, z.now, len), ShmStatus::ok) && len == 1);
  CHECK(is(z.set("a", "x"), ShmStatus::ok));  // as long as the list: must not be taken for a value of its size
  CHECK(z.has("a") && z.text == "x");
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_list_fills_a_zone) {
  Zone z(100 << 10);
  uint64_t len = 0;
  while (shm_dict_push(*z.d, ShmEnd::left, "foo", {ShmType::string, 0, "bar"}, z.now, len) == ShmStatus::ok) {
  }
  CHECK_EQ(len, 2920u);
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_flush_and_keys) {
  Zone z(1 << 20);
  for (int i = 0; i < 100; ++i) z.set("short" + std::to_string(i), "x", 10);
  z.set("ever", "y");
  z.set("later", "z", 1000);
  CHECK_EQ(z.keys(0), 102u);
  CHECK_EQ(z.keys(7), 7u);
  uint64_t count, need = shm_dict_keys(*z.d, 2, z.now, nullptr, 0, count);
  CHECK(count == 0 && need == 2 * 4 + 6 * 2);
  z.now += 10;
  CHECK_EQ(z.keys(0), 2u);
  CHECK_EQ(shm_dict_flush_expired(*z.d, 42, z.now), 42u);
  CHECK_EQ(shm_dict_flush_expired(*z.d, 0, z.now), 58u);
  CHECK_EQ(shm_dict_flush_expired(*z.d, 0, z.now), 0u);
  shm_dict_flush_all(*z.d, z.now);
  CHECK(!z.has("ever"));
  CHECK_EQ(z.keys(0), 0u);
  shm_dict_flush_expired(*z.d, 0, z.now);
  CHECK_EQ(shm_dict_stats(*z.d).entries, 0u);
  CHECK(shm_dict_verify(*z.d));
}

TEST(shm_dict_longest_key) {
  Zone z(1 << 20);
  std::string key(65535, 'k');
  CHECK(is(z.set(key, "v"), ShmStatus::ok) && z.has(key));
  key.back() = 'x';
  CHECK(!z.has(key));
}

TEST(shm_dict_outlives_a_reload) {
  std::string error;
  std::vector<ShmDictRef> have{shm_dict_create("a", 1 << 20, error), shm_dict_create("b", 1 << 20, error)};
  CHECK(shm_dict_obtain(have, "b", 1 << 20, error) == have[1]);
  ShmDictRef resized = shm_dict_obtain(have, "b", 2 << 20, error);
  CHECK(resized != have[1] && shm_dict_capacity(*resized) == 2u << 20);
}
