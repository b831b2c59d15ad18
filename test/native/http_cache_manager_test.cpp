// SPDX-License-Identifier: MIT
// http/cache_manager on a folder of its own: what the loader learns, what it removes, and what the manager leaves.
#include "http/cache_manager.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "check.h"
#include "http/cache_file.h"

using namespace mw;

namespace {

struct Folder {
  CachePath conf;
  ShmDictRef zone;
  Log log;
  std::atomic<bool> is_ending{false};

  Folder() {
    char path[] = "/tmp/mw-cache-XXXXXX";
    conf.path = mkdtemp(path);
    conf.levels = {1, 2, 0};
    std::string error;
    zone = shm_dict_create("z", 1 << 20, error);
  }
  ~Folder() { std::filesystem::remove_all(conf.path); }
  CacheZone cache() { return {&conf, zone.get()}; }
  std::string put(uint32_t n, size_t bytes) {
    unsigned char key[kCacheKeySize] = {};
    key[0] = static_cast<unsigned char>(n);
    key[15] = static_cast<unsigned char>(n * 7);
    return write(cache_file_path(conf.path, {1, 2, 0}, key), bytes);
  }
  static std::string write(const std::string &path, size_t bytes) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    FILE *f = fopen(path.c_str(), "w");
    for (size_t i = 0; i < bytes; ++i) fputc('x', f);
    fclose(f);
    return path;
  }
};

bool is_there(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace

TEST(http_cache_manager_loads_what_is_its_own) {
  Folder f;
  std::string good = f.put(1, 5000), other = f.put(2, 9000), small = f.put(3, 10);
  std::string foreign = Folder::write(f.conf.path + "/notes.txt", 100);
  std::string elsewhere = Folder::write(f.conf.path + "/0/" + good.substr(good.rfind('/') + 1), 5000);
  std::string fresh = Folder::write(good + ".0123456789", 100);
  std::string old = Folder::write(other + ".0123456789", 100);
  timespec times[2] = {{0, 0}, {0, 0}};
  CHECK_EQ(utimensat(AT_FDCWD, old.c_str(), times, 0), 0);
  cache_load(f.cache(), f.log, f.is_ending);
  for (const std::string &path : {good, other, fresh}) CHECK(is_there(path));
  for (const std::string &path : {small, foreign, elsewhere, old}) CHECK(!is_there(path));
  ShmCacheTotals t = shm_cache_totals(*f.zone);
  CHECK_EQ(t.entries, 2u);
  CHECK_EQ(t.blocks, 5u);
  CHECK(!t.is_cold);
}

TEST(http_cache_manager_keeps_the_bounds) {
  Folder f;
  std::string paths[4];
  for (uint32_t i = 0; i < 4; ++i) paths[i] = f.put(i + 1, 4096);
  cache_load(f.cache(), f.log, f.is_ending);
  f.conf.max_size = 3 * 4096;
  CHECK(cache_manage(f.cache(), f.log) > 0);
  CHECK_EQ(shm_cache_totals(*f.zone).entries, 2u);
  int left = 0;
  for (const std::string &path : paths) left += is_there(path);
  CHECK_EQ(left, 2);
  f.conf.max_size = 4096;
  f.conf.manager_files = 1;
  CHECK_EQ(cache_manage(f.cache(), f.log), f.conf.manager_sleep);  // one, and then it rests
  CHECK_EQ(shm_cache_totals(*f.zone).entries, 1u);
}

TEST(http_cache_manager_is_cut_short) {
  Folder f;
  std::string path = f.put(1, 5000);
  f.is_ending = true;
  cache_load(f.cache(), f.log, f.is_ending);
  CHECK(shm_cache_totals(*f.zone).is_cold);
  f.conf.path += "/missing";
  f.is_ending = false;
  cache_load(f.cache(), f.log, f.is_ending);  // nothing there is nothing wrong
  CHECK(!shm_cache_totals(*f.zone).is_cold);
}
