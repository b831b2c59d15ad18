// SPDX-License-Identifier: MIT
// What the glibc that the package's binaries are linked for (scripts/floor.mjs: 2.28) lacks and a newer one's headers, or the
// static libstdc++, ask for. Hidden, for the addon alone; empty in a build for this machine's own glibc. Any thread.
#ifdef MW_GLIBC_FLOOR
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

extern "C" {

// Functions since 2.33; before, macros around __xstat with a version number of each architecture. Kernel and C library agree
// on struct stat on 64-bit machines.
int stat(const char *path, struct stat *out) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, out, 0));
}

int lstat(const char *path, struct stat *out) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW));
}

int fstat(int fd, struct stat *out) noexcept { return static_cast<int>(syscall(SYS_fstat, fd, out)); }

int fstatat(int dir, const char *path, struct stat *out, int flags) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, dir, path, out, flags));
}

// Since 2.32. libstdc++ leaves atomic operations out while it is true; in node's process there are always threads.
extern char __libc_single_threaded;  // NOLINT(bugprone-reserved-identifier)
char __libc_single_threaded = 0;     // NOLINT(bugprone-reserved-identifier)

// Since 2.36; std::random_device asks for it. It cannot fail, as the C library's.
std::uint32_t arc4random() noexcept {
  std::uint32_t value = 0;
  if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) std::abort();
  return value;
}

}  // extern "C"
#endif
