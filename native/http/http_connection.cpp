// SPDX-License-Identifier: MIT
// HTTP/1 on a connection: reading heads, starting requests one after the other, keep-alive, lingering close. A batch of
// pipelined requests is handled in one pass over the worker's receive buffer and answered with one send at its end.
#include <errno.h>
#include <sys/socket.h>

#include <utility>

#include "base/ticks.h"
#include "http/body.h"
#include "http/client.h"
#include "http/downstream.h"
#include "http/metrics.h"
#include "http/modules/access_log.h"
#include "http/output.h"
#include "http/phase.h"
#include "http/proxy_protocol.h"
#include "http/router.h"
#include "http/target.h"
#include "http/upstream.h"
#include "net/listener.h"

namespace mw {

static constexpr uint64_t kMaxQueued = 1 << 20;  ///< unsent output above which no further request is started

static Request *request_of(Connection *c) { return static_cast<Request *>(c->user); }
static HttpCore *core_of(Connection *c) { return client_core(c); }
static const ServerConf &default_server(Connection *c) { return client_default_server(c); }

static void shut(Connection *c) {
  HttpCore *core = core_of(c);
  connection_close(c);
  client_check_drained(core);
}

// --- log tail --------------------------------------------------------------------------------------------------------

/// ", client: A, server: S, request: "R", host: "H"" as nginx appends it.
static void log_tail(const LogContext *ctx, std::string &out) {
  const Request *r =
      reinterpret_cast<const Request *>(reinterpret_cast<const char *>(ctx) - offsetof(Request, log_ctx));
  char addr[64];
  if (r->action) out.append(" while ").append(r->action);
  out.append(", client: ").append(addr, client_address_text(*r->main->client, addr));
  if (r->server) out.append(", server: ").append(r->server->primary_name);
  if (!r->request_line.empty()) out.append(", request: \"").append(r->request_line).append("\"");
  if (r->parent) out.append(", subrequest: \"").append(r->uri).append("\"");
  if (r->upstream) upstream_log_tail(r, out);
  if (Str host = request_header(r, "host"); host.data()) out.append(", host: \"").append(host).append("\"");
}

// --- from head to request --------------------------------------------------------------------------------------------

/// Moves the head's bytes into the request's arena and lets every Str of `head` point there.
static void adopt_head(Request *r, const RequestHead &head, const char *from, size_t size) {
  char *to = static_cast<char *>(r->arena.alloc(size));
  if (size) memcpy(to, from, size);  // a stream server's connection has no head
  r->head = head;
  r->raw_head = {to, size};
  uint32_t capacity = head.headers.size() + 4;  // a few for ngx.req.set_header
  r->head.rebase(from, to, static_cast<HttpHeader *>(r->arena.alloc(sizeof(HttpHeader) * capacity)), capacity);
}

static bool choose_server(Request *r) {
  Connection *c = r->conn;
  r->listen_index = c->listener->index;
  Str host = r->head.host_name();
  bool upper = false;
  for (char ch : host) upper |= ch >= 'A' && ch <= 'Z';
  if (upper) {
    char *low = static_cast<char *>(r->arena.alloc(host.size()));
    for (size_t i = 0; i < host.size(); ++i) low[i] = static_cast<char>(str_lower(static_cast<unsigned char>(host[i])));
    host = {low, host.size()};
  }
  if (host.size() > 1 && host.back() == '.') host.remove_suffix(1);
  r->host = host;
  r->server = router_find_server(*r->core->router, c->listener->index, host, r);
  r->conf = &r->server->conf;
  return true;
}

/// Path, args and their normal form. False: the target is refused.
static bool set_target(Request *r) {
  Str path = r->head.origin;
  r->unparsed_uri = r->head.authority.empty() ? r->head.target : path.empty() ? Str("/") : path;
  char *room = static_cast<char *>(r->arena.alloc(path.size() + 1));
  TargetParts parts;
  if (!target_normalize(path, r->conf->merge_slashes, room, parts)) return false;
  r->uri = parts.path;
  if (!parts.args.empty()) r->args = parts.args;  // "/?" has none, as in nginx
  r->raw_uri = r->uri.data();
  r->raw_args = r->args.data();
  return true;
}

static ParseLimits limits_of(const ServerConf &s) {
  ParseLimits limits;
  limits.line = std::max(s.large_client_header_buffers_size, s.client_header_buffer_size);
  limits.total = s.large_client_header_buffers_size * s.large_client_header_buffers_n;
  limits.underscores = s.underscores_in_headers || !s.ignore_invalid_headers;
  return limits;
}

/// A request for a head that did not become one: for the sake of its answer, or of its lines in the logs.
static Request *bare_request(Connection *c, const RequestHead &head) {
  Request *r = request_create(core_of(c), c);
  c->user = r;
  c->state = kRequest;
  r->log_ctx = {c->number, log_tail};
  r->listen_index = c->listener->index;
  r->server = &default_server(c);
  r->conf = &r->server->conf;
  r->start_ms = c->net->loop->wall_ms();
  r->start_mono = c->net->loop->now_ms();
  r->ticks_began = ticks_now();
  adopt_head(r, head, c->in_pos, c->in_size());
  r->method = r->head.method;
  r->request_line = r->head.request_line;
  r->abi.http_major = 1;
  r->abi.http_minor = 1;
  r->action = r->request_line.empty() ? "reading client request line" : "reading client request headers";
  r->keepalive = false;
  r->body.state = BodyState::complete;
  return r;
}

static void refuse(Connection *c, RequestHead &head, int32_t status, const char *reason) {
  if (status == 414) head.request_line = {};
  Request *r = bare_request(c, head);
  if (r->request_line.empty()) {
    Str line = r->raw_head;
    while (!line.empty() && (line[0] == '\r' || line[0] == '\n')) line.remove_prefix(1);
    r->request_line = line.substr(0, std::min<size_t>(line.find_first_of("\r\n"), 1024));
  }
  log_write(r->log(), kLogInfo, 0, &r->log_ctx, "%s", reason);
  r->action = nullptr;
  http_special_response(r, status);
}

/// The client gave up within a head, or took too long: it gets no answer, the logs get their lines. The caller ends the
/// connection.
static void abandon_head(Connection *c, int32_t status, int err, const char *reason) {
  RequestHead head;
  head.headers.use(core_of(c)->head_room, kMaxHeaders);
  parser_parse_head(head, c->in_pos, c->in_size(), limits_of(default_server(c)));
  Request *r = bare_request(c, head);
  log_write(r->log(), kLogInfo, err, &r->log_ctx, "%s", reason);
  r->abi.status = status;
  metrics_answered(r);
  access_log_write(r);
  request_free(r);
  c->user = nullptr;
  c->state = kHead;
}

/// `began`: the reading of ticks_now() that the request counts from.
static void start_request(Connection *c, const RequestHead &head, const char *from, size_t size, uint64_t began) {
  HttpCore *core = core_of(c);
  Request *r = request_create(core, c);
  c->user = r;
  c->state = kRequest;
  ++c->requests;
  r->log_ctx = {c->number, log_tail};
  r->start_ms = core->loop->wall_ms();
  r->start_mono = core->loop->now_ms();
  r->ticks_began = began;
  adopt_head(r, head, from, size);
  r->abi.http_major = head.is_simple ? 0 : 1;
  r->abi.http_minor = head.is_simple ? 9 : head.http_minor;
  r->method = r->head.method;
  r->method_id = r->head.method_id;
  r->request_line = r->head.request_line;
  r->keepalive = r->head.keep_alive && http_may_keep_alive(core, c);
  r->expects_continue = r->head.expect_continue;
  r->body.is_chunked = r->head.chunked;
  r->body.remaining = r->head.has_content_length ? r->head.content_length : 0;
  if (!r->body.is_chunked && r->body.remaining == 0) r->body.state = BodyState::complete;
  choose_server(r);
  if (r->head.is_connect || r->method_id == kMethodTrace) {
    if (!r->head.is_connect)
      log_write(r->log(), kLogInfo, 0, &r->log_ctx, "client sent TRACE method while reading client request line");
    r->keepalive = false;
    return http_finalize(r, 405);
  }
  if (!set_target(r)) {
    log_write(r->log(), kLogInfo, 0, &r->log_ctx, "client sent invalid request while reading client request line");
    return http_finalize(r, 400);
  }
  connection_clear_timeout(c);
  http_start(r);
}

/// A stream server's connection is one request from the start, of which there is nothing to read first.
static void start_stream(Connection *c) {
  Request *r = bare_request(c, RequestHead());
  ++c->requests;
  r->is_stream = true;
  r->abi.http_major = 0;
  r->abi.http_minor = 9;
  r->action = nullptr;
  http_start(r);
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// Handles the heads that are here. False when the connection is gone or busy with a request.
static bool handle_heads(Connection *c) {
  const ServerConf &server = default_server(c);
  ParseLimits limits = limits_of(server);
  HttpCore *core = core_of(c);
  HttpHeader *room = core->head_room;
  core->ticks_ended = 0;  // the requests behind the first begin where the one before them ends: one reading serves both
  while (c->in_size() > 0) {
    // A worker that ends leaves the next one to the worker that takes the connection.
    if (core->is_draining && http_may_keep_alive(core, c)) return false;
    // What has a limited rate leaves before the next answer, which may have none.
    if (c->out.bytes() > kMaxQueued || (c->pace && !c->out.is_empty())) return false;
    RequestHead head;
    head.headers.use(room, kMaxHeaders);
    ParseResult result = parser_parse_head(head, c->in_pos, c->in_size(), limits);
    if (result.kind == ParseResult::incomplete) {
      if (c->state == kIdle) {
        c->state = kHead;
        connection_set_timeout(c, server.client_header_timeout);
      }
      return true;
    }
    if (result.kind == ParseResult::error) {
      refuse(c, head, result.status, result.reason);
      return false;
    }
    const char *from = c->in_pos;
    c->in_pos += result.consumed;
    start_request(c, head, from, result.consumed, core->ticks_ended ? core->ticks_ended : ticks_now());
    if (c->is_closed || c->state != kIdle) return false;
  }
  return true;
}

static void send_batch(Connection *c) {
  if (c->is_closed || c->out.is_empty() || c->is_blocked) return;
  SendResult rc = connection_send(c);
  if (rc == kSendFailed) return http_connection_failed(c);
  if (rc == kSendBlocked) connection_set_timeout(c, default_server(c).conf.send_timeout);
}

static void close_or_linger(Connection *c);
static void read_requests(Connection *c);
static bool check_client_abort(Request *r);

static void resume_reading(Task *t) {
  Connection *c = reinterpret_cast<Connection *>(reinterpret_cast<char *>(t) - offsetof(Connection, resume_task));
  if (c->is_closed) return;
  if (c->state <= kHead) read_requests(c);
  if (!c->is_closed && c->state == kRequest && c->peer_closed) check_client_abort(request_of(c));
}

void client_post_read(Connection *c) {
  c->resume_task.run = resume_reading;
  c->net->loop->post(&c->resume_task);
}

/// The peer's stream ended between or within heads: what is owed goes out, then we close.
static void end_of_input(Connection *c) {
  if (c->state == kHead) abandon_head(c, 400, 0, "client prematurely closed connection");
  connection_drop_input(c);
  c->state = kLinger;
  c->wants_linger = false;
  send_batch(c);
  if (!c->is_closed) close_or_linger(c);
}

/// The one loop over input: fill, handle, until the kernel has no more, a request parks, or output piles up.
static void read_requests(Connection *c) {
  if (client_pass_on(c)) return;
  c->in_reader = true;
  bool goes_on = true;
  while (goes_on && !c->is_closed) {
    if (c->in_size() > 0) goes_on = handle_heads(c);
    if (!goes_on || c->is_closed || c->state > kHead || !c->may_read) break;
    ssize_t n = connection_fill(c);
    if (n > 0) continue;
    if (n < 0 && errno == EAGAIN) break;
    c->in_reader = false;
    if (n < 0) return http_connection_failed(c);
    return end_of_input(c);
  }
  c->in_reader = false;
  if (c->is_closed) return;
  connection_keep_input(c);
  send_batch(c);
  if (c->is_closed || client_pass_on(c)) return;
  if (c->state == kLinger)
    close_or_linger(c);
  else if (c->state <= kHead && !goes_on && !c->is_blocked)
    client_post_read(c);
}

// --- protocol callbacks ----------------------------------------------------------------------------------------------

static void linger_read(Connection *c) {
  // Not the worker's receive buffer: another connection's read loop may be further up the stack, with input in it.
  char buf[4096];
  ssize_t n;
  connection_drop_input(c);
  do n = connection_read(c, buf, sizeof buf);
  while (n > 0 && c->may_read);
  if (n == 0 || (n < 0 && errno != EAGAIN)) shut(c);
}

/// lua_check_client_abort: a handler whose client has gone is ended, or told through ngx.on_abort. True when the request may
/// be over.
static bool check_client_abort(Request *r) {
  if (!r->conf->lua_check_client_abort || !r->lua || !lua_hook || r->has_lost_client || r->is_logging) return false;
  if (r->body.state == BodyState::reading || r->running) return false;
  r->has_lost_client = true;
  log_write(r->log(), kLogInfo, 0, &r->log_ctx, "epoll_wait() reported that client prematurely closed connection");
  if (!lua_hook->client_gone(r)) http_finalize(r, 499);
  return true;
}

void http_connection_recheck(Connection *c) {
  if (c->peer_closed) client_post_read(c);
}

static void on_readable(Connection *c) {
  switch (c->state) {
    case kIdle:
    case kHead: read_requests(c); break;
    case kRequest:
      if (downstream_readable(request_of(c))) break;
      if (c->peer_closed && check_client_abort(request_of(c))) break;
      if (c->peer_closed && request_of(c)->upstream && upstream_client_gone(request_of(c))) break;
      body_readable(request_of(c));
      break;
    case kLinger: linger_read(c); break;
  }
}

static void on_drained(Connection *c) {
  if (c->user) {
    // The send timeout is over; the one of a body that is still awaited is not.
    Request *r = request_of(c);
    if (r->is_stream) connection_clear_timeout(c);
    if (downstream_writable(r)) return;
    if (r->body.state == BodyState::reading)
      connection_set_timeout(c, r->conf->client_body_timeout);
    else if (r->out.is_finished && r->out.is_last_framed && r->body.state == BodyState::discarding)
      connection_set_timeout(c, r->conf->lingering_timeout);
    else
      connection_clear_timeout(c);
    return output_drained(r);
  }
  if (c->state == kLinger) return close_or_linger(c);
  connection_set_timeout(c, default_server(c).conf.keepalive_timeout);
  if (client_pass_on(c)) return;
  if (c->in_size() > 0 || c->may_read) read_requests(c);
}

/// The time for the next part of it begins anew.
static void on_blocked(Connection *c) {
  Request *r = c->state == kRequest ? request_of(c) : nullptr;
  if (r && r->abi.has_raw_socket && !r->is_stream) return;  // whoever holds it keeps its time
  connection_set_timeout(c, r ? r->conf->send_timeout : default_server(c).conf.send_timeout);
}

/// A handler that holds the connection, or waits for its bytes, learns of it when it reads or writes.
static void on_failed(Connection *c, int err) {
  Request *r = c->state == kRequest ? request_of(c) : nullptr;
  if (r && err != 0) http_connection_unsendable(r, err, "writev() failed");
  if (r && (downstream_failed(r) || r->abi.has_raw_socket)) {
    check_client_abort(r);
    return;
  }
  // As at the end of its stream: what an upstream is asked for it is over, and takes the subrequests along.
  if (r && r->subs && r->upstream) upstream_client_gone(r);
  if (!c->is_closed) http_connection_failed(c);
}

/// reset_timedout_connection: for a client that has begun a request and does not go on with it, or with its response.
static void reset_if_due(Connection *c) {
  const Request *r = c->state == kRequest ? request_of(c) : nullptr;
  bool is_late = c->state == kHead || (r && (c->is_blocked || r->body.state == BodyState::reading));
  const LocationConf &conf = r ? *r->conf : default_server(c).conf;
  if (is_late && conf.reset_timedout_connection) connection_drop_output(c);
}

static void on_timeout(Connection *c) {
  Request *r = request_of(c);
  reset_if_due(c);
  if (c->state == kRequest && r->body.state == BodyState::reading) return body_timeout(r);
  if (c->state == kHead) abandon_head(c, 408, ETIMEDOUT, "client timed out");
  if (c->state == kRequest && !c->is_blocked && r->out.is_finished &&
      r->out.is_last_framed) {  // the body was thrown away for long enough
    r->keepalive = false;
    return request_finish(r);
  }
  if (c->state == kRequest && c->is_blocked) {
    c->is_timed_out = true;
    http_connection_unsendable(r, ETIMEDOUT, "client timed out");
  }
  http_connection_failed(c);
}

const Protocol http_protocol = {on_readable, on_drained, on_blocked, on_failed, on_timeout};

// --- called by the engine --------------------------------------------------------------------------------------------

void http_accept(HttpCore *core, int fd, Listener *l, const sockaddr *peer, socklen_t len) {
  Connection *c = connection_open(&core->net, fd, l, peer, len, &http_protocol);
  if (!c) return;
  if (client_listen(c).proxy_protocol) return proxy_protocol_await(c);
  if (default_server(c).is_stream) return start_stream(c);
  connection_set_timeout(c, default_server(c).client_header_timeout);
}

void client_begin(Connection *c) {
  c->protocol = &http_protocol;
  if (!default_server(c).is_stream) return read_requests(c);
  connection_clear_timeout(c);
  connection_keep_input(c);
  start_stream(c);
}

void http_connection_unsendable(Request *r, int err, const char *what) {
  const char *before = std::exchange(r->action, "sending to client");
  log_write(r->log(), kLogInfo, err, &r->log_ctx, "%s", what);
  r->action = before;
}

void http_connection_failed(Connection *c) {
  Request *r = request_of(c);
  shut(c);
  if (!r || r->is_logging) return;
  r->is_aborted = true;
  if (!r->is_detached) {  // whatever of it waits must not find another client's connection in this one's place
    r->is_detached = true;
    connection_ref(c);
  }
  downstream_failed(r);
  if (r->running) return;  // on the stack: its end comes here again
  if (r->body.state == BodyState::reading) return body_aborted(r);
  output_drained(r);
  // As in nginx, a handler that waits runs to its end, and so do subrequests; they find the client gone when they write.
  if (r->lua || r->subs) return;
  if (r->upstream && upstream_client_gone(r)) return;
  if (r->abi.status == 0) r->abi.status = 499;
  r->out.is_finished = true;
  request_finish(r);
}

/// The last answer is out, or on its way: close, or first FIN and then drop what still comes, so that the peer can read the
/// answer before any RST.
static void close_or_linger(Connection *c) {
  if (!c->out.is_empty()) return;  // drained() comes back here
  if (!c->wants_linger) return shut(c);
  connection_set_timeout(c, default_server(c).conf.lingering_timeout);
  if (shutdown(c->fd, SHUT_WR) < 0) return shut(c);
  connection_drop_input(c);
  linger_read(c);
}

void http_connection_next(Connection *c, bool keepalive, bool linger, uint64_t idle_ms) {
  if (!keepalive) {
    c->state = kLinger;
    c->wants_linger = linger && default_server(c).conf.lingering_close != 0;
    if (c->in_reader) return;  // read_requests() sends and comes back
    send_batch(c);
    if (!c->is_closed) close_or_linger(c);
    return;
  }
  c->state = kIdle;
  c->is_pipelined = c->in_size() > 0;
  if (!c->is_blocked) connection_set_timeout(c, idle_ms);
  if (c->in_reader) return;
  send_batch(c);
  // Not from here: the caller may be deep in a handler's completion.
  if (c->is_closed || c->is_blocked) return;
  if (c->in_size() > 0 || c->may_read || core_of(c)->is_draining) client_post_read(c);
}

void http_connection_send(Connection *c) {
  if (!c->in_reader) send_batch(c);
}

void http_connection_await_discard(Connection *c) {
  http_connection_send(c);
  if (!c->is_closed) connection_set_timeout(c, request_of(c)->conf->lingering_timeout);
}

ConnectionCounts http_connection_counts(const HttpCore *core) {
  ConnectionCounts n;
  for (const Connection *c = core->net.connections; c; c = c->list_next) {
    if (c->is_closed) continue;
    ++(c->state == kHead ? n.reading : c->state == kIdle ? n.waiting : n.writing);
  }
  return n;
}

void core_shutdown(HttpCore *core) {
  core->on_drained = nullptr;
  core->net.is_ending = true;
  while (core->net.connections) connection_close(core->net.connections);
  while (core->requests) request_free(core->requests->main);
  access_log_flush(core);
  outgoing_close_all(&core->net);
}

}  // namespace mw
