// SPDX-License-Identifier: MIT
// See listener.h.
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace mw {

union Address {
  sockaddr sa;
  sockaddr_in in;
  sockaddr_in6 in6;
  sockaddr_un un;
};

static bool parse_port(const std::string &text, uint16_t &port) {
  if (text.empty() || text.size() > 5) return false;
  unsigned v = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    v = v * 10 + static_cast<unsigned>(c - '0');
  }
  port = htons(static_cast<uint16_t>(v));
  return v <= 65535;
}

static bool parse_address(const std::string &text, Address &a, socklen_t &len) {
  memset(&a, 0, sizeof a);
  if (text.compare(0, 5, "unix:") == 0) {
    if (text.size() - 5 >= sizeof a.un.sun_path) return false;
    a.un.sun_family = AF_UNIX;
    memcpy(a.un.sun_path, text.data() + 5, text.size() - 5);
    len = sizeof a.un;
    return true;
  }
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    a.in6.sin6_family = AF_INET6;
    len = sizeof a.in6;
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &a.in6.sin6_addr) == 1 &&
           parse_port(text.substr(colon + 1), a.in6.sin6_port);
  }
  a.in.sin_family = AF_INET;
  len = sizeof a.in;
  return inet_pton(AF_INET, host.c_str(), &a.in.sin_addr) == 1 && parse_port(text.substr(colon + 1), a.in.sin_port);
}

static int fail(int fd, const std::string &what, int err, std::string &error) {
  error = what + " failed (" + std::to_string(err) + ": " + strerror(err) + ")";
  if (fd >= 0) close(fd);
  return -1;
}

/// A socket file that nobody listens on is a leftover of a process that died: it may be replaced.
static void remove_stale(const Address &a, socklen_t len) {
  struct stat st;
  if (stat(a.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) return;
  int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  if (connect(probe, &a.sa, len) < 0 && errno == ECONNREFUSED) unlink(a.un.sun_path);
  close(probe);
}

int listener_bind(const std::string &address, bool ipv6only, bool reuseport, std::string &error) {
  Address a;
  socklen_t len;
  if (!parse_address(address, a, len)) return fail(-1, "parsing listen address " + address, EINVAL, error);
  int family = a.sa.sa_family;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(-1, "socket() " + address, errno, error);
  int one = 1, only = ipv6only;
  if (family == AF_UNIX) {
    remove_stale(a, len);
  } else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) {
    return fail(fd, "setsockopt(SO_REUSEADDR) " + address, errno, error);
  }
  if (family != AF_UNIX && reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0)
    return fail(fd, "setsockopt(SO_REUSEPORT) " + address, errno, error);
  if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0)
    return fail(fd, "setsockopt(IPV6_V6ONLY) " + address, errno, error);
  if (bind(fd, &a.sa, len) < 0) return fail(fd, "bind() to " + address, errno, error);
  if (family == AF_UNIX) chmod(a.un.sun_path, 0666);
  return fd;
}

bool listener_listen(int fd, const std::string &address, int backlog, std::string &error) {
  if (listen(fd, backlog) == 0) return true;
  fail(-1, "listen() to " + address, errno, error);
  return false;
}

int listener_open(const std::string &address, int backlog, bool ipv6only, bool reuseport, std::string &error) {
  int fd = listener_bind(address, ipv6only, reuseport, error);
  if (fd < 0 || listener_listen(fd, address, backlog, error)) return fd;
  close(fd);
  return -1;
}

std::string listener_name(int fd) {
  Address a;
  socklen_t len = sizeof a;
  memset(&a, 0, sizeof a);
  if (getsockname(fd, &a.sa, &len) < 0) return {};
  char text[INET6_ADDRSTRLEN];
  if (a.sa.sa_family == AF_UNIX) return std::string("unix:") + a.un.sun_path;
  if (a.sa.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(a.in6.sin6_port));
  }
  inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(a.in.sin_port));
}

bool listener_probe(const std::string &address, bool ipv6only, std::string &error) {
  int fd = listener_open(address, 1, ipv6only, false, error);
  if (fd < 0) return false;
  close(fd);
  return true;
}

// --- accepting -------------------------------------------------------------------------------------------------------

static constexpr uint64_t kRetryMs = 500;  // nginx's accept_mutex_delay

static void accept_all(Listener *l) {
  for (;;) {
    if (l->may_accept && !l->may_accept(l)) return l->loop->arm(&l->retry, kRetryMs);
    Address peer;
    socklen_t len = sizeof peer;
    int fd = accept4(l->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) return;
      // Out of descriptors or memory: the backlog waits, an edge will not come again for it.
      bool is_out = errno == EMFILE || errno == ENFILE;
      if (l->log) log_write(*l->log, is_out ? kLogCrit : kLogAlert, errno, nullptr, "accept4() failed");
      l->loop->arm(&l->retry, kRetryMs);
      return;
    }
    int one = 1;
    if (l->tcp_nodelay && peer.sa.sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    l->accepted(l, fd, &peer.sa, peer.sa.sa_family == AF_UNIX ? 0 : len);
  }
}

static void on_ready(IoHandler *h, uint32_t) {
  Listener *l = reinterpret_cast<Listener *>(h);
  // Stopped earlier in this batch: the connection is left to the next generation, whose loop was told of it too.
  if (!l->is_stopped && !l->is_passed_on) accept_all(l);
}

static void on_retry(Timer *t) {
  accept_all(reinterpret_cast<Listener *>(reinterpret_cast<char *>(t) - offsetof(Listener, retry)));
}

bool listener_start(Listener *l) {
  l->io.ready = on_ready;
  l->retry.fire = on_retry;
  l->is_stopped = false;
  return l->loop->watch(l->fd, &l->io, l->is_shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN);
}

void listener_stop(Listener *l) {
  if (!l->is_stopped && !l->is_passed_on) accept_all(l);
  l->is_stopped = true;
  l->loop->disarm(&l->retry);
  l->loop->unwatch(l->fd);
}

}  // namespace mw
