// SPDX-License-Identifier: MIT
// A client connection without its protocol: the descriptor, unread input, the output chain and one timer. A worker's
// thread owns it; it is freed when it is closed and nobody holds a reference. An idle one holds no buffer.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "base/chain.h"
#include "base/log.h"
#include "loop/loop.h"

namespace mw {

struct Connection;
struct Listener;
struct Outgoing;
struct Pace;
struct ProxyHeader;

/// What moves bytes: plain sockets now, TLS later, behind one table. Both return >= 0, or -1 with errno.
struct Transport {
  ssize_t (*recv)(Connection *, char *, size_t);
  /// Sends from the front of the chain what one call takes, `limit` bytes at most; returns bytes taken.
  ssize_t (*send)(Connection *, Chain &, uint64_t limit);
};
extern const Transport transport_plain;

/// The protocol on a connection.
struct Protocol {
  void (*readable)(Connection *);         ///< bytes or end of stream may be had
  void (*drained)(Connection *);          ///< output that could not be sent at once is out now
  void (*blocked)(Connection *);          ///< more of it is out, but not all
  void (*failed)(Connection *, int err);  ///< a send error, or reset by the peer (err 0); the protocol closes
  void (*timeout)(Connection *);          ///< its timer fired
};

/// What all connections of a worker share.
struct NetCore {
  Loop *loop = nullptr;
  Log *log = nullptr;
  BlockPool blocks;
  char *recv_buf = nullptr;  ///< one for all: input is parsed here, and only leftovers are kept per connection
  static constexpr size_t kRecvSize = 65536;
  size_t recv_size = kRecvSize;  ///< of recv_buf; more than the largest head
  Connection *free_connections = nullptr;
  Connection *connections = nullptr;  ///< all open ones
  Outgoing *outgoings = nullptr;      ///< all open ones, see outgoing.h
  bool is_ending = false;             ///< the loop runs no more: what is closed is freed at once
  uint64_t active = 0, accepted = 0;
  uint64_t outgoing_count = 0;
  void *slabs = nullptr;
  ~NetCore();
};

/// Who a client is. A unix socket's has no name: len is 0.
struct ClientAddress {
  union {
    sockaddr sa;
    sockaddr_in in;
    sockaddr_in6 in6{};
  };
  uint8_t len = 0;
};

/// The address as text without port into `buf` (>= 64 bytes); "unix:" without one.
size_t client_address_text(const ClientAddress &a, char *buf);
uint16_t client_address_port(const ClientAddress &a);

struct Connection {
  IoHandler io;  ///< first: epoll names it
  NetCore *net;
  const Transport *transport;
  const Protocol *protocol;
  void *user;  ///< the protocol's: the running request, null when idle
  Listener *listener;
  const char *in_pos;  ///< unread input, in net->recv_buf while it is being handled, else in in_block
  const char *in_end;
  Block *in_block;
  Chain out;
  Pace *pace;            ///< limit_rate, see pace.h; null without
  ProxyHeader *proxied;  ///< what a proxy said of it, see proxy_protocol.h; null without, freed with it
  Timer timer;
  Connection *next_free;
  Connection *list_next, *list_prev;  ///< all connections of the worker, for drain
  Task free_task;
  Task resume_task;     ///< the protocol's, to go on reading later in the turn
  uint64_t number;      ///< nginx's connection serial
  uint64_t deadline;    ///< the real deadline of `timer`, which is re-armed lazily
  uint64_t bytes_sent;  ///< over the connection's life
  uint64_t start_mono;  ///< when it was accepted, by the loop's clock
  int fd;
  uint32_t requests;     ///< served on this connection
  uint16_t refs;         ///< holders besides the loop (detached requests)
  uint8_t state;         ///< the protocol's
  bool may_read : 1;     ///< the kernel may have input: recv has not said EAGAIN since the last event
  bool peer_closed : 1;  ///< EPOLLRDHUP seen
  bool is_blocked : 1;   ///< a send could not take all, or its rate is limited: waits for EPOLLOUT or its time
  bool is_closed : 1;
  bool is_timed_out : 1;  ///< the client has not taken what was sent, for send_timeout
  bool in_reader : 1;     ///< the protocol's read loop is on the stack
  bool wants_linger : 1;
  bool nodelay_set : 1;
  bool is_pipelined : 1;  ///< the request under way had come with the one before it
  ClientAddress peer;

  size_t in_size() const { return static_cast<size_t>(in_end - in_pos); }
};

/// recv() and sendmsg()/sendfile() of a plain socket: from the front of the chain what one call takes, `limit`
/// bytes at most. -1 with errno.
ssize_t socket_recv(int fd, char *to, size_t n);
ssize_t socket_send(int fd, const Chain &out, uint64_t limit = UINT64_MAX);

/// Takes an accepted descriptor. Null when it cannot be watched (the descriptor is closed then).
Connection *connection_open(NetCore *net, int fd, Listener *l, const sockaddr *peer, socklen_t peer_len,
                            const Protocol *protocol);
/// Closes now; the object lives until the batch is over and refs is 0. Idempotent.
void connection_close(Connection *c);
/// What is still to be sent is dropped when it closes, and the client gets RST.
void connection_drop_output(Connection *c);
/// Closes with RST.
void connection_reset(Connection *c);
void connection_ref(Connection *c);
void connection_unref(Connection *c);

/// Reads once into the worker's buffer behind what is unread. >0 bytes read; 0 end of stream; -1 nothing now (errno EAGAIN)
/// or an error; in_pos..in_end then cover old and new input.
ssize_t connection_fill(Connection *c);
/// Keeps unread input past this turn: copies it out of the worker's buffer.
void connection_keep_input(Connection *c);
/// Forgets consumed input's buffer.
void connection_drop_input(Connection *c);
/// Reads past any buffer into `to`; takes unread input first.
ssize_t connection_read(Connection *c, char *to, size_t n);

/// Sends what it can. kSendDone, kSendBlocked (drained() will be called) or kSendFailed.
enum SendResult { kSendDone, kSendBlocked, kSendFailed };
SendResult connection_send(Connection *c);
/// Goes on with output that was blocked, and tells the protocol.
void connection_write(Connection *c);

/// Arms, moves or cancels the timer. Moving later is lazy: no wheel operation.
void connection_set_timeout(Connection *c, uint64_t ms);
void connection_clear_timeout(Connection *c);

}  // namespace mw
