// SPDX-License-Identifier: MIT
// See connection.h.
#include "net/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "net/pace.h"
#include "net/proxy_protocol.h"

namespace mw {

// --- plain transport -------------------------------------------------------------------------------------------------

// The system calls go past libc's wrappers: those are cancellation points, which cost two atomic operations each in a
// process with threads, and nothing here is ever cancelled.
ssize_t socket_recv(int fd, char *to, size_t n) {
  ssize_t got;
  do got = syscall(SYS_recvfrom, fd, to, n, 0, nullptr, nullptr);
  while (got < 0 && errno == EINTR);
  return got;
}

static ssize_t socket_send_file(int fd, const Block *b, uint64_t limit) {
  off_t at = static_cast<off_t>(b->start);
  uint64_t n = std::min({b->size(), limit, uint64_t{0x7fff0000}});
  ssize_t sent;
  do sent = sendfile(fd, b->fd, &at, n);
  while (sent < 0 && errno == EINTR);
  if (sent == 0) {  // the file shrank under us: what was promised cannot be sent
    errno = EIO;
    return -1;
  }
  return sent;
}

ssize_t socket_send(int fd, const Chain &out, uint64_t limit) {
  const Block *first = out.first();
  while (first && first->size() == 0) first = first->next;
  if (!first) return 0;
  if (first->is_file()) return socket_send_file(fd, first, limit);
  ssize_t sent;
  if (!first->next) {
    size_t size = static_cast<size_t>(std::min(first->size(), limit));
    do sent = syscall(SYS_sendto, fd, first->data + first->start, size, MSG_NOSIGNAL, nullptr, 0);
    while (sent < 0 && errno == EINTR);
    return sent;
  }
  constexpr int kMaxIov = 64;
  iovec iov[kMaxIov];
  int n = 0;
  bool file_follows = false;
  for (const Block *b = first; b && n < kMaxIov && limit; b = b->next) {
    if (b->is_file()) {
      file_follows = true;
      break;
    }
    if (!b->size()) continue;
    iov[n].iov_base = const_cast<char *>(b->data) + b->start;
    iov[n].iov_len = static_cast<size_t>(std::min(b->size(), limit));
    limit -= iov[n++].iov_len;
  }
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = static_cast<size_t>(n);
  do sent = sendmsg(fd, &msg, MSG_NOSIGNAL | (file_follows ? MSG_MORE : 0));
  while (sent < 0 && errno == EINTR);
  return sent;
}

static ssize_t plain_recv(Connection *c, char *to, size_t n) { return socket_recv(c->fd, to, n); }
static ssize_t plain_send(Connection *c, Chain &out, uint64_t limit) { return socket_send(c->fd, out, limit); }

const Transport transport_plain = {plain_recv, plain_send};

// --- life ------------------------------------------------------------------------------------------------------------

struct ConnectionSlab {
  ConnectionSlab *next;
  static constexpr int kCount = 64;
  alignas(Connection) char space[kCount * sizeof(Connection)];
};

NetCore::~NetCore() {
  for (ConnectionSlab *s = static_cast<ConnectionSlab *>(slabs); s;) {
    ConnectionSlab *next = s->next;
    free(s);
    s = next;
  }
  free(recv_buf);
}

static Connection *take_free(NetCore *net) {
  if (!net->free_connections) {
    ConnectionSlab *s = static_cast<ConnectionSlab *>(malloc(sizeof(ConnectionSlab)));
    if (!s) return nullptr;
    s->next = static_cast<ConnectionSlab *>(net->slabs);
    net->slabs = s;
    for (int i = ConnectionSlab::kCount - 1; i >= 0; --i) {
      Connection *c = reinterpret_cast<Connection *>(s->space + static_cast<size_t>(i) * sizeof(Connection));
      c->next_free = net->free_connections;
      net->free_connections = c;
    }
  }
  Connection *c = net->free_connections;
  net->free_connections = c->next_free;
  return new (c) Connection();
}

static void on_events(IoHandler *h, uint32_t events) {
  Connection *c = reinterpret_cast<Connection *>(h);
  if (c->is_closed) return;
  if (events & EPOLLRDHUP) c->peer_closed = true;
  if (events & (EPOLLERR | EPOLLHUP)) {
    c->peer_closed = true;
    c->may_read = true;
    return c->protocol->failed(c, 0);
  }
  if ((events & EPOLLOUT) && c->is_blocked) {
    connection_write(c);
    if (c->is_closed) return;
  }
  if (events & (EPOLLIN | EPOLLRDHUP)) {
    c->may_read = true;
    c->protocol->readable(c);
  }
}

static void on_timer(Timer *t) {
  Connection *c = reinterpret_cast<Connection *>(reinterpret_cast<char *>(t) - offsetof(Connection, timer));
  if (c->deadline > c->net->loop->now_ms()) return c->net->loop->arm_at(t, c->deadline);
  if (pace_is_waiting(c)) return c->net->loop->arm(t, 1000);  // not the client's delay
  c->protocol->timeout(c);
}

Connection *connection_open(NetCore *net, int fd, Listener *l, const sockaddr *peer, socklen_t peer_len,
                            const Protocol *protocol) {
  Connection *c = take_free(net);
  if (!c) {
    close(fd);
    return nullptr;
  }
  static std::atomic<uint64_t> serial{0};
  c->io.ready = on_events;
  c->net = net;
  c->transport = &transport_plain;
  c->protocol = protocol;
  c->listener = l;
  c->fd = fd;
  c->timer.fire = on_timer;
  c->start_mono = net->loop->now_ms();
  c->number = serial.fetch_add(1, std::memory_order_relaxed) + 1;
  if (peer_len <= sizeof c->peer.in6) {
    memcpy(&c->peer.in6, peer, peer_len);
    c->peer.len = static_cast<uint8_t>(peer_len);
  }
  if (!net->loop->watch(fd, &c->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP)) {
    log_write(*net->log, kLogAlert, errno, nullptr, "epoll_ctl(1, %d) failed", fd);
    close(fd);
    c->next_free = net->free_connections;
    net->free_connections = c;
    return nullptr;
  }
  c->list_next = net->connections;
  if (net->connections) net->connections->list_prev = c;
  net->connections = c;
  ++net->active;
  ++net->accepted;
  return c;
}

static void release(Connection *c) {
  NetCore *net = c->net;
  delete c->proxied;
  c->proxied = nullptr;
  c->next_free = net->free_connections;
  net->free_connections = c;
}

static void on_free(Task *t) {
  Connection *c = reinterpret_cast<Connection *>(reinterpret_cast<char *>(t) - offsetof(Connection, free_task));
  connection_unref(c);
}

void connection_close(Connection *c) {
  if (c->is_closed) return;
  c->is_closed = true;
  if (c->list_prev)
    c->list_prev->list_next = c->list_next;
  else
    c->net->connections = c->list_next;
  if (c->list_next) c->list_next->list_prev = c->list_prev;
  c->net->loop->disarm(&c->timer);
  pace_free(c);
  c->net->loop->unpost(&c->resume_task);
  connection_drop_input(c);
  c->out.clear(c->net->blocks);
  if (c->fd >= 0) close(c->fd);  // one that was given to another worker has none
  c->fd = -1;
  --c->net->active;
  ++c->refs;  // held by the deferred task until no event of this batch can name it
  c->free_task.run = on_free;
  c->net->loop->defer(&c->free_task);
}

void connection_drop_output(Connection *c) {
  linger no_wait{1, 0};
  if (!c->is_closed && setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait) < 0)
    log_write(*c->net->log, kLogAlert, errno, nullptr, "setsockopt(SO_LINGER) failed");
}

