// SPDX-License-Identifier: MIT
// See plain.h.
#include "http/modules/plain.h"

#include <stdio.h>

#include "http/body.h"
#include "http/output.h"
#include "http/phase.h"

namespace mw {

/// A transparent GIF of one pixel.
static constexpr char kGif[] =
    "GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x01\x00,"
    "\x00\x00\x00\x00\x01\x00\x01\x00"
    "\x00\x02\x02"
    "L\x01\x00;";
static constexpr int64_t kGifTime = 23349600;  ///< nginx's: Mon, 28 Sep 1970 06:00:00 GMT

static Rc answer(Request *r, Str type, Str body) {
  if (!(r->method_id & (kMethodGet | kMethodHead))) return 405;
  if (Rc rc = body_discard_first(r); rc != kOk) return rc;
  r->resp.content_type = type;
  r->resp.has_content_type = true;
  r->abi.status = 200;
  output_queue(r, body, false, true);
  output_finish(r);
  return kDone;
}

/// nginx's text, of this worker's connections.
static Rc stub_status(Request *r) {
  const HttpCore *core = r->core;
  ConnectionCounts now = http_connection_counts(core);
  auto count = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  char text[256];
  int size =
      snprintf(text, sizeof text,
               "Active connections: %llu \nserver accepts handled requests\n %llu %llu %llu \n"
               "Reading: %llu Writing: %llu Waiting: %llu \n",
               count(now.reading + now.writing + now.waiting), count(core->net.accepted), count(core->net.accepted),
               count(core->requests_total), count(now.reading), count(now.writing), count(now.waiting));
  return answer(r, "text/plain", {text, static_cast<size_t>(size)});
}

Rc plain_run(Request *r) {
  if (r->conf->handler == PlainHandler::stub_status) return stub_status(r);
  r->resp.last_modified = kGifTime;
  return answer(r, "image/gif", {kGif, sizeof kGif - 1});
}

}  // namespace mw
