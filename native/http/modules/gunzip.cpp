// SPDX-License-Identifier: MIT
// See gunzip.h.
#include "http/modules/gunzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "http/filter.h"
#include "http/modules/gzip.h"
#include "http/output.h"
#include "http/phase.h"

namespace mw {

struct Gunzip {
  z_stream z{};
  bool is_done = false;  ///< the stream has ended; what follows begins another, as `cat a.gz b.gz` would
};

static void end_stream(void *arg) { inflateEnd(&static_cast<Gunzip *>(arg)->z); }

static Gunzip *begin_stream(Request *r) {
  Gunzip *g = r->arena.make<Gunzip>();
  if (inflateInit2(&g->z, MAX_WBITS + 16) != Z_OK) {
    log_write(r->log(), kLogAlert, 0, &r->log_ctx, "inflateInit2() failed");
    return nullptr;
  }
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
  output_cut(r);
  http_filter_failed(r);
  r->out.filters &= ~static_cast<uint32_t>(kFilterGunzip);
}

/// Runs the stream over `text`, into `to`. False when it is no gzip.
static bool inflate_into(Request *r, Gunzip *g, Chain &to, Str text) {
  z_stream &z = g->z;
  BlockPool &pool = r->core->net.blocks;
  constexpr unsigned kRoom = 8192;
  z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(text.data()));
  z.avail_in = static_cast<unsigned>(text.size());
  do {
    if (g->is_done) {
      if (z.avail_in == 0) break;
      g->is_done = false;
      inflateReset(&z);
    }
    z.next_out = reinterpret_cast<Bytef *>(to.reserve(pool, kRoom));
    z.avail_out = kRoom;
    int rc = inflate(&z, Z_NO_FLUSH);
    to.advance(kRoom - z.avail_out);
    if (rc == Z_BUF_ERROR) break;  // all that came is taken
    if (rc != Z_OK && rc != Z_STREAM_END) {
      log_write(r->log(), kLogError, 0, &r->log_ctx, "inflate() failed: %d, %d", Z_NO_FLUSH, rc);
      return fail(r), false;
    }
    g->is_done = rc == Z_STREAM_END;
  } while (z.avail_out == 0 || z.avail_in > 0);
  return true;
}

void gunzip_filter_body(Request *r, Chain &body, bool last) {
  Gunzip *g = static_cast<Gunzip *>(r->out.gunzip);
  Chain from;
  from.swap(body);
  for (Block *b = from.first(); b; b = b->next)
    if (!inflate_into(r, g, body, b->view())) break;
  from.clear(r->core->net.blocks);
  if (!last || g->is_done || !(r->out.filters & kFilterGunzip)) return;
  log_write(r->log(), kLogError, 0, &r->log_ctx, "inflate() returned %d on response end", Z_BUF_ERROR);
  fail(r);
}

}  // namespace mw
