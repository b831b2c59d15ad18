// SPDX-License-Identifier: MIT
// See handover.h.
#include "net/handover.h"

#include <unistd.h>

namespace mw {

Handover::~Handover() {
  if (fd >= 0) close(fd);
}

void connection_give(Connection *c, Handover &to) {
  to.fd = c->fd;
  to.input.assign(c->in_pos, c->in_size());
  to.number = c->number;
  to.bytes_sent = c->bytes_sent;
  to.deadline = c->deadline;
  to.requests = c->requests;
  to.state = c->state;
  to.peer_closed = c->peer_closed;
  to.nodelay_set = c->nodelay_set;
  to.peer = c->peer;
  to.proxied.reset(c->proxied);
  c->proxied = nullptr;
  c->net->loop->unwatch(c->fd);
  c->fd = -1;
  connection_close(c);
}

Connection *connection_take(NetCore *net, Handover &from, Listener *l, const Protocol *protocol) {
  int fd = from.fd;
  from.fd = -1;
  Connection *c = connection_open(net, fd, l, &from.peer.sa, from.peer.len, protocol);
  if (!c) return nullptr;
  --net->accepted;  // it was counted where it was accepted
  c->number = from.number;
  c->bytes_sent = from.bytes_sent;
  c->requests = from.requests;
  c->state = from.state;
  c->peer_closed = from.peer_closed;
  c->nodelay_set = from.nodelay_set;
  c->proxied = from.proxied.release();
  if (!from.input.empty()) {
    c->in_pos = from.input.data();
    c->in_end = c->in_pos + from.input.size();
    connection_keep_input(c);
  }
  return c;
}

}  // namespace mw
