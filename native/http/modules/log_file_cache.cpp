// SPDX-License-Identifier: MIT
// See log_file_cache.h.
#include "http/modules/log_file_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mw {

int log_file_append(const std::string &path) {
  struct stat st;
  bool is_fifo = stat(path.c_str(), &st) == 0 && S_ISFIFO(st.st_mode);
  return ::open(path.c_str(), (is_fifo ? O_RDWR | O_NONBLOCK : O_WRONLY) | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

LogFileCache::~LogFileCache() {
  while (!entries_.empty()) drop_last();
}

void LogFileCache::drop_last() {
  Entry &e = entries_.back();
  if (e.fd >= 0) close(e.fd);
  by_path_.erase(e.path);
  entries_.pop_back();
}

/// A new entry in front; it pushes out what was not used for the longest time.
LogFileCache::Entry &LogFileCache::add(const std::string &path) {
  if (entries_.size() >= conf_.max) drop_last();
  entries_.emplace_front();
  entries_.front().path = path;
  by_path_.emplace(path, entries_.begin());
  return entries_.front();
}

/// Is the entry's descriptor still that of its path?
bool LogFileCache::is_current(Entry &e, uint64_t now_ms) {
  if (e.fd < 0) return false;
  if (now_ms - e.checked_ms <= conf_.valid) return true;
  struct stat st;
  if (stat(e.path.c_str(), &st) < 0 || st.st_dev != e.device || st.st_ino != e.inode) return false;
  e.checked_ms = now_ms;
  return true;
}

int LogFileCache::open(const std::string &path, uint64_t now_ms, bool &is_kept) {
  while (!entries_.empty() && now_ms - entries_.back().used_ms > conf_.inactive) drop_last();
  auto found = by_path_.find(path);
  bool is_known = found != by_path_.end();
  if (is_known) entries_.splice(entries_.begin(), entries_, found->second);
  is_kept = is_known && is_current(entries_.front(), now_ms);
  int fd = is_kept ? entries_.front().fd : log_file_append(path);
  if (fd < 0) return fd;  // what could not be opened pushes nothing out
  Entry &e = is_known ? entries_.front() : add(path);
  ++e.uses;
  e.used_ms = now_ms;
  if (is_kept) return fd;
  if (e.fd >= 0) close(e.fd);
  e.fd = -1;
  struct stat st;
  is_kept = e.uses >= conf_.min_uses && fstat(fd, &st) == 0;
  if (!is_kept) return fd;
  e.fd = fd;
  e.device = st.st_dev;
  e.inode = st.st_ino;
  e.checked_ms = now_ms;
  return fd;
}

}  // namespace mw
