// SPDX-License-Identifier: MIT
// open_log_file_cache: descriptors of log files whose names are computed, kept open between lines by what one such directive
// says. Each worker has its own.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "config_modules.h"

namespace mw {

/// Opens a file to append to it, and makes it where it is not there. -1 with errno. A FIFO is opened for both ways: to write
/// alone waits for a reader.
int log_file_append(const std::string &path);

class LogFileCache {
 public:
  explicit LogFileCache(const LogCacheConf &conf) : conf_(conf) {}
  ~LogFileCache();
  LogFileCache(const LogFileCache &) = delete;
  LogFileCache &operator=(const LogFileCache &) = delete;
  /// A descriptor to append to `path`, -1 with errno. It is the caller's to close, unless `is_kept`.
  int open(const std::string &path, uint64_t now_ms, bool &is_kept);

 private:
  struct Entry {
    std::string path;
    int fd = -1;
    dev_t device = 0;
    ino_t inode = 0;
    uint32_t uses = 0;
    uint64_t used_ms = 0;     ///< latest
    uint64_t checked_ms = 0;  ///< that `path` still names the file
  };
  using Entries = std::list<Entry>;

  Entry &add(const std::string &path);
  bool is_current(Entry &e, uint64_t now_ms);
  void drop_last();

  const LogCacheConf conf_;
  Entries entries_;  ///< the latest used first
  std::unordered_map<std::string, Entries::iterator> by_path_;
};

}  // namespace mw
