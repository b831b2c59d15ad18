// SPDX-License-Identifier: MIT
// See outgoing.h.
#include "net/outgoing.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <new>

namespace mw {

static ssize_t plain_recv(Outgoing *o, char *to, size_t n) { return socket_recv(o->fd, to, n); }
static ssize_t plain_send(Outgoing *o, Chain &out) { return socket_send(o->fd, out); }

static ssize_t plain_write(Outgoing *o, const char *data, size_t n) {
  ssize_t sent;
  do sent = send(o->fd, data, n, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

const OutgoingTransport outgoing_plain = {plain_recv, plain_send, plain_write};

// --- events ----------------------------------------------------------------------------------------------------------

static void end_connect(Outgoing *o, uint32_t events) {
  int err = 0;
  socklen_t len = sizeof err;
  if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) err = errno;
  if (err == 0 && !(events & EPOLLOUT)) return;
  o->is_connecting = false;
  outgoing_read_timeout(o, 0);
  o->events->connected(o, err);
}

static void on_events(IoHandler *h, uint32_t events) {
  Outgoing *o = reinterpret_cast<Outgoing *>(h);
  if (o->is_closed) return;
  if (o->is_connecting) {
    if (events & (EPOLLIN | EPOLLRDHUP)) o->may_read = true;  // the same event may bring the first bytes
    if (events & (EPOLLRDHUP | EPOLLHUP)) o->peer_closed = true;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) end_connect(o, events);
    return;
  }
  if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) o->peer_closed = true;
  if (o->is_blocked && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
    o->is_blocked = false;
    o->events->writable(o);
    if (o->is_closed) return;
  }
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
    o->may_read = true;
    o->events->readable(o);
  }
}

static Outgoing *of_timer(Timer *t, size_t offset) {
  return reinterpret_cast<Outgoing *>(reinterpret_cast<char *>(t) - offset);
}
static void on_read_timer(Timer *t) {
  Outgoing *o = of_timer(t, offsetof(Outgoing, read_timer));
  o->events->read_timeout(o);
}
static void on_write_timer(Timer *t) {
  Outgoing *o = of_timer(t, offsetof(Outgoing, write_timer));
  o->events->write_timeout(o);
}

// --- life ------------------------------------------------------------------------------------------------------------

static Outgoing *create(NetCore *net, int fd, const PeerAddress &peer) {
  void *space = malloc(sizeof(Outgoing));
  if (!space) abort();
  Outgoing *o = new (space) Outgoing();
  o->io.ready = on_events;
  o->net = net;
  o->transport = &outgoing_plain;
  o->fd = fd;
  o->peer = peer;
  o->read_timer.fire = on_read_timer;
  o->write_timer.fire = on_write_timer;
  o->opened_ms = net->loop->now_ms();
  o->list_next = net->outgoings;
  if (net->outgoings) net->outgoings->list_prev = o;
  net->outgoings = o;
  ++net->outgoing_count;
  return o;
}

static Outgoing *refuse(int fd, const char *call, const char *&failed_call) {
  int err = errno;
  if (fd >= 0) close(fd);
  failed_call = call;
  errno = err;
  return nullptr;
}

/// The kernel asks for CAP_NET_RAW or CAP_NET_ADMIN.
static bool set_transparent(int fd, sa_family_t family) {
  int on = 1;
  if (family == AF_INET6) return setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0;
  return family != AF_INET || setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0;
}

