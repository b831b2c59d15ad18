// SPDX-License-Identifier: MIT
// See cache_manager.h.
#include "http/cache_manager.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "http/cache.h"

namespace mw {

static constexpr uint64_t kMostWaitMs = 10000;
static constexpr int kMostDepth = 4;  ///< folders of three levels, and the files in them

static uint64_t monotonic_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
}

static uint32_t wall_s() { return static_cast<uint32_t>(time(nullptr)); }

static uint32_t inactive_of(const CachePath &conf) {
  return static_cast<uint32_t>(std::min<uint64_t>(conf.inactive, INT32_MAX));
}

// --- the manager -----------------------------------------------------------------------------------------------------

/// One file less. False: none can go, for `wait_ms`.
static bool remove_one(const CacheZone &cache, bool forced, const Log &log, uint64_t &wait_ms) {
  unsigned char key[kCacheKeySize];
  bool has_file = false;
  uint32_t wait_s = 0;
  if (!shm_cache_evict(*cache.zone, forced, wall_s(), inactive_of(*cache.conf), key, has_file, wait_s)) {
    wait_ms = wait_s * 1000ull;
    return false;
  }
  if (has_file) cache_unlink(*cache.conf, key, log);
  return true;
}

/// Bytes that the folder's file system has left; all there could be where it does not say.
static uint64_t free_bytes(const CacheZone &cache, const Log &log) {
  struct statvfs fs;
  if (statvfs(cache.conf->path.c_str(), &fs) == 0) return static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  log_write(log, kLogCrit, errno, nullptr, "statvfs() \"%s\" failed", cache.conf->path.c_str());
  return UINT64_MAX;
}

static bool is_too_large(const CacheZone &cache, const Log &log) {
  ShmCacheTotals t = shm_cache_totals(*cache.zone);
  log_write(log, kLogDebug, 0, nullptr, "http file cache size: %llu c:%llu w:%llu",
            static_cast<unsigned long long>(t.blocks), static_cast<unsigned long long>(t.entries),
            static_cast<unsigned long long>(t.watermark));
  const CachePath &conf = *cache.conf;
  if (conf.max_size && t.blocks >= std::max<uint64_t>(conf.max_size / kCacheBlock, 1)) return true;
  if (t.watermark && t.entries >= t.watermark) return true;
  return conf.min_free && t.blocks && free_bytes(cache, log) <= conf.min_free;
}

uint64_t cache_manage(const CacheZone &cache, const Log &log) {
  const CachePath &conf = *cache.conf;
  uint64_t start = monotonic_ms(), files = 0, wait_ms = kMostWaitMs;
  auto is_enough = [&] { return ++files >= conf.manager_files || monotonic_ms() - start >= conf.manager_threshold; };
  while (remove_one(cache, false, log, wait_ms))
    if (is_enough()) return conf.manager_sleep;
  while (is_too_large(cache, log)) {
    uint64_t blocked_ms = 0;
    if (!remove_one(cache, true, log, blocked_ms)) return std::min(wait_ms, blocked_ms);
    if (is_enough()) return conf.manager_sleep;
  }
  return std::clamp<uint64_t>(wait_ms, 1, kMostWaitMs);
}

// --- the loader ------------------------------------------------------------------------------------------------------

namespace {

struct Loader {
  const CacheZone &cache;
  const Log &log;
  const std::atomic<bool> &is_ending;
  uint64_t files = 0;
  uint64_t since_ms = monotonic_ms();

  void folder(const std::string &path, int depth);
  void file(const std::string &path, Str name, const struct stat &st);
  void rest();
  void remove(const std::string &path);
};

void Loader::remove(const std::string &path) {
  if (unlink(path.c_str()) < 0 && errno != ENOENT)
    log_write(log, kLogCrit, errno, nullptr, "unlink() \"%s\" failed", path.c_str());
}

/// So many files, or so much time: others get the disk now.
void Loader::rest() {
  const CachePath &conf = *cache.conf;
  if (++files < conf.loader_files && monotonic_ms() - since_ms < conf.loader_threshold) return;
  timespec pause = {static_cast<time_t>(conf.loader_sleep / 1000),
                    static_cast<long>(conf.loader_sleep % 1000) * 1000000};
  nanosleep(&pause, nullptr);
  files = 0;
  since_ms = monotonic_ms();
}

void Loader::file(const std::string &path, Str name, const struct stat &st) {
  const CachePath &conf = *cache.conf;
  if (cache_file_is_temporary(name)) {
    if (st.st_mtime + static_cast<time_t>(inactive_of(conf)) < time(nullptr)) remove(path);
    return;
  }
  unsigned char key[kCacheKeySize];
  const auto &l = conf.levels;
  bool is_ours = cache_file_key(name, key) && cache_file_path(conf.path, {l[0], l[1], l[2]}, key) == path;
  if (!is_ours) return remove(path);
  if (static_cast<size_t>(st.st_size) < cache_file_prefix("")) {
    log_write(log, kLogCrit, 0, nullptr, "cache file \"%s\" is too small", path.c_str());
    return remove(path);
  }
  uint32_t blocks = static_cast<uint32_t>((static_cast<uint64_t>(st.st_size) + kCacheBlock - 1) / kCacheBlock);
  Str id(reinterpret_cast<const char *>(key), sizeof key);
  if (!shm_cache_learn(*cache.zone, id, st.st_ino, blocks, 0, wall_s() + inactive_of(conf))) remove(path);
}

void Loader::folder(const std::string &path, int depth) {
  DIR *dir = opendir(path.c_str());
  if (!dir) {
    if (errno != ENOENT) log_write(log, kLogCrit, errno, nullptr, "opendir() \"%s\" failed", path.c_str());
    return;
  }
  while (!is_ending.load(std::memory_order_relaxed)) {
    errno = 0;
    const dirent *entry = readdir(dir);
    if (!entry) {
      if (errno) log_write(log, kLogCrit, errno, nullptr, "readdir() \"%s\" failed", path.c_str());
      break;
    }
    Str name(entry->d_name);
    if (name == "." || name == "..") continue;
    std::string inner = path + "/" + entry->d_name;
    struct stat st;
    if (lstat(inner.c_str(), &st) < 0) {
      if (errno != ENOENT) log_write(log, kLogCrit, errno, nullptr, "lstat() \"%s\" failed", inner.c_str());
      continue;
    }
    if (S_ISDIR(st.st_mode)) {
      if (depth < kMostDepth) folder(inner, depth + 1);
    } else if (S_ISREG(st.st_mode)) {
      file(inner, name, st);
      rest();
    }
  }
  closedir(dir);
}

}  // namespace

void cache_load(const CacheZone &cache, const Log &log, const std::atomic<bool> &is_ending) {
  Loader loader{cache, log, is_ending};
  loader.folder(cache.conf->path, 1);
  if (is_ending.load(std::memory_order_relaxed)) return;
  shm_cache_set_loaded(*cache.zone);
  ShmCacheTotals t = shm_cache_totals(*cache.zone);
  log_write(log, kLogNotice, 0, nullptr, "http file cache: %s %.3fM, bsize: %llu", cache.conf->path.c_str(),
            static_cast<double>(t.blocks * kCacheBlock) / (1024 * 1024), static_cast<unsigned long long>(kCacheBlock));
}

}  // namespace mw
