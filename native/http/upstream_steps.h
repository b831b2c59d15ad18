// SPDX-License-Identifier: MIT
// What the files of the upstream engine use of each other. The way of an attempt (upstream_attempt.cpp): connect -> send, then
// the reply (upstream_reply.cpp): head -> body; every failure before the reply's header has gone out comes to upstream_next(),
// which tries another server or answers the request; every end to upstream_finish() (upstream.cpp). Worker's thread.
#pragma once
#include "http/upstream.h"

namespace mw {

struct CacheMeta;

// upstream_attempt.cpp

/// A new attempt: the next server is chosen and connected to.
void upstream_connect_next(Upstream *u);
/// This attempt failed (a bit of UpstreamFailure): the next one, or the answer.
void upstream_next(Upstream *u, uint32_t failure);
/// Tells the group, or the balancer, how the attempt went.
void upstream_report(Upstream *u, bool failed);
/// Lets go of the connection: closed, or kept for another request.
void upstream_drop_connection(Upstream *u, bool may_keep);
/// Its time ends here, if it has not yet.
void upstream_end_attempt(Upstream *u);
/// proxy_next_upstream_timeout is over: no other server is tried.
bool upstream_is_late(const Upstream *u);
/// A request that may be sent to a second server after the first may have had it.
bool upstream_is_idempotent(const Request *r);

/// Sends what there is of the request, and reads the reply if it has begun.
void upstream_send_request(Upstream *u);

// upstream_body.cpp

/// proxy_request_buffering off: begins to read the client's body, which is sent as it comes. kOk: all of it is here, and sent as
/// ever. kAgain, with u->stream: the request may be begun. Or a status.
Rc upstream_body_begin(Upstream *u);
/// Puts what has come behind what is to be sent. False while more is to come.
bool upstream_body_fetch(Upstream *u);
/// There is room for more.
void upstream_body_go_on(Upstream *u);
/// Nothing more of it is sent.
void upstream_body_end(Upstream *u);

// upstream_reply.cpp

/// The request has been sent, and the reply begins.
void upstream_read_head(Upstream *u);
/// Something happened: goes on where it stood.
void upstream_go_on(Upstream *u);
/// The reply of u->cache's file as the answer. False, with nothing sent, when its head cannot be read. `said`: what a 304
/// has said of times, whose file is kept for longer then; else null.
bool upstream_send_cached(Upstream *u, const CacheMeta *said);
/// The same for an expired file that stands for a failure.
void upstream_send_stale(Upstream *u);

// upstream_pace.cpp

/// The reply's body begins: proxy_limit_rate holds from here, if there is one.
void upstream_pace_begin(Upstream *u);
/// How many bytes may be read now; 0 while none may, and reading goes on by itself then.
uint64_t upstream_pace_allowance(Upstream *u);
/// So many were. True when the next have to wait.
bool upstream_pace_spend(Upstream *u, uint64_t n);
/// The reply is over.
void upstream_pace_end(Upstream *u);

// upstream_store.cpp

/// The reply's body begins, and proxy_store may want it.
void upstream_store_begin(Upstream *u);
/// Its next bytes, where u->store is there.
void upstream_store_write(Upstream *u, Str data);
/// The reply is over: it becomes a file if it is whole, else nothing is left of it.
void upstream_store_end(Upstream *u, bool is_whole);

// upstream_tunnel.cpp

/// The reply switches protocols: its head goes to the client, and from then on all bytes, both ways.
void upstream_tunnel(Upstream *u);
/// Lets go of the client's connection and of what was not sent.
void upstream_tunnel_end(Upstream *u);

// upstream.cpp

/// The answer is under way and needs nothing more of the engine, which lets go of all but what variables and logs tell of it.
void upstream_settle(Upstream *u, Rc rc);
/// And its end.
void upstream_settled(Request *r);
/// The last act: `rc` is kOk (the body is complete), kDone (to redirect_uri), or a status. The request may be gone afterwards.
void upstream_finish(Upstream *u, Rc rc);

inline Loop *upstream_loop(const Upstream *u) { return u->r->core->loop; }

/// `text` in the error log, about this request; `err` an errno, or 0.
inline void upstream_say(const Upstream *u, LogLevelId level, int err, const char *text) {
  log_write(u->r->log(), level, err, &u->r->log_ctx, "%s", text);
}

/// The request goes on without its client: as configured, or for the cache's sake.
inline bool upstream_outlives_client(const Upstream *u) { return u->conf->ignore_client_abort || u->is_cacheable; }

/// What error log lines of the whole request tree say it is about: as in nginx, it is the connection's.
inline void upstream_set_action(Upstream *u, const char *action) { u->r->action = u->r->main->action = action; }

}  // namespace mw
