// SPDX-License-Identifier: MIT
// The phase engine: takes a request with a parsed head through nginx's phases to the end of its log phase. Re-entered by
// internal redirects, named locations and error pages. A step that answers kAgain parks the request; http_lua_done() or the
// completed operation continues it.
#pragma once
#include "http/lua_hook.h"
#include "http/request.h"

namespace mw {

struct Handover;

/// Starts a request whose head is complete, from the first phase.
void http_start(Request *r);
/// Runs steps from r->step until the request parks or ends. `r` may be gone afterwards.
void http_run_phases(Request *r);
/// Ends the handler that `rc` came from: nginx's ngx_http_finalize_request. `r` may be gone afterwards.
void http_finalize(Request *r, Rc rc);
/// Restarts at `uri` (raw path, copied) as an internal redirect; 500 after ten.
void http_internal_redirect(Request *r, Str uri, Str args);
/// Continues in the named location "@name"; 500 when there is none.
void http_named_location(Request *r, Str name);
/// Answers `status` with its error_page or nginx's built-in page.
void http_special_response(Request *r, int32_t status);
/// Whether an error_page of r's location answers this status (and r does not answer another one already).
bool http_has_error_page(const Request *r, int32_t status);
/// From a header filter: the queued response becomes the built-in page of `status` (or nothing).
void http_replace_response(Request *r, int32_t status);
/// Output is all handed to the connection: log phase, then the connection's next request.
void request_finish(Request *r);
/// The parked log handler of a detached request ended.
void http_log_done(Request *r);
/// A handler asked for ngx.exec(): goes there.
void http_exec_pending(Request *r);
/// A Lua filter failed: the response cannot be completed truthfully; the connection closes without its end.
void http_filter_failed(Request *r);
/// expires, then add_header.
void http_add_headers(Request *r);
/// add_trailer: does the response end with some? It is chunked then.
bool http_expects_trailers(const Request *r);
void http_put_trailers(Request *r, Chain &to);
/// The connection broke while `r` was running, or is to be dropped: ends its request and closes it.
void http_connection_failed(Connection *c);
/// Redirect with a Location header; `status` 301, 302, 303, 307 or 308.
void http_redirect(Request *r, Str location, int32_t status);

/// The protocol's entry for an accepted descriptor.
extern const Protocol http_protocol;
void http_accept(HttpCore *core, int fd, Listener *l, const sockaddr *peer, socklen_t len);
/// The connection may take its next request (called by request_finish). Defined in http_connection.cpp.
void http_connection_next(Connection *c, bool keepalive, bool linger, uint64_t idle_ms);
/// The response is out but the request body is still arriving: sends what there is, and calls request_finish() again when the
/// body has been thrown away, or has had lingering_time.
void http_connection_await_discard(Connection *c);
/// Sends what there is of an answer, now or at the end of the batch that its request belongs to.
void http_connection_send(Connection *c);
/// Says in the log, as nginx does, that `r`'s client takes no output (errno, or ETIMEDOUT).
void http_connection_unsendable(Request *r, int err, const char *what);
/// lua_check_client_abort: a handler waits now; if its client has gone already, it is told later in this turn.
void http_connection_recheck(Connection *c);
/// What the worker's connections are doing: reading a head, being answered, or idle (stub_status).
struct ConnectionCounts {
  uint64_t reading = 0, writing = 0, waiting = 0;
};
ConnectionCounts http_connection_counts(const HttpCore *core);
/// The worker ends. Connections go to the worker that `core->pass_on` finds, idle ones now, others after the request under
/// way; those that nobody takes close then, or now when they are idle. Defined in handover.cpp.
void http_drain(HttpCore *core);
/// Closes connections that wait for their next request, the oldest first, `most` at most. Returns how many.
uint32_t http_close_idle(HttpCore *core, uint32_t most);
/// A connection that another worker gives up.
void http_take_over(HttpCore *core, Handover &from, Listener *l);
/// Every connection breaks, as if its client had gone: the time to drain is over.
void http_break_all(HttpCore *core);

}  // namespace mw
