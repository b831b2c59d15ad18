// SPDX-License-Identifier: MIT
// Listening sockets. The server opens them (control thread) and keeps them over reloads; a worker accepts on its own
// SO_REUSEPORT one from its loop.
#pragma once
#include <sys/socket.h>

#include <string>

#include "base/log.h"
#include "loop/loop.h"

namespace mw {

/// Opens a bound, listening, non-blocking socket for "127.0.0.1:80", "[::1]:80", "unix:/path". -1 with `error` in nginx's
/// words: `bind() to 127.0.0.1:80 failed (98: Address already in use)`.
int listener_open(const std::string &address, int backlog, bool ipv6only, bool reuseport, std::string &error);
/// The same without listen(): the kernel sends it no connection yet.
int listener_bind(const std::string &address, bool ipv6only, bool reuseport, std::string &error);
/// listen() on a bound socket, or again with another backlog. False with `error`.
bool listener_listen(int fd, const std::string &address, int backlog, std::string &error);
/// False with `error` when somebody else holds the address. SO_REUSEPORT alone would let two servers of one user share a
/// port without a word, each answering half of the clients.
bool listener_probe(const std::string &address, bool ipv6only, std::string &error);
/// The bound address as text, the kernel's port in place of 0.
std::string listener_name(int fd);

/// A worker's share of a listening socket.
struct Listener {
  IoHandler io;  ///< first: epoll names it
  int fd = -1;
  int32_t index = 0;  ///< into Plan::listens
  bool tcp_nodelay = true;
  bool is_shared = false;     ///< other workers accept from the same socket: the kernel wakes one of them
  bool is_passed_on = false;  ///< the worker drains, and idle connections of it go to another one
  bool is_stopped = true;     ///< an event of the batch in which it was stopped is still to come
  Loop *loop = nullptr;
  Timer retry;  ///< accepting pauses for a while when descriptors run out
  const Log *log = nullptr;
  void *arg = nullptr;
  /// False: not now, accepting pauses for a while. Asked before each; may be null.
  bool (*may_accept)(Listener *) = nullptr;
  void (*accepted)(Listener *, int fd, const sockaddr *peer, socklen_t len) = nullptr;
};

/// Begins accepting on the worker's loop. False with errno.
bool listener_start(Listener *l);
/// Stops; the socket stays open. What waits in it is accepted first where it is not passed on: nobody comes for it later.
void listener_stop(Listener *l);

}  // namespace mw