void connection_reset(Connection *c) {
  if (c->is_closed) return;
  connection_drop_output(c);
  connection_close(c);
}

void connection_ref(Connection *c) { ++c->refs; }

void connection_unref(Connection *c) {
  if (--c->refs == 0 && c->is_closed) release(c);
}

// --- input -----------------------------------------------------------------------------------------------------------

ssize_t connection_fill(Connection *c) {
  NetCore *net = c->net;
  size_t kept = c->in_size();
  if (kept && c->in_pos != net->recv_buf) memmove(net->recv_buf, c->in_pos, kept);
  size_t room = net->recv_size - kept;
  ssize_t n = c->transport->recv(c, net->recv_buf + kept, room);
  if (n < 0) {
    if (errno == EAGAIN) c->may_read = false;
    return n;
  }
  if (c->in_block) {
    net->blocks.put(c->in_block);
    c->in_block = nullptr;
  }
  c->in_pos = net->recv_buf;
  c->in_end = net->recv_buf + kept + n;
  // A short read emptied the socket; with EPOLLRDHUP seen, the end of stream is still to be read.
  if (static_cast<size_t>(n) < room && !c->peer_closed) c->may_read = false;
  return n;
}

void connection_keep_input(Connection *c) {
  size_t n = c->in_size();
  if (n == 0) return connection_drop_input(c);
  if (c->in_block) return;
  Block *b = c->net->blocks.get(n);
  memcpy(b->data, c->in_pos, n);
  c->in_block = b;
  c->in_pos = b->data;
  c->in_end = b->data + n;
}

