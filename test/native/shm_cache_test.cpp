// SPDX-License-Identifier: MIT
// shm/cache: entries by their uses, the update of one, errors, sizes, and which goes when.
#include "shm/cache.h"

#include <string>

#include "check.h"

using namespace mw;

namespace {

ShmDictRef zone_of(uint64_t size) {
  std::string error;
  ShmDictRef zone = shm_dict_create("z", size, error);
  CHECK(zone != nullptr);
  return zone;
}

std::string key_of(uint32_t n) {
  std::string key = std::to_string(n);
  key.resize(kCacheKeySize, '.');
  return key;
}

ShmCacheFound enter(ShmDict &zone, const std::string &key, uint32_t min_uses = 1, uint32_t now = 100) {
  ShmCacheEntry e;
  return shm_cache_enter(zone, key, min_uses, false, now, now + 10, e);
}

std::string evict(ShmDict &zone, bool forced, uint32_t now) {
  unsigned char key[kCacheKeySize];
  bool has_file;
  uint32_t wait;
  if (!shm_cache_evict(zone, forced, now, 10, key, has_file, wait)) return "wait " + std::to_string(wait);
  return std::string(reinterpret_cast<char *>(key), sizeof key) + (has_file ? "+" : "-");
}

}  // namespace

TEST(shm_cache_entries_are_fresh_scarce_then_known) {
  ShmDictRef zone = zone_of(65536);
  std::string k = key_of(1);
  CHECK(enter(*zone, k, 3) == ShmCacheFound::fresh);
  CHECK(enter(*zone, k, 3) == ShmCacheFound::scarce);
  CHECK(enter(*zone, k, 3) == ShmCacheFound::known);
  shm_cache_store(*zone, k, 7, 3, 500);
  ShmCacheEntry e;
  CHECK(shm_cache_enter(*zone, k, 100, true, 100, 110, e) == ShmCacheFound::known);  // it has a file
  CHECK_EQ(e.count, 2u);
  CHECK_EQ(e.uniq, 7u);
  CHECK_EQ(shm_cache_totals(*zone).blocks, 3u);
  shm_cache_store(*zone, k, 8, 2, 500);  // in the place of the first
  CHECK_EQ(shm_cache_totals(*zone).blocks, 2u);
  CHECK(shm_dict_verify(*zone));
}

TEST(shm_cache_one_has_the_update) {
  ShmDictRef zone = zone_of(65536);
  std::string k = key_of(1);
  enter(*zone, k);
  enter(*zone, k);
  uint64_t lock = shm_cache_lock(*zone, k, 1000, 50);
  CHECK(lock != 0);
  CHECK_EQ(shm_cache_lock(*zone, k, 1001, 50), 0u);
  CHECK_EQ(shm_cache_lock(*zone, k, 2000, 0), 0u);  // whatever its age
  CHECK(shm_cache_is_locked(*zone, k, 1001));
  CHECK(!shm_cache_is_locked(*zone, k, 1050));
  uint64_t next = shm_cache_lock(*zone, k, 1050, 50);  // its time is over
  CHECK(next > lock);
  ShmCacheLeave how;
  how.was_updating = true;
  how.lock_ms = lock;
  shm_cache_leave(*zone, k, how);  // not its own any more
  CHECK(shm_cache_is_locked(*zone, k, 1051));
  how.lock_ms = next;
  shm_cache_leave(*zone, k, how);
  CHECK(!shm_cache_is_locked(*zone, k, 1051));
}

TEST(shm_cache_errors_end_and_empty_entries_go) {
  ShmDictRef zone = zone_of(65536);
  std::string k = key_of(1);
  enter(*zone, k);
  ShmCacheLeave how;
  how.may_forget = true;
  how.error = 502;
  how.valid_s = 105;
  shm_cache_leave(*zone, k, how);
  ShmCacheEntry e;
  CHECK(shm_cache_enter(*zone, k, 1, false, 105, 115, e) == ShmCacheFound::known);
  CHECK_EQ(e.error, 502);
  CHECK(shm_cache_enter(*zone, k, 1, true, 106, 116, e) == ShmCacheFound::fresh);
  CHECK_EQ(e.error, 0);
  how = ShmCacheLeave();
  how.may_forget = true;
  shm_cache_leave(*zone, k, how);
  CHECK_EQ(shm_cache_totals(*zone).entries, 0u);
}

TEST(shm_cache_what_was_used_last_goes_last_and_what_is_in_use_stays) {
  ShmDictRef zone = zone_of(65536);
  for (uint32_t i = 1; i <= 3; ++i) {
    enter(*zone, key_of(i), 1, 100 + i);
    shm_cache_store(*zone, key_of(i), i, 1, 1);
  }
  enter(*zone, key_of(1), 1, 104);  // in use from here on
  CHECK_EQ(evict(*zone, false, 105), "wait 7");
  CHECK_EQ(evict(*zone, false, 112), key_of(2) + "+");
  CHECK_EQ(evict(*zone, true, 105), key_of(3) + "+");
  CHECK_EQ(evict(*zone, true, 105), "wait 10");
  CHECK_EQ(evict(*zone, false, 200), "wait 10");  // given more time
  CHECK_EQ(shm_cache_totals(*zone).blocks, 1u);
  shm_cache_leave(*zone, key_of(1), {});
  CHECK_EQ(evict(*zone, false, 210), key_of(1) + "+");
  CHECK_EQ(shm_cache_totals(*zone).entries, 0u);
}

TEST(shm_cache_a_full_zone_says_so_and_a_megabyte_holds_thousands) {
  ShmDictRef zone = zone_of(1 << 20);
  uint32_t n = 0;
  while (shm_cache_learn(*zone, key_of(n), n, 1, 1, 100 + n)) ++n;
  CHECK(n > 6000);
  CHECK(enter(*zone, key_of(n)) == ShmCacheFound::no_memory);
  CHECK(shm_cache_totals(*zone).watermark < n);
  CHECK_EQ(evict(*zone, true, 1), key_of(0) + "+");
  CHECK(enter(*zone, key_of(n)) == ShmCacheFound::fresh);
  CHECK(shm_dict_verify(*zone));
  CHECK(shm_cache_totals(*zone).is_cold);
  shm_cache_set_loaded(*zone);
  CHECK(!shm_cache_totals(*zone).is_cold);
}
