// SPDX-License-Identifier: MIT
// See resolver_sockets.h.
#include "net/resolver_sockets.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace mw {

static constexpr int kMostEmpty = 16;  ///< datagrams at a time

/// With the options that c-ares gives to sockets of its own.
static ares_socket_t open_socket(int family, int type, int protocol, void *) {
  int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  int on = 1;
  if (fd >= 0 && type == SOCK_STREAM && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) {
    close(fd);
    return ARES_SOCKET_BAD;
  }
  return fd;
}

static int close_socket(ares_socket_t fd, void *) { return close(fd); }

static int connect_socket(ares_socket_t fd, const sockaddr *to, ares_socklen_t size, void *) {
  return connect(fd, to, size);
}

/// c-ares asks for the sender of datagrams alone; of a stream, 0 is the end.
static ares_ssize_t receive(ares_socket_t fd, void *to, size_t size, int flags, sockaddr *from,
                            ares_socklen_t *from_size, void *) {
  ares_socklen_t room = from ? *from_size : 0;
  for (int i = 0; i < kMostEmpty; ++i) {
    if (from) *from_size = room;
    ssize_t n = recvfrom(fd, to, size, flags, from, from_size);
    if (n != 0 || !from) return n;
  }
  errno = EAGAIN;
  return -1;
}

static ares_ssize_t send_parts(ares_socket_t fd, const iovec *parts, int n, void *) {
  msghdr message{};
  message.msg_iov = const_cast<iovec *>(parts);
  message.msg_iovlen = static_cast<size_t>(n);
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

const ares_socket_functions resolver_sockets = {open_socket, close_socket, connect_socket, receive, send_parts};

}  // namespace mw
