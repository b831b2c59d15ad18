// SPDX-License-Identifier: MIT
// See datagram.h.
#include "net/datagram.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <new>

namespace mw {

static void on_events(IoHandler *h, uint32_t) {
  Datagram *d = reinterpret_cast<Datagram *>(h);
  if (d->fd >= 0) d->readable(d);
}

static Datagram *refuse(int fd, const char *call, const char *&failed_call) {
  int err = errno;
  if (fd >= 0) close(fd);
  failed_call = call;
  errno = err;
  return nullptr;
}

Datagram *datagram_open(NetCore *net, const PeerAddress &peer, const PeerAddress *local, void (*readable)(Datagram *),
                        void *owner, const char *&failed_call) {
  int fd = socket(peer.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return refuse(fd, "socket", failed_call);
  sockaddr_un nameless{};
  nameless.sun_family = AF_UNIX;  // the family alone: the kernel makes an address up
  if (peer.sa.sa_family == AF_UNIX) {
    if (bind(fd, reinterpret_cast<sockaddr *>(&nameless), sizeof nameless.sun_family) < 0)
      return refuse(fd, "bind", failed_call);
  } else if (local && bind(fd, &local->sa, local->len) < 0) {
    return refuse(fd, "bind", failed_call);
  }
  if (connect(fd, &peer.sa, peer.len) < 0) return refuse(fd, "connect", failed_call);
  Datagram *d = new (std::nothrow) Datagram();
  if (!d) abort();
  d->io.ready = on_events;
  d->net = net;
  d->readable = readable;
  d->owner = owner;
  d->fd = fd;
  d->peer = peer;
  if (net->loop->watch(fd, &d->io, EPOLLIN)) return d;
  int err = errno;
  delete d;
  errno = err;
  return refuse(fd, "epoll_ctl", failed_call);
}

void datagram_close(Datagram *d) {
  close(d->fd);
  d->fd = -1;
  if (d->net->is_ending) {
    delete d;
    return;
  }
  d->free_task.run = [](Task *t) {
    delete reinterpret_cast<Datagram *>(reinterpret_cast<char *>(t) - offsetof(Datagram, free_task));
  };
  d->net->loop->defer(&d->free_task);
}

ssize_t datagram_send(Datagram *d, const char *data, size_t n) {
  ssize_t sent;
  do sent = send(d->fd, data, n, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

ssize_t datagram_recv(Datagram *d, char *to, size_t n) {
  ssize_t got;
  do got = recv(d->fd, to, n, 0);
  while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace mw
