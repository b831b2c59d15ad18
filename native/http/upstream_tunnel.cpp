// SPDX-License-Identifier: MIT
// See upstream_steps.h: after 101 Switching Protocols, which the client had asked for (WebSocket), bytes go both ways as they are
// until one side ends. As in nginx neither half outlives the other, any byte starts proxy_read_timeout anew, and send_timeout and
// proxy_send_timeout limit how long one side may keep the other's bytes waiting.
#include <errno.h>

#include "http/downstream.h"
#include "http/upstream_steps.h"

namespace mw {

static constexpr size_t kReadSize = 16384;
static constexpr int kReadsPerTurn = 16;  ///< then other connections get their turn

/// What goes to the server is in u->request.
struct UpstreamTunnel {
  Upstream *u = nullptr;
  Downstream *down = nullptr;
  Chain to_client;
  bool has_client_ended = false, has_server_ended = false;
};

static void pump(Upstream *u);

static Upstream *of(Task *t) {
  return reinterpret_cast<Upstream *>(reinterpret_cast<char *>(t) - offsetof(Upstream, task));
}

static void post(Upstream *u, void (*run)(Task *)) {
  u->task.run = run;
  upstream_loop(u)->post(&u->task);
}

/// The client's connection is on the stack below its events: later in the turn.
static void post_pump(Upstream *u) {
  post(u, [](Task *t) { pump(of(t)); });
}

// --- events ----------------------------------------------------------------------------------------------------------

static Upstream *of(Downstream *d) { return static_cast<UpstreamTunnel *>(d->owner)->u; }
static Upstream *of(Outgoing *o) { return static_cast<Upstream *>(o->owner); }

static void server_timed_out(Outgoing *o) {
  upstream_say(of(o), kLogError, ETIMEDOUT, "upstream timed out");
  upstream_finish(of(o), 504);
}

static void client_timed_out(Downstream *d) {
  upstream_say(of(d), kLogInfo, ETIMEDOUT, "client timed out");
  post(of(d), [](Task *t) { upstream_finish(of(t), 408); });
}

static const DownstreamEvents kClientEvents = {[](Downstream *d) {
                                                 post_pump(of(d));
                                                 return true;
                                               },
                                               [](Downstream *d) {
                                                 post_pump(of(d));
                                                 return true;
                                               },
                                               [](Downstream *) {}, client_timed_out};

static const OutgoingEvents kServerEvents = {[](Outgoing *, int) {}, [](Outgoing *o) { pump(of(o)); },
                                             [](Outgoing *o) { pump(of(o)); }, server_timed_out, server_timed_out};

/// What has been sent to the client behind the head counts as body.
static bool send_to_client(Upstream *u) {
  UpstreamTunnel *t = u->tunnel;
  uint64_t before = t->to_client.bytes();
  bool is_good = downstream_send(t->down, t->to_client);
  u->r->out.body_bytes += before - t->to_client.bytes();
  return is_good;
}

// --- bytes -----------------------------------------------------------------------------------------------------------

/// One read from the server, and what can be sent of it. False when nothing moved.
static bool to_client(Upstream *u) {
  UpstreamTunnel *t = u->tunnel;
  Connection *c = u->r->conn;
  if (!t->to_client.is_empty() && !c->is_blocked && !send_to_client(u)) t->has_client_ended = true;
  if (t->has_client_ended || t->has_server_ended || !t->to_client.is_empty() || !u->out->may_read) return false;
  char buf[kReadSize];
  ssize_t n = outgoing_recv(u->out, buf, sizeof buf);
  if (n < 0 && errno == EAGAIN) return false;
  if (n < 0) upstream_say(u, kLogError, errno, "recv() failed");
  if (n <= 0) {
    t->has_server_ended = true;
    return false;
  }
  u->attempt().body_bytes += static_cast<uint64_t>(n);
  t->to_client.append(c->net->blocks, {buf, static_cast<size_t>(n)});
  if (!send_to_client(u)) t->has_client_ended = true;
  return true;
}

/// The same the other way.
static bool to_server(Upstream *u) {
  UpstreamTunnel *t = u->tunnel;
  BlockPool &blocks = u->r->core->net.blocks;
  auto send = [u, t] {
    if (outgoing_send(u->out, u->request)) return;
    upstream_say(u, kLogError, errno, "send() failed");
    t->has_server_ended = true;
  };
  if (!u->request.is_empty() && !u->out->is_blocked) send();
  if (t->has_client_ended || t->has_server_ended || !u->request.is_empty() || !downstream_may_read(t->down))
    return false;
  char buf[kReadSize];
  ssize_t n = downstream_recv(t->down, buf, sizeof buf);
  if (n < 0 && errno == EAGAIN) return false;
  if (n <= 0) {
    t->has_client_ended = true;
    return false;
  }
  u->request.append(blocks, {buf, static_cast<size_t>(n)});
  send();
  return true;
}

/// One side has ended, and the other has its last bytes, or will get no more.
static bool is_over(const Upstream *u) {
  const UpstreamTunnel *t = u->tunnel;
  return (t->has_server_ended && (t->to_client.is_empty() || t->has_client_ended)) ||
         (t->has_client_ended && (u->request.is_empty() || u->r->conn->is_closed));
}

static void pump(Upstream *u) {
  if (u->is_ended) return;
  UpstreamTunnel *t = u->tunnel;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    bool has_moved = to_client(u);
    has_moved |= to_server(u);
    if (is_over(u)) return upstream_finish(u, kOk);
    if (has_moved) continue;
    outgoing_read_timeout(u->out, u->read_timeout);
    outgoing_write_timeout(u->out, u->request.is_empty() ? 0 : u->send_timeout);
    downstream_write_timeout(t->down, t->to_client.is_empty() ? 0 : u->r->conf->send_timeout);
    return;
  }
  post_pump(u);
}

