// SPDX-License-Identifier: MIT
// See upstream_steps.h: the reply, of a server or of the cache, on its way to the client.
#include <errno.h>

#include "http/modules/file_body.h"
#include "http/modules/range.h"
#include "http/subrequest.h"
#include "http/upstream_cache.h"
#include "http/upstream_steps.h"

namespace mw {

static constexpr size_t kReadSize = 16384;
static constexpr int kReadsPerTurn = 16;  ///< then other connections get their turn

static void read_body(Upstream *u);

static void on_task(Task *t) {
  Upstream *u = reinterpret_cast<Upstream *>(reinterpret_cast<char *>(t) - offsetof(Upstream, task));
  if (u->is_ended) return;
  upstream_go_on(u);
}

static void post(Upstream *u) {
  u->task.run = on_task;
  upstream_loop(u)->post(&u->task);
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
  if (!failure || !(u->conf->next_upstream & failure) || u->peer.tries <= 1 || upstream_is_late(u)) return false;
  return upstream_is_idempotent(u->r) || (u->conf->next_upstream & kFailNonIdempotent);
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
  upstream_finish(u, u->status);
}

// --- answers from the cache ------------------------------------------------------------------------------------------

bool upstream_send_cached(Upstream *u, const CacheMeta *said) {
  Request *r = u->r;
  Cache *c = u->cache;
  if (u->out) {  // a reply that is not used; one without a body leaves the connection fit for another request
    upstream_report(u, false);
    upstream_drop_connection(u,
                             u->is_body_done && u->may_keep && u->request.is_empty() && u->head_used == u->head_size);
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
  if (u->is_background) return upstream_finish(u, kOk), true;
  Rc rc = u->module->process_head(u);
  if (rc != kOk) return upstream_finish(u, rc), true;
  u->is_head_done = true;
  ++r->running;
  rc = output_send_header(r);
  if (rc == kAgain) r->resp.allow_ranges = false;  // a Lua filter waits, and the content is queued for it now
  bool is_wanted = !r->out.is_last_queued && (rc == kAgain || !r->out.is_bodiless);
  int fd = is_wanted ? cache_take_file(c) : -1;
  uint64_t start = c->meta.body_start, size = c->meta.body_bytes;
  upstream_settle(u, kOk);  // the file may take long, and neither the cache nor a server has to do with it
  rc = is_wanted ? file_body_send(r, fd, start, size, upstream_settled) : static_cast<Rc>(kOk);
  --r->running;
  if (rc != kAgain) upstream_settled(r);
  return true;
}

void upstream_send_stale(Upstream *u) {
  u->cache_status = CacheStatus::stale;
  if (!upstream_send_cached(u, nullptr)) upstream_finish(u, 500);
}

/// The server has answered 304 to our own condition.
static void send_confirmed(Upstream *u) {
  u->cache_status = CacheStatus::revalidated;
  CacheMeta said = u->cache->meta;
  if (!upstream_send_cached(u, &said)) upstream_finish(u, 500);
}

// --- the reply's head, in work ---------------------------------------------------------------------------------------

/// Nobody needs what follows: not the client, not the cache.
static bool is_body_unwanted(const Upstream *u) {
  if (u->is_cacheable) return false;
  bool has_failed_filter = u->r->is_aborted && !u->r->conn->is_closed;
  return has_failed_filter || u->is_background || u->r->out.is_last_queued || u->r->out.is_bodiless;
}

/// The head goes to the client, and into the cache.
static void pass_head(Upstream *u) {
  Request *r = u->r;
  ++r->running;  // nothing frees the request under us
  if (!u->is_background) output_send_header(r);
  if (r->out.is_last_queued) u->is_cacheable = false;  // a filter has answered in its place: as in nginx that is all
  upstream_cache_keep(u);
  --r->running;
  if (r->conn->is_closed && !upstream_outlives_client(u)) return upstream_finish(u, 499);
  if (u->is_body_done || is_body_unwanted(u)) return upstream_finish(u, kOk);
  read_body(u);
}

/// The head is whole: to the client with it.
static void head_done(Upstream *u) {
  if (u->stream) upstream_body_end(u);  // whatever becomes of the reply, a connection with half a body is not kept
  UpstreamAttempt &a = u->attempt();
  a.status = u->status;
  a.header_ms = static_cast<int64_t>(upstream_loop(u)->now_ms() - a.started_ms);
  if (wants_next(u) && !u->stream) return upstream_next(u, failure_of_status(u->status));
  upstream_cache_judge(u);
  if (upstream_cache_may_be_stale(u, failure_of_status(u->status))) return upstream_send_stale(u);
  if (upstream_cache_is_confirmed(u)) return send_confirmed(u);
  if (!u->is_background && is_intercepted(u)) return intercept(u);
  Rc rc = u->is_background ? static_cast<Rc>(kOk) : u->module->process_head(u);
  if (rc == kDone) {
    upstream_finish(u, kDone);
    return;
  }
  if (rc != kOk) return upstream_finish(u, rc);
  u->is_head_done = true;
  outgoing_write_timeout(u->out, 0);
  if (u->is_upgraded) return upstream_tunnel(u);
  upstream_set_action(u, "reading upstream");
  upstream_pace_begin(u);
  upstream_store_begin(u);
  pass_head(u);
}

/// As in nginx one read timeout, which began when the request was sent, is that of the whole head and of what comes before it.
void upstream_read_head(Upstream *u) {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    uint32_t room = u->head_capacity - u->head_size;
    ssize_t n = outgoing_recv(u->out, u->head + u->head_size, room);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      upstream_say(u, kLogError, errno, "recv() failed");
      return upstream_next(u, kFailError);
    }
    if (n == 0) {
      upstream_say(u, kLogError, 0, "upstream prematurely closed connection");
      return upstream_next(u, kFailError);
    }
    u->head_size += static_cast<uint32_t>(n);
    Rc rc = u->module->parse_head(u);
    if (rc == kOk) return head_done(u);
    if (rc == kAgain && u->head_size == u->head_capacity) {
      upstream_say(u, kLogError, 0, "upstream sent too big header");
      rc = kError;
    }
    if (rc != kAgain) return upstream_next(u, kFailInvalidHeader);
    if (!u->out->may_read) return;
  }
  post(u);
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
  if (u->store) upstream_store_write(u, data);
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
  if (r->parent && subrequest_is_backed_up(r, limit)) return true;
  return r->out.first || r->out.is_held || (!r->parent && r->conn->is_blocked && r->conn->out.bytes() >= limit);
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
  output_wait(u->r, &u->waiter, !u->r->out.first);
}

