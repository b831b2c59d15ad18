// SPDX-License-Identifier: MIT
// See downstream.h.
#include "http/downstream.h"

#include <errno.h>
#include <netinet/tcp.h>

#include "http/body.h"
#include "http/output.h"

namespace mw {

// --- opening ---------------------------------------------------------------------------------------------------------

/// What nginx's modules see as a request body: it was read, or somebody has begun to.
static bool has_body_reader(const Request *r) {
  return r->abi.body_read || r->body.state == BodyState::reading || r->body.state == BodyState::failed;
}

static const char *body_refusal(const Request *r) {
  if (r->head.chunked) return "chunked request bodies not supported yet";
  if (has_body_reader(r)) return "request body already exists";
  if (!body_is_announced(r)) return "no body";
  return r->body.state == BodyState::unread ? nullptr : "request body discarded";
}

/// Sends what the handler, or an earlier pipelined request, has written. False when some of it has to wait.
static bool flush_output(Request *r) {
  Connection *c = r->conn;
  if (r->abi.header_sent && output_is_direct(r)) output_flush(r, true);
  if (!c->is_closed && !c->is_blocked && !c->out.is_empty()) connection_send(c);  // a failure shows again
  return c->out.is_empty() && r->out.body.is_empty() && !r->out.first && (r->out.is_serialized || !r->abi.header_sent);
}

static const char *raw_refusal(Request *r) {
  BodyState::State state = r->body.state;
  if (state == BodyState::reading || (state == BodyState::streaming && r->body.remaining > 0 && !r->abi.has_raw_socket))
    return "pending request body reading in some other thread";
  if (r->abi.has_raw_socket) return "duplicate call";
  if (output_is_buffering(r) && r->abi.header_sent && !r->out.is_serialized) return "http 1.0 buffering";
  return flush_output(r) ? nullptr : "pending data to write";
}

/// From here on nothing but the handler writes to the connection. A stream server's may still use ngx.print: there is no
/// framing that the two could break.
static void take_output(Request *r) {
  Output &o = r->out;
  if (!r->abi.header_sent) o.sent_mark = r->conn->bytes_sent;
  r->abi.has_raw_socket = 1;
  if (!r->is_stream) {
    r->abi.header_sent = 1;
    o.header_state = kHeaderThrough;
    o.is_serialized = o.is_last_queued = o.is_last_framed = o.is_bodiless = true;
  }
  r->keepalive = false;
  if (!r->conf->tcp_nodelay || r->conn->nodelay_set || r->conn->is_closed) return;
  if (r->core->is_debug) log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua socket tcp_nodelay");
  int on = 1;
  setsockopt(r->conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // refused by unix sockets, which have no delay
  r->conn->nodelay_set = true;
}

static void on_read_timer(Timer *t) {
  Downstream *d = reinterpret_cast<Downstream *>(reinterpret_cast<char *>(t) - offsetof(Downstream, read_timer));
  d->events->read_timeout(d);
}
static void on_write_timer(Timer *t) {
  Downstream *d = reinterpret_cast<Downstream *>(reinterpret_cast<char *>(t) - offsetof(Downstream, write_timer));
  d->events->write_timeout(d);
}

Downstream *downstream_open(Request *r, bool raw, const DownstreamEvents *events, void *owner, const char *&reason) {
  raw |= r->is_stream;  // which has no body
  reason = raw ? raw_refusal(r) : body_refusal(r);
  if (reason) return nullptr;
  if (r->body.state == BodyState::unread) r->body.state = BodyState::streaming;
  r->abi.body_read = 1;
  if (raw)
    take_output(r);
  else
    body_send_continue(r);
  connection_clear_timeout(r->conn);
  Downstream *d = r->arena.make<Downstream>();
  d->r = r;
  d->events = events;
  d->owner = owner;
  d->is_raw = raw;
  d->read_timer.fire = on_read_timer;
  d->write_timer.fire = on_write_timer;
  r->downstream = d;
  return d;
}

void downstream_close(Downstream *d) {
  downstream_read_timeout(d, 0);
  downstream_write_timeout(d, 0);
  if (d->r->downstream == d) d->r->downstream = nullptr;
}

// --- bytes -----------------------------------------------------------------------------------------------------------

static bool is_body_over(const Downstream *d) {
  return !d->is_raw && (d->r->body.state != BodyState::streaming || d->r->body.remaining == 0);
}

bool downstream_may_read(const Downstream *d) {
  const Connection *c = d->r->conn;
  return c->is_closed || c->may_read || c->in_size() > 0 || is_body_over(d);
}

ssize_t downstream_recv(Downstream *d, char *to, size_t n) {
  Connection *c = d->r->conn;
  BodyState &b = d->r->body;
  if (c->is_closed || is_body_over(d)) return 0;
  if (!d->is_raw && n > b.remaining) n = static_cast<size_t>(b.remaining);
  ssize_t got = connection_read(c, to, n);
  if (got <= 0 || d->is_raw) return got;
  b.remaining -= static_cast<uint64_t>(got);
  b.total += static_cast<uint64_t>(got);
  if (b.remaining == 0) b.state = BodyState::complete;
  return got;
}

const char *downstream_end(const Downstream *d) {
  if (is_body_over(d)) return nullptr;
  bool is_told = d->r->conf->lua_check_client_abort || d->r->conn->is_closed || !d->is_raw;
  return is_told ? "client aborted" : nullptr;
}

bool downstream_send(Downstream *d, Chain &chain) {
  Connection *c = d->r->conn;
  while (!chain.is_empty()) {
    if (c->is_closed) {
      errno = EPIPE;
      return false;
    }
    ssize_t n = c->transport->send(c, chain, UINT64_MAX);
    if (n < 0) {
      if (errno != EAGAIN) return false;
      c->is_blocked = true;
      return true;
    }
    c->bytes_sent += static_cast<uint64_t>(n);
    chain.consume(c->net->blocks, static_cast<uint64_t>(n));
  }
  return true;
}

// --- time ------------------------------------------------------------------------------------------------------------

static void set_timer(const Downstream *d, Timer *t, uint64_t ms) {
  Loop *loop = d->r->core->loop;
  if (ms == 0) return loop->disarm(t);
  loop->arm(t, ms);
}
void downstream_read_timeout(Downstream *d, uint64_t ms) { set_timer(d, &d->read_timer, ms); }
void downstream_write_timeout(Downstream *d, uint64_t ms) { set_timer(d, &d->write_timer, ms); }

// --- the connection's side -------------------------------------------------------------------------------------------

bool downstream_readable(Request *r) { return r->downstream && r->downstream->events->readable(r->downstream); }
bool downstream_writable(Request *r) { return r->downstream && r->downstream->events->writable(r->downstream); }

bool downstream_failed(Request *r) {
  bool was_awaited = downstream_readable(r);
  return downstream_writable(r) || was_awaited;
}

}  // namespace mw
