// SPDX-License-Identifier: MIT
// See echo_filter.h.
#include "http/modules/echo_filter.h"

#include "http/filter.h"
#include "http/variable.h"

namespace mw {

static void put(Request *r, Chain &to, const std::vector<EchoCommand> &list) {
  BlockPool &pool = r->core->net.blocks;
  for (const EchoCommand &c : list) {
    for (size_t i = 0; i < c.args.size(); ++i) {
      if (i) to.append(pool, " ");
      to.append(pool, complex_value(r, c.args[i]));
    }
    if (c.has_newline) to.append(pool, "\n");
  }
}

void echo_filter_header(Request *r) {
  r->resp.content_length = -1;
  r->out.filters |= kFilterEcho;
  r->out.has_echo_before = !r->conf->echo_before_body.empty();
}

void echo_filter_body(Request *r, Chain &body, bool last) {
  if (r->out.has_echo_before) {
    r->out.has_echo_before = false;
    BlockPool &pool = r->core->net.blocks;
    Chain rest;
    rest.take(pool, body);
    put(r, body, r->conf->echo_before_body);
    body.take(pool, rest);
  }
  if (last) put(r, body, r->conf->echo_after_body);
}

}  // namespace mw