/// The body's next bytes. True to go on reading; else the upstream may be over.
static bool take_body(Upstream *u, Str in) {
  Request *r = u->r;
  Rc rc = u->module->body(u, in);
  if (r->conn->is_closed && !upstream_outlives_client(u)) return upstream_finish(u, 499), false;
  if (rc == kError) return upstream_finish(u, 502), false;
  if (rc == kDone) u->is_body_done = true;
  if (u->is_body_done || is_body_unwanted(u)) return upstream_finish(u, kOk), false;
  return true;
}

static void end_of_stream(Upstream *u) {
  if (u->module->end_of_stream(u) == kDone) {
    u->is_body_done = true;
    return upstream_finish(u, kOk);
  }
  upstream_say(u, kLogError, 0, "upstream prematurely closed connection");
  upstream_finish(u, 502);
}

static void read_body(Upstream *u) {
  if (u->head_used < u->head_size) {  // what came with the head
    Str rest = u->head_text().substr(u->head_used);
    u->head_used = u->head_size;
    if (!take_body(u, rest)) return;
    if (u->pace) upstream_pace_spend(u, rest.size());
  }
  char buf[kReadSize];
  for (int i = 0; i < kReadsPerTurn; ++i) {
    flush(u);
    if (u->r->conn->is_closed && !upstream_outlives_client(u)) return upstream_finish(u, 499);
    if (is_backed_up(u)) {
      outgoing_read_timeout(u->out, 0);
      return wait_for_client(u);
    }
    if (!u->out->may_read) return outgoing_read_timeout(u->out, u->read_timeout);
    uint64_t room = u->pace ? upstream_pace_allowance(u) : sizeof buf;
    if (room == 0) return outgoing_read_timeout(u->out, 0);
    ssize_t n = outgoing_recv(u->out, buf, room < sizeof buf ? static_cast<size_t>(room) : sizeof buf);
    if (n < 0 && errno == EAGAIN) return outgoing_read_timeout(u->out, u->read_timeout);
    if (n < 0) {
      upstream_say(u, kLogError, errno, "recv() failed");
      return upstream_finish(u, 502);
    }
    if (n == 0) return end_of_stream(u);
    if (!take_body(u, {buf, static_cast<size_t>(n)})) return;
    if (u->pace) upstream_pace_spend(u, static_cast<uint64_t>(n));
  }
  post(u);
}

void upstream_go_on(Upstream *u) {
  if (u->is_ended) return;
  if (u->is_head_done && u->r->conn->is_closed && !upstream_outlives_client(u)) return upstream_finish(u, 499);
  if (!u->out || u->out->is_connecting || u->is_waiting) return;
  if (!u->is_head_done) return upstream_read_head(u);
  if (u->is_upgraded) return;  // its head is still to go out; the tunnel then reads
  read_body(u);
}

}  // namespace mw
