// SPDX-License-Identifier: MIT
// See upstream.h. The way of an attempt: connect -> send -> head -> body -> end; every failure before the reply's header has
// gone out comes to next(), which tries another server or answers the request.
#include "http/upstream.h"

#include <errno.h>
#include <stdio.h>

#include "http/body.h"
#include "http/lua_hook.h"
#include "http/modules/file_body.h"
#include "http/modules/range.h"
#include "http/phase.h"
#include "http/upstream_cache.h"
#include "http/variable.h"

namespace mw {

static constexpr size_t kReadSize = 16384;
static constexpr int kReadsPerTurn = 16;  ///< then other connections get their turn

static void connect_next(Upstream *u);
static void next(Upstream *u, uint32_t failure);
static void finish(Upstream *u, Rc rc);
static void read_head(Upstream *u);
static void read_body(Upstream *u);
static void go_on(Upstream *u);
static void send_stale(Upstream *u);

static Loop *loop_of(const Upstream *u) { return u->r->core->loop; }
static uint64_t seconds(const Upstream *u) { return loop_of(u)->now_ms() / 1000; }

static void say(const Upstream *u, LogLevelId level, int err, const char *text) {
  log_write(u->r->log(), level, err, &u->r->log_ctx, "%s", text);
}

/// The request goes on without its client: as configured, or for the cache's sake.
static bool outlives_client(const Upstream *u) { return u->conf->ignore_client_abort || u->is_cacheable; }

/// What error log lines of the whole request tree say it is about: as in nginx, it is the connection's.
static void set_action(Upstream *u, const char *action) { u->r->action = u->r->main->action = action; }

// --- events ----------------------------------------------------------------------------------------------------------

static Upstream *of(Outgoing *o) { return static_cast<Upstream *>(o->owner); }

static void send_request(Upstream *u) {
  set_action(u, "sending request to upstream");
  u->is_request_sent = true;
  if (!outgoing_send(u->out, u->request)) {
    say(u, kLogError, errno, "writev() failed");
    return next(u, kFailError);
  }
  if (u->out->is_blocked) return outgoing_write_timeout(u->out, u->send_timeout);
  outgoing_write_timeout(u->out, 0);
  set_action(u, "reading response header from upstream");
  outgoing_read_timeout(u->out, u->read_timeout);
  if (u->out->may_read) read_head(u);
}

static void on_connected(Outgoing *o, int err) {
  Upstream *u = of(o);
  if (err) {
    say(u, kLogError, err, "connect() failed");
    return next(u, kFailError);
  }
  u->attempt().connect_ms = static_cast<int64_t>(loop_of(u)->now_ms() - u->attempt().started_ms);
  send_request(u);
}

static void on_readable(Outgoing *o) { go_on(of(o)); }

static void on_writable(Outgoing *o) {
  Upstream *u = of(o);
  // As in nginx: once the reply has begun, what is left of the request is not sent, and a failure to must not ask another server.
  if (!u->request.is_empty() && !u->is_head_done) send_request(u);
}

/// As in nginx, bytes that do not fill a buffer are lost with an upstream that has become silent.
static void drop_partial(Upstream *u) {
  Request *r = u->r;
  bool is_first = u->is_buffered && u->attempt().body_bytes < u->conf->buffers_size;
  if (is_first && output_is_direct(r)) r->out.body.clear(r->core->net.blocks);
}

static void on_timeout(Outgoing *o) {
  Upstream *u = of(o);
  if (!u->is_head_done) return next(u, kFailTimeout);
  if (u->is_waiting) return;  // it is the client who keeps us waiting
  say(u, kLogError, ETIMEDOUT, "upstream timed out");
  drop_partial(u);
  finish(u, 504);
}

static const OutgoingEvents kEvents = {on_connected, on_readable, on_writable, on_timeout, on_timeout};

// --- attempts --------------------------------------------------------------------------------------------------------

/// Lets go of the connection: closed, or kept for another request.
static void drop_connection(Upstream *u, bool may_keep) {
  if (!u->out) return;
  u->attempt().bytes_in = u->out->bytes_in - u->bytes_in_before;
  u->attempt().bytes_out = u->out->bytes_out - u->bytes_out_before;
  if (!may_keep || !peers_keep(u->r->core->peer_state.get(), u->peer, u->out)) outgoing_close(u->out);
  u->out = nullptr;
}

static void end_attempt(Upstream *u) {
  if (!u->attempts.size || u->attempt().total_ms >= 0) return;
  u->attempt().total_ms = static_cast<int64_t>(loop_of(u)->now_ms() - u->attempt().started_ms);
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

static bool is_idempotent(const Request *r) { return !(r->method_id & (kMethodPost | kMethodLock | kMethodPatch)); }

static void report(Upstream *u, bool failed) {
  Request *r = u->r;
  if (u->balancer && u->balancer->address.len) {
    u->balancer->last_state = failed ? 4 : 2;
    if (u->peer.tries > 0) --u->peer.tries;
    return;
  }
  if (peers_report(r->core->peer_state.get(), u->peer, failed, seconds(u)))
    say(u, kLogWarn, 0, "upstream server temporarily disabled");
}

/// This attempt failed: the next one, or the answer.
static void next(Upstream *u, uint32_t failure) {
  Request *r = u->r;
  log_write(r->log(), kLogDebug, 0, &r->log_ctx, "http next upstream, %x", failure);
  ++r->core->metrics.upstream_failures;
  if (failure == kFailTimeout) say(u, kLogError, ETIMEDOUT, "upstream timed out");
  if (failure != kFailNoLive) report(u, failure != kFailHttp403 && failure != kFailHttp404);
  bool is_balanced = u->balancer && u->balancer->address.len;
  if (u->peer.is_cached && failure == kFailError && !is_balanced) ++u->peer.tries;  // it had gone stale
  int32_t status = status_of(failure);
  u->attempt().status = status;
  drop_connection(u, false);
  end_attempt(u);
  uint32_t needed = failure;
  if (u->is_request_sent && !is_idempotent(r)) needed |= kFailNonIdempotent;
  uint64_t limit = u->conf->next_upstream_timeout;
  bool is_late = limit && loop_of(u)->now_ms() - u->first_ms >= limit;
  bool is_gone = r->conn->is_closed && !outlives_client(u);
  if (u->peer.tries == 0 || (u->conf->next_upstream & needed) != needed || is_late || is_gone) {
    bool may_be_stale =
        upstream_cache_may_be_stale(u, failure) ||
        (u->cache_status == CacheStatus::expired && u->cache->may_be_stale_for_error && u->cache->fd >= 0);
    return may_be_stale && !is_gone ? send_stale(u) : finish(u, is_gone ? 499 : status);
  }
  u->head_size = u->head_used = 0;
  u->headers.size = 0;
  u->request.clear(r->core->net.blocks);
  Rc rc = u->module->create_request(u);
  if (rc != kOk) return finish(u, rc);
  connect_next(u);
}

static bool is_plain_refusal(int err) {
  return err == ECONNREFUSED || err == EAGAIN || err == ECONNRESET || err == ENETDOWN || err == ENETUNREACH ||
         err == EHOSTDOWN || err == EHOSTUNREACH;
}

static void begin_attempt(Upstream *u) {
  UpstreamAttempt *a = u->attempts.push(u->r->arena);
  a->is_redirected = u->attempts.size > 1 && u->first_ms == 0;
  a->started_ms = loop_of(u)->now_ms();
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

static void connect_chosen(Upstream *u);

/// What the balancer's end means: to the server it named, or the answer it wants.
static void balanced(Upstream *u, Rc rc) {
  UpstreamBalancer *b = u->balancer;
  if (rc != kOk && rc != kDone) return finish(u, rc < 100 ? 500 : rc);
  u->peer.tries += b->more_tries;
  if (b->wants_new_request) {
    u->request.clear(u->r->core->net.blocks);
    rc = u->module->create_request(u);
    if (rc != kOk) return finish(u, rc);
  }
  connect_chosen(u);
}

void upstream_balanced(Request *r, Rc rc) {
  if (r->upstream && !r->upstream->is_ended) balanced(r->upstream, rc);
}

static void connect_next(Upstream *u) {
  Request *r = u->r;
  set_action(u, "connecting to upstream");
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
  end_attempt(u);
  finish(u, 500);
}

static void connect_chosen(Upstream *u) {
  Request *r = u->r;
  if (!choose_peer(u)) {
    u->attempt().peer = u->peer.group ? Str(u->peer.group->conf->name) : u->peer.name;
    u->peer.name = u->attempt().peer;
    say(u, kLogError, 0, "no live upstreams");
    return next(u, kFailNoLive);
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
  u->out = outgoing_open(&r->core->net, u->peer.address, u->has_local ? &u->local : nullptr, &kEvents, u, call);
  if (!u->out) {
    int err = errno;
    if (Str(call) != "connect") return open_failed(u, call, err);
    log_write(r->log(), is_plain_refusal(err) ? kLogError : kLogCrit, err, &r->log_ctx, "%s() to %.*s failed", call,
              static_cast<int>(u->peer.name.size()), u->peer.name.data());
    return next(u, kFailError);
  }
  if (u->out->is_connecting) return outgoing_read_timeout(u->out, u->connect_timeout);
  on_connected(u->out, 0);
}

// --- the reply's head ------------------------------------------------------------------------------------------------

static uint32_t failure_of_status(int32_t status) {
  switch (status) {
    case 500: return kFailHttp500;
    case 502: return kFailHttp502;
    case 503: return kFailHttp503;
    case 504: return kFailHttp504;
    case 403: return kFailHttp403;
    case 404: return kFailHttp404;
    case 429: return kFailHttp429;
    default: return 0;
  }
}

/// The status asks for another server, if there is one.
static bool wants_next(Upstream *u) {
  uint32_t failure = failure_of_status(u->status);
  if (!failure || !(u->conf->next_upstream & failure) || u->peer.tries <= 1) return false;
  return is_idempotent(u->r) || (u->conf->next_upstream & kFailNonIdempotent);
}

/// proxy_intercept_errors: the location's own page stands for the upstream's.
static bool is_intercepted(const Upstream *u) {
  if (!u->conf->intercept_errors || u->status < 300 || u->r->is_error_page) return false;
  for (const ErrorPage &page : u->r->conf->error_pages)
    for (int32_t code : page.codes)
      if (code == u->status) return true;
  return false;
}

static void intercept(Upstream *u) {
  Request *r = u->r;
  upstream_cache_intercepted(u);
  if (u->status == 401)
    for (const HttpHeader &h : u->headers)
      if (str_iequal(h.name, "www-authenticate")) response_add_header(r, h.name, h.value);
  finish(u, u->status);
}

// --- answers from the cache ------------------------------------------------------------------------------------------

/// The reply of u->cache's file as the answer. False, with nothing sent, when its head cannot be read. `said`: what a 304
/// has said of times, whose file is kept for longer then.
static bool send_cached(Upstream *u, const CacheMeta *said = nullptr) {
  Request *r = u->r;
  Cache *c = u->cache;
  if (u->out) {  // a reply that is not used; one without a body leaves the connection fit for another request
    report(u, false);
    drop_connection(u, u->is_body_done && u->may_keep && u->request.is_empty() && u->head_used == u->head_size);
  }
  u->headers.size = 0;
  u->head = const_cast<char *>(c->head.data());
  u->head_size = static_cast<uint32_t>(c->head.size());
  u->head_used = 0;
  if (u->module->parse_head(u) != kOk || u->head_used != u->head_size) return false;
  u->is_cached = true;
  u->is_cacheable = false;
  if (said) {
    upstream_cache_judge(u);
    upstream_cache_confirm(u, *said);
  }
  if (u->is_background) return finish(u, kOk), true;
  Rc rc = u->module->process_head(u);
  if (rc != kOk) return finish(u, rc), true;
  u->is_head_done = true;
  ++r->running;
  rc = output_send_header(r);
  if (rc == kAgain) r->resp.allow_ranges = false;  // a Lua filter waits, and the content is queued for it now
  if (!r->out.is_last_queued && (rc == kAgain || !r->out.is_bodiless))
    file_body_send(r, cache_take_file(c), c->meta.body_start, c->meta.body_bytes);
  --r->running;
  finish(u, kOk);
  return true;
}

static void send_stale(Upstream *u) {
  u->cache_status = CacheStatus::stale;
  if (!send_cached(u)) finish(u, 500);
}

/// The server has answered 304 to our own condition.
static void send_confirmed(Upstream *u) {
  u->cache_status = CacheStatus::revalidated;
  CacheMeta said = u->cache->meta;
  if (!send_cached(u, &said)) finish(u, 500);
}

// --- the reply's head, in work ---------------------------------------------------------------------------------------

/// Nobody needs what follows: not the client, not the cache.
static bool is_body_unwanted(const Upstream *u) {
  if (u->is_cacheable) return false;
  return u->is_background || u->r->out.is_last_queued || (u->cache && u->r->out.is_bodiless);
}

/// The head goes to the client, and into the cache.
static void pass_head(Upstream *u) {
  Request *r = u->r;
  ++r->running;  // nothing frees the request under us
  if (!u->is_background) output_send_header(r);
  if (r->out.is_last_queued) u->is_cacheable = false;  // a filter has answered in its place: as in nginx that is all
  upstream_cache_keep(u);
  --r->running;
  if (r->conn->is_closed && !outlives_client(u)) return finish(u, 499);
  if (u->is_body_done || is_body_unwanted(u)) return finish(u, kOk);
  read_body(u);
}

/// The head is whole: to the client with it.
static void head_done(Upstream *u) {
  UpstreamAttempt &a = u->attempt();
  a.status = u->status;
  a.header_ms = static_cast<int64_t>(loop_of(u)->now_ms() - a.started_ms);
  if (wants_next(u)) return next(u, failure_of_status(u->status));
  upstream_cache_judge(u);
  if (upstream_cache_may_be_stale(u, failure_of_status(u->status))) return send_stale(u);
  if (upstream_cache_is_confirmed(u)) return send_confirmed(u);
  if (!u->is_background && is_intercepted(u)) return intercept(u);
  Rc rc = u->is_background ? static_cast<Rc>(kOk) : u->module->process_head(u);
  if (rc == kDone) {
    finish(u, kDone);
    return;
  }
  if (rc != kOk) return finish(u, rc);
  u->is_head_done = true;
  outgoing_write_timeout(u->out, 0);
  set_action(u, "reading upstream");
  pass_head(u);
}

static void read_head(Upstream *u) {
  for (;;) {
    uint32_t room = u->head_capacity - u->head_size;
    ssize_t n = outgoing_recv(u->out, u->head + u->head_size, room);
    if (n < 0 && errno == EAGAIN) return outgoing_read_timeout(u->out, u->read_timeout);
    if (n < 0) {
      say(u, kLogError, errno, "recv() failed");
      return next(u, kFailError);
    }
    if (n == 0) {
      say(u, kLogError, 0, "upstream prematurely closed connection");
      return next(u, kFailError);
    }
    u->head_size += static_cast<uint32_t>(n);
    Rc rc = u->module->parse_head(u);
    if (rc == kOk) return head_done(u);
    if (rc == kAgain && u->head_size == u->head_capacity) {
      say(u, kLogError, 0, "upstream sent too big header");
      rc = kError;
    }
    if (rc != kAgain) return next(u, kFailInvalidHeader);
    if (!u->out->may_read) return outgoing_read_timeout(u->out, u->read_timeout);
  }
}

// --- the body --------------------------------------------------------------------------------------------------------

/// What of the body's next bytes lies in the one range that the client asked for of a stream.
static Str in_range(Upstream *u, Str data) {
  uint64_t at = u->body_at;
  u->body_at += data.size();
  if (!u->r->out.ranges) return data;
  const RangePart &part = u->r->out.ranges->parts.data[0];
  if (part.end <= at || part.start >= u->body_at) return {};
  if (part.end < u->body_at) data.remove_suffix(static_cast<size_t>(u->body_at - part.end));
  if (part.start > at) data.remove_prefix(static_cast<size_t>(part.start - at));
  return data;
}

void upstream_emit(Upstream *u, Str data) {
  if (data.empty()) return;
  Request *r = u->r;
  u->attempt().body_bytes += data.size();
  if (u->is_cacheable) cache_write(u->cache, data);
  if (u->is_background) return;
  data = in_range(u, data);
  if (data.empty() || r->out.is_last_queued) return;  // a body filter ended it
  ++r->running;
  if (output_is_direct(r)) {
    output_append(r, data);
  } else {
    output_queue(r, data, !u->is_buffered, false);
    output_pump(r);
  }
  --r->running;
}

/// Gives the client what is there: unbuffered at once, else when a buffer's worth has come.
static void flush(Upstream *u) {
  Request *r = u->r;
  if (u->is_background || !output_is_direct(r) || r->conn->is_closed) return;
  if (u->is_buffered && r->out.body.bytes() < u->conf->buffers_size) return;
  ++r->running;
  output_flush(r, true);
  --r->running;
}

/// The client has not taken enough of what it was given.
static bool is_backed_up(const Upstream *u) {
  const Request *r = u->r;
  if (r->conn->is_closed || u->is_background) return false;
  uint64_t limit = u->is_buffered ? u->conf->buffers_n * u->conf->buffers_size : u->conf->buffer_size;
  return r->out.first || (r->conn->is_blocked && r->conn->out.bytes() >= limit);
}

static void on_task(Task *t) {
  Upstream *u = reinterpret_cast<Upstream *>(reinterpret_cast<char *>(t) - offsetof(Upstream, task));
  if (u->is_ended) return;
  go_on(u);
}

static void post(Upstream *u) {
  u->task.run = on_task;
  loop_of(u)->post(&u->task);
}

/// The output chain is on the stack below: later in the turn.
static void on_output(OutWaiter *w, Rc) {
  Upstream *u = reinterpret_cast<Upstream *>(reinterpret_cast<char *>(w) - offsetof(Upstream, waiter));
  u->is_waiting = false;
  post(u);
}

static void wait_for_client(Upstream *u) {
  u->is_waiting = true;
  u->waiter.done = on_output;
  output_wait(u->r, &u->waiter, true);
}

/// The body's next bytes. True to go on reading; else the upstream may be over.
static bool take_body(Upstream *u, Str in) {
  Request *r = u->r;
  Rc rc = u->module->body(u, in);
  if (r->conn->is_closed && !outlives_client(u)) return finish(u, 499), false;
  if (rc == kError) return finish(u, 502), false;
  if (rc == kDone) u->is_body_done = true;
  if (u->is_body_done || is_body_unwanted(u)) return finish(u, kOk), false;
  return true;
}

static void end_of_stream(Upstream *u) {
  if (u->module->end_of_stream(u) == kDone) return finish(u, kOk);
  say(u, kLogError, 0, "upstream prematurely closed connection");
  finish(u, 502);
}

static void read_body(Upstream *u) {
  if (u->head_used < u->head_size) {  // what came with the head
    Str rest = u->head_text().substr(u->head_used);
    u->head_used = u->head_size;
    if (!take_body(u, rest)) return;
  }
  char buf[kReadSize];
  for (int i = 0; i < kReadsPerTurn; ++i) {
    flush(u);
    if (u->r->conn->is_closed && !outlives_client(u)) return finish(u, 499);
    if (is_backed_up(u)) {
      outgoing_read_timeout(u->out, 0);
      return wait_for_client(u);
    }
    if (!u->out->may_read) return outgoing_read_timeout(u->out, u->read_timeout);
    ssize_t n = outgoing_recv(u->out, buf, sizeof buf);
    if (n < 0 && errno == EAGAIN) return outgoing_read_timeout(u->out, u->read_timeout);
    if (n < 0) {
      say(u, kLogError, errno, "recv() failed");
      return finish(u, 502);
    }
    if (n == 0) return end_of_stream(u);
    if (!take_body(u, {buf, static_cast<size_t>(n)})) return;
  }
  post(u);
}

/// Something happened: goes on where it stood.
static void go_on(Upstream *u) {
  if (u->is_ended) return;
  if (u->is_head_done && u->r->conn->is_closed && !outlives_client(u)) return finish(u, 499);
  if (!u->out || u->out->is_connecting || u->is_waiting) return;
  if (!u->is_head_done) return read_head(u);
  read_body(u);
}

// --- the end ---------------------------------------------------------------------------------------------------------

/// Lets go of everything but what variables and logs tell of it.
static void settle(Upstream *u, bool is_whole) {
  if (u->is_ended) return;
  u->is_ended = true;
  Request *r = u->r;
  if (u->out && !u->out->is_connecting) report(u, false);
  drop_connection(u,
                  is_whole && u->is_body_done && u->may_keep && u->request.is_empty() && u->head_used == u->head_size);
  end_attempt(u);
  u->request.clear(r->core->net.blocks);
  if (u->is_waiting) output_unwait(r, &u->waiter);
  loop_of(u)->unpost(&u->task);
  upstream_resolve_cancel(u);
  if (u->cache) cache_free(u->cache);
}

/// The last act: `rc` is kOk (the body is complete), kDone (to redirect_uri), or a status. The request may be gone afterwards.
static void finish(Upstream *u, Rc rc) {
  if (u->is_ended) return;
  Request *r = u->r;
  upstream_cache_end(u, rc);
  settle(u, rc == kOk);
  set_action(u, u->out || u->attempts.size ? "sending to client" : nullptr);
  if (u->is_background) return http_finalize(r, kOk);
  if (rc == kDone) {
    Str uri = u->redirect_uri;
    if (!uri.empty() && uri[0] == '@') return http_named_location(r, uri);
    return http_internal_redirect(r, uri, u->redirect_args);
  }
  if (!u->is_head_done || rc == 499) return http_finalize(r, rc);
  if (rc != kOk) {
    r->is_truncated = true;
    output_cut(r);
  }
  if (rc == kOk && !r->parent && r->resp.content_length < 0 && !r->out.is_serialized && output_is_direct(r))
    output_flush(r, false);  // the upstream named no length, nor do we
  http_finalize(r, kOk);
}

static void on_free(void *arg) { settle(static_cast<Upstream *>(arg), false); }

bool upstream_client_gone(Request *r) {
  Upstream *u = r->upstream;
  if (u->is_ended) return false;
  if (outlives_client(u)) return true;
  if (!r->conn->is_closed) {  // half of it: as nginx does, the other half is not waited for
    if (r->body.state == BodyState::reading) return true;
    say(u, kLogInfo, 0,
        "epoll_wait() reported that client prematurely closed connection, so upstream connection is closed too");
    finish(u, 499);
    return true;
  }
  settle(u, false);
  return false;
}

// --- the beginning ---------------------------------------------------------------------------------------------------

static uint32_t tries_of(const Upstream *u) {
  uint32_t tries = u->peer.group ? static_cast<uint32_t>(u->peer.group->peers.size()) : u->peer.resolved_n;
  uint32_t limit = u->conf->next_upstream_tries;
  return limit && tries > limit ? limit : tries;
}

static void use_group(Upstream *u, const UpstreamGroup &conf) {
  u->peer.keep = {conf.keepalive, conf.keepalive_requests, conf.keepalive_timeout, conf.keepalive_time};
  if (conf.balancer_script >= 0) u->balancer = u->r->arena.make<UpstreamBalancer>();
}

/// The client's end of stream came before there was anything to ask. True: the request is over.
static bool is_without_client(Upstream *u) {
  Request *r = u->r;
  return r->conn->peer_closed && !r->parent && !outlives_client(u) && upstream_client_gone(r);
}

/// It is known whom to ask.
static void found_target(Upstream *u, Rc rc) {
  Request *r = u->r;
  if (rc != kOk) return finish(u, rc);
  u->peer.tries = tries_of(u);
  if (u->peer.group) use_group(u, *u->peer.group->conf);
  if (u->peer.group && u->peer.group->peers.size() > 64)
    u->peer.tried = r->arena.make_array<uint8_t>(u->peer.group->peers.size());
  if (is_without_client(u)) return;
  connect_next(u);
}

static void fetch(Upstream *u) {
  Rc rc = u->module->create_request(u);
  if (rc == kOk) rc = upstream_set_local(u);
  if (rc == kOk && !u->resolve_host.empty()) {
    if (is_without_client(u)) return;
    rc = upstream_resolve(u, found_target);
  }
  if (rc != kAgain) found_target(u, rc);
}

static void look_up(Upstream *u);

static void on_unlocked(Cache *c) { look_up(static_cast<Upstream *>(c->owner)); }

/// The answer comes from the cache, if it can.
static void look_up(Upstream *u) {
  Rc rc = u->conf->has_cache && u->module->cache_key ? upstream_cache_look(u, on_unlocked) : static_cast<Rc>(kDeclined);
  if (rc == kAgain) return;
  if (rc == kOk) {
    if (send_cached(u)) return;
    cache_close(u->cache);  // it cannot be read as a reply: as if it were not there
    u->cache_status = CacheStatus::miss;
    u->is_cached = false;
    u->head_size = u->head_used = 0;
    u->headers.size = 0;
    u->head = static_cast<char *>(u->r->arena.alloc(u->head_capacity));
  } else if (rc != kDeclined) {
    return finish(u, rc == kError ? 500 : rc);
  }
  fetch(u);
}

static void begin(Upstream *u) {
  Rc rc = u->module->target(u);
  if (rc != kOk) return finish(u, rc);
  look_up(u);
}

static void on_body(Request *, Rc rc, void *arg) {
  Upstream *u = static_cast<Upstream *>(arg);
  if (rc != kOk) return finish(u, rc);
  begin(u);
}

static Upstream *create(Request *r, const UpstreamModule *module, const UpstreamConf *conf) {
  Upstream *u = r->arena.make<Upstream>();
  if (r->upstream) u->attempts = r->upstream->attempts;
  r->upstream = u;
  request_on_free(r, on_free, u);
  u->r = r;
  u->module = module;
  u->conf = conf;
  u->connect_timeout = conf->connect_timeout;
  u->send_timeout = conf->send_timeout;
  u->read_timeout = conf->read_timeout;
  u->is_buffered = conf->buffering;
  u->head_capacity = static_cast<uint32_t>(conf->buffer_size);
  u->head = static_cast<char *>(r->arena.alloc(u->head_capacity));
  return u;
}

Rc upstream_run(Request *r, const UpstreamModule *module, const UpstreamConf *conf) {
  Upstream *u = create(r, module, conf);
  if (r->body.state == BodyState::complete) r->abi.body_read = 1;
  if (r->body.state == BodyState::unread && body_is_announced(r)) {
    Rc rc = body_read(r, on_body, u);
    if (rc == kAgain) return kAgain;
    if (rc != kOk) {
      finish(u, rc);
      return kAgain;
    }
  }
  begin(u);
  return kAgain;
}

static void on_start(Task *t) {
  Upstream *u = reinterpret_cast<Upstream *>(reinterpret_cast<char *>(t) - offsetof(Upstream, task));
  begin(u);
}

void upstream_run_background(Request *r, Upstream *of) {
  Upstream *u = create(r, of->module, of->conf);
  u->is_background = true;
  u->background_of = of;
  u->task.run = on_start;  // not from here: the main request's answer is still to be begun
  loop_of(u)->post(&u->task);
}

}  // namespace mw