void connection_drop_input(Connection *c) {
  if (c->in_block) c->net->blocks.put(c->in_block);
  c->in_block = nullptr;
  c->in_pos = c->in_end = nullptr;
}

ssize_t connection_read(Connection *c, char *to, size_t n) {
  size_t have = c->in_size();
  if (have) {
    if (have > n) have = n;
    memcpy(to, c->in_pos, have);
    c->in_pos += have;
    if (c->in_pos == c->in_end) connection_drop_input(c);
    return static_cast<ssize_t>(have);
  }
  ssize_t got = c->transport->recv(c, to, n);
  if (got < 0) {
    if (errno == EAGAIN) c->may_read = false;
  } else if (static_cast<size_t>(got) < n && !c->peer_closed) {
    c->may_read = false;
  }
  return got;
}

// --- output ----------------------------------------------------------------------------------------------------------

SendResult connection_send(Connection *c) {
  while (!c->out.is_empty()) {
    uint64_t limit = c->pace ? pace_allowance(c) : UINT64_MAX;
    if (limit == 0) {
      c->is_blocked = true;
      return kSendBlocked;
    }
    ssize_t n = c->transport->send(c, c->out, limit);
    if (n < 0) {
      if (errno == EAGAIN) {
        c->is_blocked = true;
        return kSendBlocked;
      }
      return kSendFailed;
    }
    c->bytes_sent += static_cast<uint64_t>(n);
    c->out.consume(c->net->blocks, static_cast<uint64_t>(n));
    if (c->pace && pace_spend(c, static_cast<uint64_t>(n))) {
      c->is_blocked = true;
      return kSendBlocked;
    }
  }
  c->is_blocked = false;
  return kSendDone;
}

void connection_write(Connection *c) {
  switch (connection_send(c)) {
    case kSendFailed: return c->protocol->failed(c, errno);
    case kSendBlocked: return c->protocol->blocked(c);
    case kSendDone: return c->protocol->drained(c);
  }
}

// --- time ------------------------------------------------------------------------------------------------------------

void connection_set_timeout(Connection *c, uint64_t ms) {
  Loop *loop = c->net->loop;
  c->deadline = loop->now_ms() + ms;
  if (!c->timer.is_armed() || c->timer.deadline > c->deadline) loop->arm_at(&c->timer, c->deadline);
}

void connection_clear_timeout(Connection *c) {
  // Lazy too: most connections arm it again within the same turn. A timer that fires early finds the far deadline.
  c->deadline = UINT64_MAX;
}

// --- names -----------------------------------------------------------------------------------------------------------

size_t client_address_text(const ClientAddress &a, char *buf) {
  const void *addr;
  if (a.len && a.sa.sa_family == AF_INET)
    addr = &a.in.sin_addr;
  else if (a.len && a.sa.sa_family == AF_INET6)
    addr = &a.in6.sin6_addr;
  else
    return static_cast<size_t>(str_put(buf, "unix:") - buf);
  if (!inet_ntop(a.sa.sa_family, addr, buf, 64)) return 0;
  return strlen(buf);
}

uint16_t client_address_port(const ClientAddress &a) {
  if (a.len && a.sa.sa_family == AF_INET) return ntohs(a.in.sin_port);
  if (a.len && a.sa.sa_family == AF_INET6) return ntohs(a.in6.sin6_port);
  return 0;
}

}  // namespace mw
