// SPDX-License-Identifier: MIT
// See upstream_steps.h: an attempt at a server, from its choice until the request has been sent, and what follows a failure.
#include <errno.h>

#include "http/lua_hook.h"
#include "http/upstream_cache.h"
#include "http/upstream_steps.h"

namespace mw {

static void connect_chosen(Upstream *u);

static uint64_t seconds(const Upstream *u) { return upstream_loop(u)->now_ms() / 1000; }

// --- events ----------------------------------------------------------------------------------------------------------

static Upstream *of(Outgoing *o) { return static_cast<Upstream *>(o->owner); }

void upstream_send_request(Upstream *u) {
  upstream_set_action(u, "sending request to upstream");
  u->is_request_sent = true;
  bool is_whole = !u->stream || upstream_body_fetch(u);
  if (!outgoing_send(u->out, u->request)) {
    upstream_say(u, kLogError, errno, "writev() failed");
    return upstream_next(u, kFailError);
  }
  if (u->out->is_blocked) return outgoing_write_timeout(u->out, u->send_timeout);
  outgoing_write_timeout(u->out, 0);
  if (is_whole) {
    upstream_set_action(u, "reading response header from upstream");
    outgoing_read_timeout(u->out, u->read_timeout);
  } else {
    upstream_body_go_on(u);
  }
  if (u->out->may_read) upstream_read_head(u);
}

static void on_connected(Outgoing *o, int err) {
  Upstream *u = of(o);
  if (err) {
    upstream_say(u, kLogError, err, "connect() failed");
    return upstream_next(u, kFailError);
  }
  u->attempt().connect_ms = static_cast<int64_t>(upstream_loop(u)->now_ms() - u->attempt().started_ms);
  upstream_send_request(u);
}

static void on_readable(Outgoing *o) { upstream_go_on(of(o)); }

static void on_writable(Outgoing *o) {
  Upstream *u = of(o);
  // As in nginx: once the reply has begun, what is left of the request is not sent, and a failure to must not ask another server.
  if (!u->request.is_empty() && !u->is_head_done) upstream_send_request(u);
}

/// As in nginx, bytes that do not fill a buffer are lost with an upstream that has become silent.
static void drop_partial(Upstream *u) {
  Request *r = u->r;
  bool is_first = u->is_buffered && u->attempt().body_bytes < u->conf->buffers_size;
  if (is_first && output_is_direct(r)) r->out.body.clear(r->core->net.blocks);
}

static void on_timeout(Outgoing *o) {
  Upstream *u = of(o);
  if (!u->is_head_done) return upstream_next(u, kFailTimeout);
  if (u->is_waiting) return;  // it is the client who keeps us waiting
  upstream_say(u, kLogError, ETIMEDOUT, "upstream timed out");
  drop_partial(u);
  upstream_finish(u, 504);
}

static const OutgoingEvents kEvents = {on_connected, on_readable, on_writable, on_timeout, on_timeout};

// --- attempts --------------------------------------------------------------------------------------------------------

void upstream_drop_connection(Upstream *u, bool may_keep) {
  if (!u->out) return;
  u->attempt().bytes_in = u->out->bytes_in - u->bytes_in_before;
  u->attempt().bytes_out = u->out->bytes_out - u->bytes_out_before;
  if (!may_keep || !peers_keep(u->r->core->peer_state.get(), u->peer, u->out)) outgoing_close(u->out);
  u->out = nullptr;
}

void upstream_end_attempt(Upstream *u) {
  if (!u->attempts.size || u->attempt().total_ms >= 0) return;
  u->attempt().total_ms = static_cast<int64_t>(upstream_loop(u)->now_ms() - u->attempt().started_ms);
}

static int32_t status_of(uint32_t failure) {
  switch (failure) {
    case kFailTimeout:
    case kFailHttp504: return 504;
    case kFailHttp500: return 500;
    case kFailHttp503: return 503;
    case kFailHttp403: return 403;
    case kFailHttp404: return 404;
    case kFailHttp429: return 429;
    default: return 502;
  }
}

bool upstream_is_idempotent(const Request *r) { return !(r->method_id & (kMethodPost | kMethodLock | kMethodPatch)); }

void upstream_report(Upstream *u, bool failed) {
  Request *r = u->r;
  if (u->balancer && u->balancer->address.len) {
    u->balancer->last_state = failed ? 4 : 2;
    if (u->peer.tries > 0) --u->peer.tries;
    return;
  }
  if (peers_report(r->core->peer_state.get(), u->peer, failed, seconds(u)))
    upstream_say(u, kLogWarn, 0, "upstream server temporarily disabled");
}

bool upstream_is_late(const Upstream *u) {
  uint64_t limit = u->conf->next_upstream_timeout;
  return limit && upstream_loop(u)->now_ms() - u->first_ms >= limit;
}

void upstream_next(Upstream *u, uint32_t failure) {
  Request *r = u->r;
  log_write(r->log(), kLogDebug, 0, &r->log_ctx, "http next upstream, %x", failure);
  ++r->core->metrics.upstream_failures;
  if (failure == kFailTimeout) upstream_say(u, kLogError, ETIMEDOUT, "upstream timed out");
  if (failure != kFailNoLive) upstream_report(u, failure != kFailHttp403 && failure != kFailHttp404);
  bool is_balanced = u->balancer && u->balancer->address.len;
  if (u->peer.is_cached && failure == kFailError && !is_balanced) ++u->peer.tries;  // it had gone stale
  int32_t status = status_of(failure);
  u->attempt().status = status;
  upstream_drop_connection(u, false);
  upstream_end_attempt(u);
  uint32_t needed = failure;
  if (u->is_request_sent && !upstream_is_idempotent(r)) needed |= kFailNonIdempotent;
  bool is_gone = r->conn->is_closed && !upstream_outlives_client(u);
  bool is_spent = u->stream && u->is_request_sent;  // the body, or part of it
  bool is_wanted = (u->conf->next_upstream & needed) == needed;
  if (u->peer.tries == 0 || is_spent || !is_wanted || upstream_is_late(u) || is_gone) {
    bool may_be_stale =
        upstream_cache_may_be_stale(u, failure) ||
        (u->cache_status == CacheStatus::expired && u->cache->may_be_stale_for_error && u->cache->fd >= 0);
    return may_be_stale && !is_gone ? upstream_send_stale(u) : upstream_finish(u, is_gone ? 499 : status);
  }
  u->head_size = u->head_used = 0;
  u->is_body_done = u->may_keep = false;
  u->headers.size = 0;
  u->request.clear(r->core->net.blocks);
  Rc rc = u->module->create_request(u);
  if (rc != kOk) return upstream_finish(u, rc);
  upstream_connect_next(u);
}

static bool is_plain_refusal(int err) {
  return err == ECONNREFUSED || err == EAGAIN || err == ECONNRESET || err == ENETDOWN || err == ENETUNREACH ||
         err == EHOSTDOWN || err == EHOSTUNREACH;
}

static void begin_attempt(Upstream *u) {
  UpstreamAttempt *a = u->attempts.push(u->r->arena);
  a->is_redirected = u->attempts.size > 1 && u->first_ms == 0;
  a->started_ms = upstream_loop(u)->now_ms();
  if (u->first_ms == 0) u->first_ms = a->started_ms;
}

/// The server to ask: the balancer's, or the next of the group.
static bool choose_peer(Upstream *u) {
  UpstreamBalancer *b = u->balancer;
  if (!b || !b->address.len) return peers_choose(u->r->core->peer_state.get(), u->peer, seconds(u));
  u->peer.index = -1;
  u->peer.is_cached = false;
  u->peer.address = b->address;
  u->peer.name = b->name;
  return true;
}

/// What the balancer's end means: to the server it named, or the answer it wants.
static void balanced(Upstream *u, Rc rc) {
  UpstreamBalancer *b = u->balancer;
  if (rc != kOk && rc != kDone) return upstream_finish(u, rc < 100 ? 500 : rc);
  u->peer.tries += b->more_tries;
  if (b->wants_new_request) {
    u->request.clear(u->r->core->net.blocks);
    rc = u->module->create_request(u);
    if (rc != kOk) return upstream_finish(u, rc);
  }
  connect_chosen(u);
}

void upstream_balanced(Request *r, Rc rc) {
  if (r->upstream && !r->upstream->is_ended) balanced(r->upstream, rc);
}

void upstream_connect_next(Upstream *u) {
  Request *r = u->r;
  upstream_set_action(u, "connecting to upstream");
  begin_attempt(u);
  UpstreamBalancer *b = u->balancer;
  if (!b || !lua_hook) return connect_chosen(u);
  b->address.len = 0;
  b->more_tries = 0;
  b->wants_new_request = false;
  ++b->total_tries;
  ++r->running;
  Rc rc = lua_hook->run(r, LuaPhase::balancer, u->peer.group->conf->balancer_script);
  --r->running;
  if (rc != kAgain) balanced(u, rc);
}

/// It failed before any server had to do with it: the fault is ours.
static void open_failed(Upstream *u, const char *call, int err) {
  Request *r = u->r;
  if (Str(call) == "bind") {
    char text[kAddressText];
    size_t n = address_text(u->local, text);
    if (address_port(u->local) == 0 && u->local.sa.sa_family != AF_UNIX) n = Str(text, n).rfind(':');
    log_write(r->log(), kLogCrit, err, &r->log_ctx, "bind(%.*s) failed", static_cast<int>(n), text);
  } else {
    log_write(r->log(), kLogAlert, err, &r->log_ctx, "%s() failed", call);
  }
  upstream_end_attempt(u);
  upstream_finish(u, 500);
}

static void connect_chosen(Upstream *u) {
  Request *r = u->r;
  if (!choose_peer(u)) {
    u->attempt().peer = u->peer.group ? Str(u->peer.group->conf->name) : u->peer.name;
    u->peer.name = u->attempt().peer;
    upstream_say(u, kLogError, 0, "no live upstreams");
    return upstream_next(u, kFailNoLive);
  }
  u->attempt().peer = u->peer.name;
  u->bytes_in_before = u->bytes_out_before = 0;
  if ((u->out = peers_take_idle(r->core->peer_state.get(), u->peer))) {
    u->out->events = &kEvents;
    u->out->owner = u;
    u->bytes_in_before = u->out->bytes_in;
    u->bytes_out_before = u->out->bytes_out;
    return on_connected(u->out, 0);
  }
  const char *call = nullptr;
  u->out = outgoing_open(&r->core->net, u->peer.address, u->has_local ? &u->local : nullptr, &kEvents, u, call,
                         u->conf->bind_transparent);
  if (!u->out) {
    int err = errno;
    if (Str(call) != "connect") return open_failed(u, call, err);
    log_write(r->log(), is_plain_refusal(err) ? kLogError : kLogCrit, err, &r->log_ctx, "%s() to %.*s failed", call,
              static_cast<int>(u->peer.name.size()), u->peer.name.data());
    return upstream_next(u, kFailError);
  }
  if (u->out->is_connecting) return outgoing_read_timeout(u->out, u->connect_timeout);
  on_connected(u->out, 0);
}

}  // namespace mw
