// SPDX-License-Identifier: MIT
// The upstream engine's use of the response cache: when an answer comes from there, and which replies go into it. The rules
// are nginx's (X-Accel-Expires before Cache-Control before Expires; Set-Cookie and Vary). Worker's thread.
#pragma once
#include "http/cache.h"
#include "http/upstream.h"

namespace mw {

/// Looks the request up. kOk: the file of u->cache is the answer. kDeclined: to be fetched. kAgain: `wake` is called. Else a
/// status, or kError (logged).
Rc upstream_cache_look(Upstream *u, void (*wake)(Cache *c));
/// Reads from the head of a reply whether, and how long, it may be kept.
void upstream_cache_judge(Upstream *u);
/// An expired file may stand for an attempt that failed so (bits of UpstreamFailure).
bool upstream_cache_may_be_stale(const Upstream *u, uint32_t failure);
/// The reply says that the expired file is still good.
bool upstream_cache_is_confirmed(const Upstream *u);
/// Keeps the file for longer: once its head has been read as the answer. `valid_s` and others: what the reply said.
void upstream_cache_confirm(Upstream *u, const CacheMeta &said);
/// The head goes to the client: what follows is stored, or the cache is let go of.
void upstream_cache_keep(Upstream *u);
/// error_page answers in place of the reply.
void upstream_cache_intercepted(Upstream *u);
/// The request is over with `rc`: stores, or lets go.
void upstream_cache_end(Upstream *u, Rc rc);
/// What the server is asked to compare with: $upstream_cache_last_modified and $upstream_cache_etag. Empty: nothing.
Str upstream_cache_last_modified(const Upstream *u);
Str upstream_cache_etag(const Upstream *u);
/// The file's update goes on in a subrequest that nobody waits for. False when none can be made.
bool upstream_cache_update_in_background(Upstream *u);

}  // namespace mw
