// SPDX-License-Identifier: MIT
// How a worker's connections outlive it. nginx closes the idle ones of a worker that ends, and a client that is just sending
// a request sees a reset. Here they go to the new generation's worker instead, with what was read of the next request: the
// client notices nothing. A connection with a request under way follows when that is answered.
#include "net/handover.h"

#include "http/client.h"
#include "http/phase.h"
#include "http/request.h"

namespace mw {

bool http_may_keep_alive(const HttpCore *core, const Connection *c) {
  if (!core->is_draining) return true;
  return core->pass_on && c->listener->is_passed_on && c->transport == &transport_plain;
}

void client_check_drained(HttpCore *core) {
  if (core->is_draining && core->net.active == 0 && core->on_drained) core->on_drained(core, core->on_drained_arg);
}

bool client_pass_on(Connection *c) {
  HttpCore *core = client_core(c);
  if (!core->is_draining || c->is_closed || c->user || c->state > kHead || c->in_reader) return false;
  if (c->protocol != &http_protocol) return false;  // its PROXY header is read here
  if (!http_may_keep_alive(core, c) || c->is_blocked || !c->out.is_empty()) return false;
  if (!core->pass_on(core, c, core->pass_on_arg)) {
    c->listener->is_passed_on = false;  // its address is served no more: the next request is the last one
    return false;
  }
  client_check_drained(core);
  return true;
}

void http_drain(HttpCore *core) {
  core->is_draining = true;
  Connection *next;
  for (Connection *c = core->net.connections; c; c = next) {
    next = c->list_next;
    if (c->is_closed || client_pass_on(c)) continue;
    // Nobody takes it. One that has not had its first request yet is left: its client is about to send, and has no other
    // answer coming. So is every one after a reload that gave up its address: its next request is answered, as the last.
    bool is_idle = !c->user && c->state == kIdle && c->requests > 0 && c->out.is_empty();
    if (is_idle && !core->pass_on) connection_close(c);
  }
  client_check_drained(core);
}

uint32_t http_close_idle(HttpCore *core, uint32_t most) {
  Connection *c = core->net.connections;
  while (c && c->list_next) c = c->list_next;
  uint32_t closed = 0;
  for (Connection *newer; c && closed < most; c = newer) {
    newer = c->list_prev;
    if (c->is_closed || c->user || c->state != kIdle || c->requests == 0 || !c->out.is_empty()) continue;
    connection_close(c);
    ++closed;
  }
  return closed;
}

void http_take_over(HttpCore *core, Handover &from, Listener *l) {
  uint64_t deadline = from.deadline;
  Connection *c = connection_take(&core->net, from, l, &http_protocol);
  if (!c) return;
  uint64_t now = core->loop->now_ms();
  if (deadline == UINT64_MAX) deadline = now + client_default_server(c).conf.keepalive_timeout;
  connection_set_timeout(c, deadline > now ? deadline - now : 0);
  if (c->in_size() > 0 || core->is_draining) client_post_read(c);
}

void http_break_all(HttpCore *core) {
  // Ending one may close others (a subrequest's, a peer's in the same process): the list is walked anew each time.
  core->pass_on = nullptr;
  while (core->net.connections) {
    Connection *c = core->net.connections;
    http_connection_failed(c);
    if (!c->is_closed) connection_close(c);
  }
}

}  // namespace mw
