// SPDX-License-Identifier: MIT
// See post_action.h.
#include "http/modules/post_action.h"

#include "http/phase.h"
#include "http/subrequest.h"
#include "http/target.h"

namespace mw {

void post_action_start(Request *r) {
  if (r->has_post_action) return;
  r->has_post_action = true;
  Str uri = r->conf->post_action;
  bool is_named = uri[0] == '@';
  Request *sub = subrequest_create(r, is_named ? r->uri : uri, {}, Sink::memory);
  if (!sub) return;
  sub->method = r->method;
  sub->method_id = r->method_id;
  subrequest_share_vars(sub);
  subrequest_set_body(sub, SubBody::forward);
  subrequest_post_copy(sub);
  if (!is_named) return;
  sub->args = r->args;
  sub->pump_task.run = [](Task *t) {
    http_named_location(subrequest_of(t), subrequest_of(t)->main->conf->post_action);
  };
}

}  // namespace mw
