// SPDX-License-Identifier: MIT
// See framing.h.
#include "http/framing.h"

#include "http/filter.h"
#include "http/modules/limit_rate.h"
#include "http/output.h"
#include "http/phase.h"

namespace mw {

static bool has_body_filter(const Request *r) {
  return r->conf->scripts[static_cast<size_t>(LuaPhase::body_filter)] >= 0;
}

static void chunk_head(Request *r, uint64_t size) {
  char text[20];
  int at = sizeof text;
  text[--at] = '\n';
  text[--at] = '\r';
  do text[--at] = "0123456789abcdef"[size & 15];
  while (size >>= 4);
  r->conn->out.append(r->core->net.blocks, {text + at, sizeof text - static_cast<size_t>(at)});
}

void framing_put(Request *r, bool last) {
  Output &o = r->out;
  BlockPool &pool = r->core->net.blocks;
  Chain &to = r->conn->out;
  if (r->conn->is_closed) {
    o.body.clear(pool);
    o.is_last_framed |= last;
    return;
  }
  if (o.filters && !o.is_bodiless && !o.is_last_framed) filter_body_late(r, last && !o.is_cut);
  uint64_t n = o.body.bytes();
  if (!o.is_serialized) {
    int64_t length = r->resp.content_length;
    // Of a HEAD's body that was not written, or would be filtered, nothing is known.
    bool is_known = !o.is_bodiless || (n > 0 && !has_body_filter(r));
    if (length < 0 && last && is_known && !o.is_cut && !o.is_length_unknown) length = static_cast<int64_t>(n);
    if (length >= 0 && last && !o.is_cut && !o.is_bodiless && has_body_filter(r))
      length = r->resp.content_length = static_cast<int64_t>(n);  // a filter has changed it, and all of it is here
    if (!r->conf->add_trailers.empty() && !o.is_bodiless) o.has_trailers = http_expects_trailers(r);
    if (o.has_trailers) length = -1;
    o.is_serialized = true;
    if (r->has_limit_rate || r->conf->is_rate_limited || r->conn->pace) limit_rate_begin(r);
    header_write(r, length);
  }
  if (o.is_bodiless) {
    o.body.clear(pool);
  } else if (n) {
    if (r->resp.content_length >= 0 && o.body_bytes + n > static_cast<uint64_t>(r->resp.content_length)) {
      // More than the promised length would be read as the next response.
      log_write(r->log(), kLogError, 0, &r->log_ctx, "response body is longer than its Content-Length");
      r->keepalive = false;
    }
    if (o.is_chunked) chunk_head(r, n);
    to.take(pool, o.body);
    if (o.is_chunked) to.append(pool, "\r\n");
    o.body_bytes += n;
  }
  if (last && !o.is_last_framed) {
    o.is_last_framed = true;
    if (o.is_chunked && !o.is_bodiless && !o.is_cut) {
      to.append(pool, "0\r\n");
      if (o.has_trailers) http_put_trailers(r, to);
      to.append(pool, "\r\n");
    }
    if (!o.is_bodiless && !o.is_cut && r->resp.content_length >= 0 &&
        o.body_bytes < static_cast<uint64_t>(r->resp.content_length)) {
      log_write(r->log(), kLogError, 0, &r->log_ctx, "response body is shorter than its Content-Length");
      r->keepalive = false;
    }
  }
}

}  // namespace mw