// --- beginning and end -----------------------------------------------------------------------------------------------

static void open_tunnel(Upstream *u) {
  Request *r = u->r;
  UpstreamTunnel *t = r->arena.make<UpstreamTunnel>();
  t->u = u;
  const char *reason = nullptr;
  t->down = downstream_open(r, true, &kClientEvents, t, reason);
  if (!t->down) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "connection upgrade failed: %s", reason);
    return upstream_finish(u, 502);
  }
  u->tunnel = t;
  u->out->events = &kServerEvents;
  u->request.clear(r->core->net.blocks);
  upstream_set_action(u, "proxying upgraded connection");
  if (u->head_used < u->head_size) {  // what came with the head
    t->to_client.append(r->core->net.blocks, u->head_text().substr(u->head_used));
    u->attempt().body_bytes += u->head_size - u->head_used;
    u->head_used = u->head_size;
  }
  pump(u);
}

/// The head first: its filters may wait, and so may the socket.
static void send_head(Upstream *u) {
  Request *r = u->r;
  ++r->running;  // nothing frees the request under us
  bool is_through = output_send_header(r) != kAgain;
  bool is_refused =
      is_through && (r->out.is_last_queued || r->is_aborted);  // a filter has answered in its place, or failed
  if (is_through && !is_refused) output_flush(r, true);
  --r->running;
  if (r->conn->is_closed) return upstream_finish(u, 499);
  if (is_refused) return upstream_finish(u, kOk);
  if (is_through && output_is_sent(r)) return open_tunnel(u);
  outgoing_read_timeout(u->out, 0);
  u->is_waiting = true;
  u->waiter.done = [](OutWaiter *w, Rc) {
    Upstream *v = reinterpret_cast<Upstream *>(reinterpret_cast<char *>(w) - offsetof(Upstream, waiter));
    v->is_waiting = false;
    post(v, [](Task *task) {
      if (!of(task)->is_ended) send_head(of(task));
    });
  };
  output_wait(r, &u->waiter, is_through);
}

void upstream_tunnel(Upstream *u) {
  u->r->keepalive = false;  // after this head nothing on the connection is HTTP
  send_head(u);
}

void upstream_tunnel_end(Upstream *u) {
  if (!u->tunnel) return;
  u->tunnel->to_client.clear(u->r->core->net.blocks);
  downstream_close(u->tunnel->down);
  u->tunnel = nullptr;
}

}  // namespace mw
