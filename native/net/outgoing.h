// SPDX-License-Identifier: MIT
// A connection that the worker opens: to an upstream server, a cache, whatever a module or a script talks to. Never blocks;
// events come from the loop, edge-triggered. A worker's thread owns it. Its owner closes it or hands it on (to a pool of idle
// ones) by giving it other events; the object is freed when no event of the batch can name it any more.
#pragma once
#include "net/address.h"
#include "net/connection.h"

namespace mw {

struct Outgoing;

/// What moves bytes: plain sockets now, TLS later, behind one table. Both return >= 0, or -1 with errno.
struct OutgoingTransport {
  ssize_t (*recv)(Outgoing *, char *, size_t);
  /// Sends from the front of the chain what one call takes; returns bytes taken.
  ssize_t (*send)(Outgoing *, Chain &);
  /// Sends bytes that are not in a chain; returns bytes taken.
  ssize_t (*write)(Outgoing *, const char *, size_t);
};
extern const OutgoingTransport outgoing_plain;

/// Its owner. Each may close the connection.
struct OutgoingEvents {
  void (*connected)(Outgoing *, int err);  ///< the connect ended: err is 0 or an errno
  void (*readable)(Outgoing *);            ///< bytes or the end of the stream may be had
  void (*writable)(Outgoing *);            ///< after a send that could not take all
  void (*read_timeout)(Outgoing *);        ///< of the connect too
  void (*write_timeout)(Outgoing *);
};

struct Outgoing {
  IoHandler io;  ///< first: epoll names it
  NetCore *net = nullptr;
  const OutgoingTransport *transport = nullptr;
  const OutgoingEvents *events = nullptr;
  void *owner = nullptr;
  Timer read_timer, write_timer;
  Task free_task;
  Outgoing *list_next = nullptr, *list_prev = nullptr;  ///< all open ones of the worker
  Outgoing *idle_next = nullptr, *idle_prev = nullptr;  ///< its pool's
  void *pool = nullptr;                                 ///< the pool it idles in, or null
  uint64_t opened_ms = 0;                               ///< monotonic
  uint64_t bytes_in = 0, bytes_out = 0;
  int fd = -1;
  uint32_t uses = 0;  ///< exchanges before this one
  bool is_connecting = false;
  bool is_closed = false;
  bool may_read = false;     ///< the kernel may have input: recv has not said EAGAIN since the last event
  bool peer_closed = false;  ///< the peer's end of stream, or an error, was announced
  bool is_blocked = false;   ///< a send could not take all: writable() will be called
  PeerAddress peer;
};

/// Begins to connect, from the address `local` when it is not null, which with `is_transparent` need not be this machine's.
/// Connected at once or is_connecting. Null with errno set when the kernel refuses at once; `failed_call` then names the call.
Outgoing *outgoing_open(NetCore *net, const PeerAddress &peer, const PeerAddress *local, const OutgoingEvents *events,
                        void *owner, const char *&failed_call, bool is_transparent = false);
/// Closes now. Idempotent.
void outgoing_close(Outgoing *o);
/// >0 bytes read, 0 end of stream, -1 with errno (EAGAIN: readable() will be called).
ssize_t outgoing_recv(Outgoing *o, char *to, size_t n);
/// Sends what it can of the chain, consuming it. False with errno set on a failure; is_blocked when something is left.
bool outgoing_send(Outgoing *o, Chain &chain);
/// Sends what it can of `data` and returns how much that was, or -1 with errno set on a failure; is_blocked when the rest has
/// to wait.
ssize_t outgoing_write(Outgoing *o, const char *data, size_t n);
/// Whether an idle connection is still good: open, and the peer has sent nothing.
bool outgoing_is_clean(Outgoing *o);

/// Arms (moves) a timer; 0 disarms it.
void outgoing_read_timeout(Outgoing *o, uint64_t ms);
void outgoing_write_timeout(Outgoing *o, uint64_t ms);
/// Closes all of a worker, at its end.
void outgoing_close_all(NetCore *net);

}  // namespace mw
