// SPDX-License-Identifier: MIT
// See gunzip.h.
#include "http/modules/gunzip.h"

#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>

#include "http/filter.h"
#include "http/modules/gzip.h"
#include "http/output.h"
#include "http/phase.h"

namespace mw {

static constexpr uint64_t kHeld = 131072;  ///< bytes that may wait for the client: gunzip_buffers' default
static constexpr unsigned kRoom = 8192;

struct Gunzip {
  Request *r = nullptr;
  z_stream z{};
  bool is_done = false;     ///< the stream has ended; what follows begins another, as `cat a.gz b.gz` would
  bool is_waiting = false;  ///< for the client, or the loop
  Chain input;              ///< not inflated yet
  OutWaiter waiter;
  Task task;
};

static void end_stream(void *arg) {
  Gunzip *g = static_cast<Gunzip *>(arg);
  if (g->r->out.holder == &g->waiter) g->r->out.holder = nullptr;
  g->r->core->loop->unpost(&g->task);
  g->input.clear(g->r->core->net.blocks);
  inflateEnd(&g->z);
}

static Gunzip *begin_stream(Request *r) {
  Gunzip *g = r->arena.make<Gunzip>();
  if (inflateInit2(&g->z, MAX_WBITS + 16) != Z_OK) {
    log_write(r->log(), kLogAlert, 0, &r->log_ctx, "inflateInit2() failed");
    return nullptr;
  }
  g->r = r;
  request_on_free(r, end_stream, g);
  return g;
}

void gunzip_filter_header(Request *r) {
  if (!str_iequal(response_header(r, "Content-Encoding"), "gzip")) return;
  if (r->conf->gzip_vary) response_add_header(r, "Vary", "Accept-Encoding");
  if (!r->parent && gzip_is_client_fit(r)) return;
  if (!r->out.is_bodiless) {
    Gunzip *g = begin_stream(r);
    if (!g) return;
    r->out.gunzip = g;
    r->out.filters |= kFilterGunzip;
  }
  response_clear_header(r, "Content-Encoding");
  r->resp.content_length = -1;
  r->resp.allow_ranges = false;
  response_clear_header(r, "Accept-Ranges");
  gzip_weaken_etag(r);
}

/// The client must see that the response is broken.
static void fail(Request *r) {
  Gunzip *g = static_cast<Gunzip *>(r->out.gunzip);
  g->input.clear(r->core->net.blocks);
  output_cut(r);
  http_filter_failed(r);
  r->out.filters &= ~static_cast<uint32_t>(kFilterGunzip);
}

/// Runs the stream over `text`, into `to`, for one buffer. False when it is no gzip.
static bool inflate_some(Request *r, Gunzip *g, Chain &to, Str &text) {
  z_stream &z = g->z;
  if (g->is_done && !text.empty()) {
    g->is_done = false;
    inflateReset(&z);
  }
  z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  z.avail_in = static_cast<unsigned>(text.size());
  z.next_out = reinterpret_cast<Bytef *>(to.reserve(r->core->net.blocks, kRoom));
  z.avail_out = kRoom;
  int rc = inflate(&z, Z_NO_FLUSH);
  to.advance(kRoom - z.avail_out);
  text = text.substr(text.size() - z.avail_in);
  if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
    log_write(r->log(), kLogError, 0, &r->log_ctx, "inflate() failed: %d, %d", Z_NO_FLUSH, rc);
    return fail(r), false;
  }
  g->is_done = rc == Z_STREAM_END;
  return true;
}

static void on_task(Task *t);

static void post(Gunzip *g) {
  g->is_waiting = true;
  g->task.run = on_task;
  g->r->core->loop->post(&g->task);
}

static void on_output(OutWaiter *w, Rc) {
  post(reinterpret_cast<Gunzip *>(reinterpret_cast<char *>(w) - offsetof(Gunzip, waiter)));
}

static void on_task(Task *t) {
  Gunzip *g = reinterpret_cast<Gunzip *>(reinterpret_cast<char *>(t) - offsetof(Gunzip, task));
  if (g->r->conn->is_blocked && !g->r->conn->is_closed) {
    g->waiter.done = on_output;
    g->is_waiting = !g->r->out.holder;  // else another filter's wait ends this one, too
    if (g->is_waiting) g->r->out.holder = &g->waiter;
    return;
  }
  g->is_waiting = false;
  output_go_on(g->r);
}

/// The client has not taken enough of what it was given. Output that subrequests are placed in is not held.
static bool is_backed_up(const Request *r, const Chain &to) {
  bool has_place = r->parent || r->out.is_diverted || r->subs || (r->out.filters & kFilterEcho);
  return !has_place && r->conn->out.bytes() + to.bytes() >= kHeld;
}

/// Inflates what the client has room for. False when some of the input is kept.
static bool inflate_input(Request *r, Gunzip *g, Chain &to) {
  BlockPool &pool = r->core->net.blocks;
  bool may_have_more = true;  // in the stream: the last buffer was filled
  while (!g->input.is_empty() || may_have_more) {
    if (is_backed_up(r, to)) return false;
    Str text = g->input.is_empty() ? Str{} : g->input.first()->view();
    uint64_t size = text.size();
    if (!inflate_some(r, g, to, text)) return true;
    g->input.consume(pool, size - text.size());
    may_have_more = !g->is_done && g->z.avail_out == 0;
  }
  return true;
}

void gunzip_filter_body(Request *r, Chain &body, bool last) {
  Gunzip *g = static_cast<Gunzip *>(r->out.gunzip);
  BlockPool &pool = r->core->net.blocks;
  g->input.take(pool, body);
  bool is_unwanted = r->is_aborted || (r->conn->is_closed && !r->parent);
  if (is_unwanted) g->input.clear(pool);
  r->out.is_held = !is_unwanted && !inflate_input(r, g, body);
  if (r->out.is_held) {
    if (!g->is_waiting) post(g);
    return;
  }
  if (!last || is_unwanted || g->is_done || !(r->out.filters & kFilterGunzip)) return;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "inflate() returned %d on response end", Z_BUF_ERROR);
  fail(r);
}

}  // namespace mw
