// SPDX-License-Identifier: MIT
// See upstream.h: how a request comes to the engine, and how it leaves it. What lies between is in the files of upstream_steps.h.
#include "http/upstream.h"

#include "http/body.h"
#include "http/phase.h"
#include "http/upstream_cache.h"
#include "http/upstream_steps.h"

namespace mw {

// --- the end ---------------------------------------------------------------------------------------------------------

/// Lets go of everything but what variables and logs tell of it.
static void settle(Upstream *u, bool is_whole) {
  if (u->is_ended) return;
  u->is_ended = true;
  Request *r = u->r;
  if (u->out && !u->out->is_connecting) upstream_report(u, false);
  peers_release(r->core->peer_state.get(), u->peer);
  if (u->stream) upstream_body_end(u);  // first: an open body forbids that its connection is kept
  upstream_drop_connection(
      u, is_whole && u->is_body_done && u->may_keep && u->request.is_empty() && u->head_used == u->head_size);
  upstream_end_attempt(u);
  u->request.clear(r->core->net.blocks);
  upstream_tunnel_end(u);
  upstream_pace_end(u);
  upstream_store_end(u, false);
  if (u->is_waiting) output_unwait(r, &u->waiter);
  upstream_loop(u)->unpost(&u->task);
  upstream_resolve_cancel(u);
  if (u->cache) cache_free(u->cache);
}

void upstream_settle(Upstream *u, Rc rc) {
  upstream_cache_end(u, rc);
  upstream_store_end(u, rc == kOk && u->is_body_done);
  settle(u, rc == kOk || rc == u->status);  // a page of ours may stand for a reply that is whole
  upstream_set_action(u, u->out || u->attempts.size ? "sending to client" : nullptr);
}

static void answer(Upstream *u, Rc rc) {
  Request *r = u->r;
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

void upstream_settled(Request *r) { answer(r->upstream, kOk); }

void upstream_finish(Upstream *u, Rc rc) {
  if (u->is_ended) return;
  upstream_settle(u, rc);
  answer(u, rc);
}

static void on_free(void *arg) {
  Upstream *u = static_cast<Upstream *>(arg);
  u->r->body.is_streamed = false;  // its connection may be gone
  settle(u, false);
}

bool upstream_client_gone(Request *r) {
  Upstream *u = r->upstream;
  if (u->is_ended) return false;
  if (!r->conn->is_closed && r->body.state == BodyState::reading) return false;  // it may have sent all of that before
  if (upstream_outlives_client(u)) return true;
  if (!r->conn->is_closed) {  // half of it: as nginx does, the other half is not waited for
    upstream_say(
        u, kLogInfo, 0,
        "epoll_wait() reported that client prematurely closed connection, so upstream connection is closed too");
    upstream_finish(u, 499);
    return true;
  }
  settle(u, false);
  return false;
}

// --- the beginning ---------------------------------------------------------------------------------------------------

static uint32_t tries_of(const Upstream *u) {
  uint32_t tries = u->peer.group ? u->peer.group->live : u->peer.resolved_n;
  uint32_t limit = u->conf->next_upstream_tries;
  return limit && tries > limit ? limit : tries;
}

/// The client's end of stream came before there was anything to ask. True: the request is over.
static bool is_without_client(Upstream *u) {
  Request *r = u->r;
  if (!r->conn->peer_closed || r->parent || upstream_outlives_client(u)) return false;
  if (!r->conn->is_closed) return upstream_client_gone(r);
  upstream_finish(u, 499);
  return true;
}

/// It is known whom to ask.
static void found_target(Upstream *u, Rc rc) {
  if (rc != kOk) return upstream_finish(u, rc);
  u->peer.tries = tries_of(u);
  if (u->peer.group) upstream_enter_group(u);
  if (is_without_client(u)) return;
  upstream_connect_next(u);
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
    if (upstream_send_cached(u, nullptr)) return;
    cache_close(u->cache);  // it cannot be read as a reply: as if it were not there
    u->cache_status = CacheStatus::miss;
    u->is_cached = false;
    u->head_size = u->head_used = 0;
    u->headers.size = 0;
    u->head = static_cast<char *>(u->r->arena.alloc(u->head_capacity));
  } else if (rc != kDeclined) {
    return upstream_finish(u, rc == kError ? 500 : rc);
  }
  fetch(u);
}

static void begin(Upstream *u) {
  Rc rc = u->module->target(u);
  if (rc != kOk) return upstream_finish(u, rc);
  look_up(u);
}

static void on_body(Request *, Rc rc, void *arg) {
  Upstream *u = static_cast<Upstream *>(arg);
  if (rc != kOk) return upstream_finish(u, rc);
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
  if (r->body.state == BodyState::complete) {
    if (!body_is_announced(r)) body_send_continue(r);
    r->abi.body_read = 1;
  }
  if (r->body.state == BodyState::unread && body_is_announced(r)) {
    bool is_streamed = module->may_stream && !conf->request_buffering && module->may_stream(u);
    Rc rc = is_streamed ? upstream_body_begin(u) : body_read(r, on_body, u);
    if (rc == kAgain && u->stream) return begin(u), kAgain;
    if (rc == kAgain) return kAgain;
    if (rc != kOk) {
      upstream_finish(u, rc);
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
  upstream_loop(u)->post(&u->task);
}

}  // namespace mw
