// SPDX-License-Identifier: MIT
// See upstream_steps.h: proxy_request_buffering off. The client's body goes to the server as it comes, in chunks when its length is
// not known; no more of it is read than client_body_buffer_size before the server takes some. Once the request has begun to go
// out it cannot go to another server, and as in nginx nothing more of it is sent once the reply has begun.
#include <stdio.h>

#include <utility>

#include "http/body.h"
#include "http/upstream_steps.h"

namespace mw {

/// In the request's arena.
struct UpstreamStream {
  Task task;  ///< first: reads on, later in the turn
  Upstream *u = nullptr;
  Chain fresh;             ///< what has come since upstream_body_fetch()
  uint64_t length = 0;     ///< as announced, by the client or by Lua
  uint64_t full_ms = 0;    ///< when the server began to take no more; 0: it does
  bool is_whole = false;   ///< all of it has come
  bool has_ended = false;  ///< and has been put out, or will not be
};

static Upstream *of(Task *t) { return reinterpret_cast<UpstreamStream *>(t)->u; }

static BlockPool &blocks(const Upstream *u) { return u->r->core->net.blocks; }

static bool may_send(const Upstream *u) { return u->out && !u->out->is_connecting && !u->is_head_done && !u->is_ended; }

/// The body has ended, in whatever way.
static void on_body(Request *, Rc rc, void *arg) {
  Upstream *u = static_cast<Upstream *>(arg);
  if (rc != kOk) return upstream_finish(u, rc);
  u->stream->is_whole = true;
  if (may_send(u) && !u->out->is_blocked) upstream_send_request(u);
}

Rc upstream_body_begin(Upstream *u) {
  UpstreamStream *s = u->stream = u->r->arena.make<UpstreamStream>();
  s->u = u;
  s->task.run = [](Task *t) {
    Upstream *v = of(t);
    if (v->r->body.is_streamed) body_readable(v->r);
  };
  s->length = u->r->body.remaining;
  Rc rc = body_read_streamed(u->r, on_body, u);
  if (rc == kAgain) return rc;
  if (rc == kOk && u->r->body.total > u->r->conf->client_body_buffer_size) {  // there is no other copy of it
    s->is_whole = true;
    return kAgain;
  }
  s->fresh.clear(blocks(u));
  u->stream = nullptr;
  return rc;
}

void upstream_body_take(Request *r, Str data) { r->upstream->stream->fresh.append(r->core->net.blocks, data); }

bool upstream_body_is_full(const Request *r) {
  const Upstream *u = r->upstream;
  uint64_t waiting = u->stream->fresh.bytes() + (u->is_request_sent ? u->request.bytes() : 0);
  return waiting > 0 && waiting >= r->conf->client_body_buffer_size;
}

uint64_t upstream_body_length(const Upstream *u) { return u->stream->length; }

void upstream_body_pause(const Request *r) { r->upstream->stream->full_ms = r->core->loop->now_ms(); }

uint64_t upstream_body_resume(const Request *r) {
  uint64_t since = std::exchange(r->upstream->stream->full_ms, 0);
  return since ? r->core->loop->now_ms() - since : 0;
}

void upstream_body_progress(Request *r) {
  Upstream *u = r->upstream;
  if (may_send(u) && !u->out->is_blocked && !u->stream->fresh.is_empty()) upstream_send_request(u);
}

bool upstream_body_fetch(Upstream *u) {
  UpstreamStream *s = u->stream;
  if (s->has_ended) return true;
  BlockPool &pool = blocks(u);
  bool is_chunk = u->r->head.chunked && !s->fresh.is_empty();
  if (is_chunk) {
    char size[24];
    int n = snprintf(size, sizeof size, "%llx\r\n", static_cast<unsigned long long>(s->fresh.bytes()));
    u->request.append(pool, {size, static_cast<size_t>(n)});
  }
  u->request.take(pool, s->fresh);
  if (is_chunk) u->request.append(pool, "\r\n");
  if (!s->is_whole) return false;
  if (u->r->head.chunked) u->request.append(pool, "0\r\n\r\n");
  upstream_body_end(u);
  return true;
}

void upstream_body_go_on(Upstream *u) {
  if (!u->stream->task.is_queued) upstream_loop(u)->post_next(&u->stream->task);
}

void upstream_body_end(Upstream *u) {
  UpstreamStream *s = u->stream;
  Request *r = u->r;
  if (s->has_ended) return;
  s->has_ended = true;
  upstream_loop(u)->unpost(&s->task);
  s->fresh.clear(blocks(u));
  bool is_open = !s->is_whole && r->body.is_streamed && r->body.state == BodyState::reading;
  r->body.is_streamed = false;
  if (!is_open) return;
  u->may_keep = false;
  body_forget(r);
  body_release(r);                        // the part that has come is not the body
  r->body.state = BodyState::discarding;  // from here on it is nobody's
  if (!r->conn->is_closed && !r->conn->is_blocked) connection_clear_timeout(r->conn);
}

}  // namespace mw
