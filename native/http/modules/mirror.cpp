// SPDX-License-Identifier: MIT
// See mirror.h. As in nginx the client is answered at once, but the request lives, and its connection takes no other, until
// its copies have ended.
#include "http/modules/mirror.h"

#include "http/body.h"
#include "http/phase.h"
#include "http/subrequest.h"

namespace mw {

static void start_copies(Request *r) {
  r->is_mirrored = true;
  for (const std::string &uri : r->conf->mirrors) {
    Request *sub = subrequest_create(r, uri, r->args, Sink::memory);
    if (!sub) continue;
    sub->method = r->method;
    sub->method_id = r->method_id;
    subrequest_set_body(sub, r->conf->mirror_request_body ? SubBody::forward : SubBody::none);
    subrequest_post_copy(sub);
  }
}

static void body_ready(Request *r, Rc rc, void *) {
  if (rc != kOk) return http_finalize(r, rc);
  start_copies(r);
  http_run_phases(r);
}

Rc mirror_run(Request *r) {
  if (r->parent || r->is_mirrored) return kDeclined;
  if (r->conf->mirror_request_body && r->body.state != BodyState::complete) {
    Rc rc = body_read(r, body_ready, nullptr);
    if (rc != kOk) return rc;
  }
  start_copies(r);
  return kDeclined;
}

}  // namespace mw
