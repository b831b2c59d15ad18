// SPDX-License-Identifier: MIT
// See dav_tree.h.
#include "http/modules/dav_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

namespace mw {

static bool fail(DavFailure &failure, const char *what, const std::string &path) {
  failure = {what, path, errno};
  return false;
}

/// The names in a folder, read at once: what is done to them may change it.
static bool read_names(const std::string &dir, std::vector<std::string> &names, DavFailure &failure) {
  DIR *d = opendir(dir.c_str());
  if (!d) return fail(failure, "opendir()", dir);
  for (;;) {
    errno = 0;
    const dirent *entry = readdir(d);
    if (!entry) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  int err = errno;
  closedir(d);
  if (err == 0) return true;
  errno = err;
  return fail(failure, "readdir()", dir);
}

static std::string below(const std::string &dir, const std::string &name) {
  std::string path = dir;
  return path.append("/").append(name);
}

bool dav_remove(const std::string &path, bool is_dir, DavFailure &failure) {
  if (!is_dir) return unlink(path.c_str()) == 0 || fail(failure, "unlink()", path);
  std::vector<std::string> names;
  if (!read_names(path, names, failure)) return false;
  for (const std::string &name : names) {
    std::string inner = below(path, name);
    struct stat st;
    if (lstat(inner.c_str(), &st) < 0) return fail(failure, "lstat()", inner);
    if (!dav_remove(inner, S_ISDIR(st.st_mode), failure)) return false;
  }
  return rmdir(path.c_str()) == 0 || fail(failure, "rmdir()", path);
}

static bool write_all(int fd, const char *data, size_t n) {
  while (n > 0) {
    ssize_t done = write(fd, data, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    data += done;
    n -= static_cast<size_t>(done);
  }
  return true;
}

static bool copy_bytes(int from, int to) {
  std::vector<char> room(65536);
  for (;;) {
    ssize_t n = read(from, room.data(), room.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0;
    if (!write_all(to, room.data(), static_cast<size_t>(n))) return false;
  }
}

static bool set_time(int fd, time_t seconds) {
  timespec times[2] = {{0, UTIME_NOW}, {seconds, 0}};
  return futimens(fd, times) == 0;
}

bool dav_copy_file(const std::string &from, const std::string &to, DavFailure &failure) {
  int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) return fail(failure, "open()", from);
  struct stat st;
  if (fstat(in, &st) < 0) {
    fail(failure, "fstat()", from);
    close(in);
    return false;
  }
  int out = open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
  bool is_good = out >= 0 || fail(failure, "open()", to);
  is_good = is_good && (copy_bytes(in, out) || fail(failure, "write()", to));
  is_good = is_good && (set_time(out, st.st_mtime) || fail(failure, "futimens()", to));
  close(in);
  if (out >= 0 && close(out) < 0 && is_good) is_good = fail(failure, "close()", to);
  return is_good;
}

bool dav_copy_tree(const std::string &from, const std::string &to, DavFailure &failure) {
  struct stat st;
  if (stat(from.c_str(), &st) < 0) return fail(failure, "stat()", from);
  if (mkdir(to.c_str(), st.st_mode & 0777) < 0) return fail(failure, "mkdir()", to);
  std::vector<std::string> names;
  if (!read_names(from, names, failure)) return false;
  for (const std::string &name : names) {
    std::string source = below(from, name), copy = below(to, name);
    struct stat inner;
    if (lstat(source.c_str(), &inner) < 0) return fail(failure, "lstat()", source);
    if (S_ISDIR(inner.st_mode) && !dav_copy_tree(source, copy, failure)) return false;
    if (S_ISREG(inner.st_mode) && !dav_copy_file(source, copy, failure)) return false;
  }
  timespec times[2] = {{0, UTIME_NOW}, {st.st_mtime, 0}};
  return utimensat(AT_FDCWD, to.c_str(), times, 0) == 0 || fail(failure, "utimensat()", to);
}

/// The real path, also of what is not there yet in a folder that is; empty when there is none. A link at the end stays itself.
static std::string real_path(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  size_t slash = path.rfind('/');
  std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::unique_ptr<char, decltype(&free)> real(realpath(dir.c_str(), nullptr), &free);
  return real ? below(real.get(), path.substr(slash + 1)) : std::string();
}

bool dav_overlaps(const std::string &from, const std::string &to) {
  struct stat a, b;
  if (stat(from.c_str(), &a) == 0 && stat(to.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
    return true;
  std::string source = real_path(from), target = real_path(to);
  return !source.empty() && !target.empty() &&
         ((target + "/").starts_with(source + "/") || (source + "/").starts_with(target + "/"));
}

static bool make_path(const std::string &file, mode_t access, DavFailure &failure) {
  for (size_t slash = file.find('/', 1); slash != std::string::npos; slash = file.find('/', slash + 1)) {
    std::string dir = file.substr(0, slash);
    if (mkdir(dir.c_str(), dav_dir_access(access)) < 0 && errno != EEXIST) return fail(failure, "mkdir()", dir);
  }
  return true;
}

/// To another file system: a copy beside the target, which then takes its place at once.
static bool move_over(const std::string &from, const std::string &to, DavFailure &failure) {
  std::string beside = to + ".XXXXXX";
  int fd = mkstemp(beside.data());
  if (fd < 0) return fail(failure, "mkstemp()", beside);
  close(fd);
  struct stat st;
  bool is_good = stat(from.c_str(), &st) == 0 || fail(failure, "stat()", from);
  is_good = is_good && dav_copy_file(from, beside, failure);
  is_good = is_good && (chmod(beside.c_str(), st.st_mode & 0777) == 0 || fail(failure, "chmod()", beside));
  is_good = is_good && (rename(beside.c_str(), to.c_str()) == 0 || fail(failure, "rename()", to));
  if (!is_good) {
    unlink(beside.c_str());
    return false;
  }
  return unlink(from.c_str()) == 0 || fail(failure, "unlink()", from);
}

bool dav_move_file(const std::string &from, const std::string &to, bool makes_path, mode_t access,
                   DavFailure &failure) {
  if (rename(from.c_str(), to.c_str()) == 0) return true;
  if (errno == ENOENT && makes_path) {
    if (!make_path(to, access, failure)) return false;
    if (rename(from.c_str(), to.c_str()) == 0) return true;
  }
  if (errno == EXDEV) return move_over(from, to, failure);
  return fail(failure, "rename()", from + "\" to \"" + to);
}

}  // namespace mw