Outgoing *outgoing_open(NetCore *net, const PeerAddress &peer, const PeerAddress *local, const OutgoingEvents *events,
                        void *owner, const char *&failed_call, bool is_transparent) {
  int fd = socket(peer.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return refuse(fd, "socket", failed_call);
  if (local && local->len) {
    int on = 1;  // the kernel may give one local port to several destinations
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (is_transparent && !set_transparent(fd, local->sa.sa_family)) return refuse(fd, "setsockopt", failed_call);
    if (bind(fd, &local->sa, local->len) < 0) return refuse(fd, "bind", failed_call);
  }
  if (peer.sa.sa_family != AF_UNIX) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  int rc = connect(fd, &peer.sa, peer.len);
  if (rc < 0 && errno != EINPROGRESS && errno != EINTR) return refuse(fd, "connect", failed_call);
  Outgoing *o = create(net, fd, peer);
  o->events = events;
  o->owner = owner;
  o->is_connecting = rc < 0;
  if (!net->loop->watch(fd, &o->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP)) {
    int err = errno;
    outgoing_close(o);
    failed_call = "epoll_ctl";
    errno = err;
    return nullptr;
  }
  return o;
}

static void on_free(Task *t) {
  Outgoing *o = reinterpret_cast<Outgoing *>(reinterpret_cast<char *>(t) - offsetof(Outgoing, free_task));
  free(o);
}

void outgoing_close(Outgoing *o) {
  if (o->is_closed) return;
  o->is_closed = true;
  NetCore *net = o->net;
  if (o->list_prev)
    o->list_prev->list_next = o->list_next;
  else
    net->outgoings = o->list_next;
  if (o->list_next) o->list_next->list_prev = o->list_prev;
  --net->outgoing_count;
  net->loop->disarm(&o->read_timer);
  net->loop->disarm(&o->write_timer);
  close(o->fd);
  o->fd = -1;
  if (net->is_ending) return free(o);
  o->free_task.run = on_free;
  net->loop->defer(&o->free_task);
}

void outgoing_close_all(NetCore *net) {
  while (net->outgoings) outgoing_close(net->outgoings);  // NOLINT(clang-analyzer-unix.Malloc): each takes itself out
}

// --- bytes -----------------------------------------------------------------------------------------------------------

ssize_t outgoing_recv(Outgoing *o, char *to, size_t n) {
  ssize_t got = o->transport->recv(o, to, n);
  if (got < 0) {
    if (errno == EAGAIN) o->may_read = false;
    return got;
  }
  o->bytes_in += static_cast<uint64_t>(got);
  // A short read emptied the socket; with the peer's end announced, the end of stream is still to be read.
  if (static_cast<size_t>(got) < n && !o->peer_closed) o->may_read = false;
  return got;
}

bool outgoing_send(Outgoing *o, Chain &chain) {
  while (!chain.is_empty()) {
    ssize_t n = o->transport->send(o, chain);
    if (n < 0) {
      if (errno != EAGAIN) return false;
      o->is_blocked = true;
      return true;
    }
    o->bytes_out += static_cast<uint64_t>(n);
    chain.consume(o->net->blocks, static_cast<uint64_t>(n));
  }
  return true;
}

ssize_t outgoing_write(Outgoing *o, const char *data, size_t n) {
  size_t done = 0;
  while (done < n) {
    ssize_t sent = o->transport->write(o, data + done, n - done);
    if (sent < 0) {
      if (errno != EAGAIN) return -1;
      o->is_blocked = true;
      break;
    }
    done += static_cast<size_t>(sent);
  }
  o->bytes_out += done;
  return static_cast<ssize_t>(done);
}

bool outgoing_is_clean(Outgoing *o) {
  if (o->is_closed || o->peer_closed) return false;
  char byte;
  ssize_t n = recv(o->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && errno == EAGAIN;
}

// --- time ------------------------------------------------------------------------------------------------------------

static void set_timer(Outgoing *o, Timer *t, uint64_t ms) {
  if (ms == 0) return o->net->loop->disarm(t);
  o->net->loop->arm(t, ms);
}
void outgoing_read_timeout(Outgoing *o, uint64_t ms) { set_timer(o, &o->read_timer, ms); }
void outgoing_write_timeout(Outgoing *o, uint64_t ms) { set_timer(o, &o->write_timer, ms); }

}  // namespace mw
