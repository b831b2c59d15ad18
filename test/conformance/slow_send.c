// SPDX-License-Identifier: MIT
// Preloaded into the server in place of mockeagain.so where a test file sets MOCKEAGAIN_WRITE_TIMEOUT_PATTERN: what that library
// does to poll(), done to edge-triggered epoll. A socket takes one byte between two epoll_wait calls; one that has taken the
// pattern takes nothing more. Only stream sockets watched with EPOLLET are meant, which are the workers'.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kMaxFd = 1024 };

static struct {
  int epoll_fd;      // it is watched by; 0 = not at all
  uint64_t data;     // of its events
  unsigned matched;  // bytes of the pattern that its output ends with
  char is_spent;     // has had its byte
  char is_blocked;   // was told EAGAIN, and waits for EPOLLOUT
  char is_stuck;     // has had the pattern
} fds[kMaxFd];

static long (*real_syscall)(long, ...);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static int (*real_epoll_ctl)(int, int, int, struct epoll_event *);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_close)(int);
static const char *pattern;

__attribute__((constructor)) static void find_real(void) {
  real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  real_send = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
  real_sendmsg = (ssize_t(*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
  real_epoll_ctl = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
  real_epoll_wait = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
  real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
  pattern = getenv("MOCKEAGAIN_WRITE_TIMEOUT_PATTERN");
}

static int is_slow(int fd) { return pattern && fd >= 0 && fd < kMaxFd && fds[fd].epoll_fd; }

static ssize_t send_byte(int fd, const char *byte, int flags) {
  if (fds[fd].is_spent || fds[fd].is_stuck) {
    fds[fd].is_blocked = 1;
    errno = EAGAIN;
    return -1;
  }
  ssize_t n = real_send(fd, byte, 1, flags);
  if (n != 1) return n;
  fds[fd].is_spent = 1;
  if (*byte != pattern[fds[fd].matched]) fds[fd].matched = 0;
  if (*byte == pattern[fds[fd].matched] && !pattern[++fds[fd].matched]) fds[fd].is_stuck = 1;
  return n;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  return is_slow(fd) && size ? send_byte(fd, data, flags) : real_send(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) {
  if (is_slow(fd))
    for (size_t i = 0; i < msg->msg_iovlen; ++i)
      if (msg->msg_iov[i].iov_len) return send_byte(fd, msg->msg_iov[i].iov_base, flags);
  return real_sendmsg(fd, msg, flags);
}

long syscall(long number, ...) {
  long a[6];
  va_list args;
  va_start(args, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(args, long);
  va_end(args);
  if (number == SYS_sendto && is_slow((int)a[0])) return send((int)a[0], (const void *)a[1], (size_t)a[2], (int)a[3]);
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int is_stream(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event) {
  unsigned watched = EPOLLET | EPOLLOUT;
  if (fd >= 0 && fd < kMaxFd && op != EPOLL_CTL_DEL && (event->events & watched) == watched && is_stream(fd)) {
    fds[fd].epoll_fd = epoll_fd;
    fds[fd].data = event->data.u64;
  }
  return real_epoll_ctl(epoll_fd, op, fd, event);
}

// Adds EPOLLOUT of `fd` to what epoll_wait gives; returns the new count.
static int add_writable(int fd, struct epoll_event *events, int n, int max) {
  for (int i = 0; i < n; ++i)
    if (events[i].data.u64 == fds[fd].data) {
      events[i].events |= EPOLLOUT;
      fds[fd].is_blocked = 0;
      return n;
    }
  if (n >= max) return n;
  events[n].events = EPOLLOUT;
  events[n].data.u64 = fds[fd].data;
  fds[fd].is_blocked = 0;
  return n + 1;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout) {
  for (int fd = 0; fd < kMaxFd; ++fd) {
    if (fds[fd].epoll_fd != epoll_fd) continue;
    fds[fd].is_spent = 0;
    if (fds[fd].is_blocked && !fds[fd].is_stuck) timeout = 0;
  }
  int n = real_epoll_wait(epoll_fd, events, max, timeout);
  if (n < 0) return n;
  for (int fd = 0; fd < kMaxFd; ++fd)
    if (fds[fd].epoll_fd == epoll_fd && fds[fd].is_blocked && !fds[fd].is_stuck) n = add_writable(fd, events, n, max);
  return n;
}

int close(int fd) {
  if (fd >= 0 && fd < kMaxFd) __builtin_memset(&fds[fd], 0, sizeof fds[fd]);
  return real_close(fd);
}
