// SPDX-License-Identifier: MIT
// See output.h. A response's header states: kHeaderUntouched -> (Lua header filter) kHeaderFiltering -> kHeaderThrough.
// Body bytes collect in out.body; framing is put off until a flush, the end, or LocationConf::frame_above bytes, so that a
// short complete body gets a Content-Length and a pipelined batch one write.
#include "http/output.h"

#include <errno.h>

#include <utility>

#include "http/body.h"
#include "http/filter.h"
#include "http/framing.h"
#include "http/lua_hook.h"
#include "http/modules/headers_more.h"
#include "http/modules/not_modified.h"
#include "http/modules/range.h"
#include "http/modules/ssi.h"
#include "http/phase.h"
#include "http/subrequest.h"

namespace mw {

static int32_t filter_script(const Request *r, LuaPhase phase) { return r->conf->scripts[static_cast<size_t>(phase)]; }

bool output_is_direct(const Request *r) {
  if (r->out.header_state != kHeaderThrough && filter_script(r, LuaPhase::header_filter) >= 0) return false;
  return filter_script(r, LuaPhase::body_filter) < 0 && !r->out.first && !r->out.is_filtering;
}

bool output_is_buffering(const Request *r) {
  bool is_old = r->abi.http_major == 0 || r->abi.http_minor == 0;
  return is_old && !r->is_stream && r->conf->lua_http10_buffering && r->resp.content_length < 0 && !r->parent;
}

bool output_take_back(Request *r) {
  Output &o = r->out;
  if (!output_is_buffering(r) || o.is_serialized || o.is_last_queued || o.is_filtering ||
      o.header_state == kHeaderFiltering)
    return false;
  o.body.clear(r->core->net.blocks);
  output_queue_clear(r);
  o.header_state = kHeaderUntouched;
  o.filters = 0;
  r->abi.header_sent = 0;
  r->abi.status = 0;
  r->resp = Response();
  return true;
}

bool output_header_is_direct(const Request *r) {
  return r->out.header_state == kHeaderThrough ||
         (r->out.header_state == kHeaderUntouched && filter_script(r, LuaPhase::header_filter) < 0);
}

// --- header ----------------------------------------------------------------------------------------------------------

static void header_refused(Request *r, Rc rc);

/// The parts of the content that the client asked for. None of them there: a 416 that names the content's size.
static void header_ranges(Request *r) {
  int64_t size = r->resp.content_length;
  int32_t status = range_filter(r);
  if (status == 0) return;
  ArenaVec<RespHeader> headers = r->resp.headers;
  header_refused(r, status);
  if (r->out.refused) return;
  r->resp.headers = headers;  // what the other filters have added stays
  response_clear_header(r, "ETag");
  response_set_header(r, "Content-Range", range_unsatisfied(r, size));
}

/// The filters after Lua's: add_header, and what the status says of a body.
static void header_through(Request *r) {
  r->out.header_state = kHeaderThrough;
  if (r->out.refused) return;
  int32_t status = r->abi.status;
  if (r->out.sink != Sink::memory) http_add_headers(r);  // nor do they show in nginx's captures
  if (r->method_id == kMethodHead || status == 204 || status == 304 || status < 200) r->out.is_bodiless = true;
  if (r->conf->filters | r->out.filters) filter_header(r);
  if (r->resp.allow_ranges) header_ranges(r);
}

/// The Lua header filter answered with a status (ngx.exit) or an error. A status replaces the response; an error breaks it.
/// An error_page waits for the end of the handler that writes here: it may be on the stack.
static void header_refused(Request *r, Rc rc) {
  if (rc < 200) return http_filter_failed(r);
  Output &o = r->out;
  o.body.clear(r->core->net.blocks);
  output_queue_clear(r);
  if (r->parent || !http_has_error_page(r, rc)) {
    http_replace_response(r, rc);
    if (r->conf->filters & kFilterHeadersMore) headers_more_filter(r);
    return;
  }
  o.refused = rc;
  o.is_last_queued = true;
}

/// The handler of a response that its header filter refused has ended: the request goes to the error_page.
static void serve_refused(Request *r) {
  Output &o = r->out;
  int32_t status = o.refused;
  o.body.clear(r->core->net.blocks);
  output_queue_clear(r);
  o.header_state = kHeaderUntouched;
  o.is_last_queued = o.is_finished = false;
  o.filters = 0;
  o.refused = 0;
  r->abi.header_sent = 0;
  r->abi.status = 0;
  r->resp = Response();
  http_special_response(r, status);
}

static bool is_pass(Rc rc) { return rc == kOk || rc == kDone || rc == kDeclined; }

/// lua_use_default_type off: a Lua handler names a type itself, or there is none. A 304 never has one that nobody named.
static bool has_default_type(const Request *r) {
  if (r->abi.status == 304) return false;
  return r->conf->lua_use_default_type || filter_script(r, LuaPhase::content) < 0;
}

/// lua-nginx-module's lines about its header filters; `what` is "header" or "body".
static void debug_filter(const Request *r, const char *what) {
  auto has = [r](LuaPhase phase) { return filter_script(r, phase) >= 0; };
  Str uri = r->uri;
  if (has(LuaPhase::server_rewrite) || has(LuaPhase::rewrite) || has(LuaPhase::access) || has(LuaPhase::content))
    log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua capture %s filter, uri \"%.*s\"", what,
              static_cast<int>(uri.size()), uri.data());
}

static Rc header_start(Request *r) {
  if (r->out.header_state != kHeaderUntouched) return r->out.header_state == kHeaderThrough ? kOk : kAgain;
  if (r->err_status)
    r->abi.status = r->err_status;
  else if (r->abi.status == 0)
    r->abi.status = 200;
  if (has_default_type(r)) response_default_type(r);
  r->abi.header_sent = 1;
  r->out.sent_mark = r->conn->bytes_sent + r->conn->out.bytes();
  r->out.header_state = kHeaderFiltering;
  if (r->core->is_debug) debug_filter(r, "header");
  if (int32_t refusal = not_modified_filter(r))
    header_refused(r, refusal);
  else if (r->conf->filters & kFilterHeadersMore)
    headers_more_filter(r);
  int32_t script = filter_script(r, LuaPhase::header_filter);
  if (script >= 0 && lua_hook && !r->out.refused) {
    Rc rc = lua_hook->run(r, LuaPhase::header_filter, script);
    if (rc == kAgain) return kAgain;
    if (!is_pass(rc)) header_refused(r, rc);
  }
  header_through(r);
  return kOk;
}

// --- framing ---------------------------------------------------------------------------------------------------------

/// Gives the socket what the connection has.
static void connection_flush(Request *r) {
  if (r->conn->is_blocked || r->conn->is_closed) return;
  SendResult rc = connection_send(r->conn);
  if (rc == kSendFailed) {
    http_connection_unsendable(r, errno, "writev() failed");
    http_connection_failed(r->conn);
  } else if (rc == kSendBlocked) {
    connection_set_timeout(r->conn, r->conf->send_timeout);
  }
}

void output_filter(Request *r, bool last) {
  if (r->out.filters && !r->out.is_bodiless && !r->out.is_last_framed) filter_body(r, last);
  if (r->is_aborted) r->out.body.clear(r->core->net.blocks);  // a filter failed: what it did not see is not shown
}

/// What inline subrequests have put out stands before what the main request has in its body.
static void take_ready(Output &o, BlockPool &pool) {
  o.ready.take(pool, o.body);
  o.ready.swap(o.body);
}

static void frame(Request *r, bool last) {
  if (r->core->is_debug) debug_filter(r, "body");
  if (r->out.refused) return r->out.body.clear(r->core->net.blocks);
  last |= r->out.is_last_held;
  output_filter(r, last && !r->out.is_cut);  // what was cut has no end for filters to complete
  r->out.is_last_held = last && r->out.is_held;
  last &= !r->out.is_held;
  if (r->out.is_held && r->out.body.is_empty() && r->out.ready.is_empty()) return;  // all may yet be a short response
  if (r->out.is_diverted) return subrequest_pass(r, last);
  if (!r->out.ready.is_empty()) take_ready(r->out, r->core->net.blocks);
  framing_put(r, last);
}

bool output_is_sent(const Request *r) {
  return r->out.is_diverted || (!r->out.is_held && r->conn->out.is_empty() && !r->conn->is_blocked);
}

void output_take(Request *root, Chain &from) {
  if (from.is_empty()) return;
  header_start(root);
  root->out.ready.take(root->core->net.blocks, from);
  if (!root->parent && root->out.header_state == kHeaderThrough && root->out.ready.bytes() > root->conf->frame_above)
    output_flush_main(root);
}

void output_end_diverted(Request *root) {
  root->out.is_last_diverted = false;
  if (!root->out.is_last_framed) frame(root, true);
  if (root->out.is_finished && root->out.is_last_framed) request_finish(root);
}

void output_flush_main(Request *main) {
  Output &o = main->out;
  o.body.swap(o.ready);
  if (!o.body.is_empty() || !o.is_serialized) framing_put(main, false);
  o.body.swap(o.ready);
  connection_flush(main);
}

void output_flush(Request *r, bool send) {
  if (!r->out.body.is_empty() || !r->out.is_serialized || !r->out.ready.is_empty()) frame(r, false);
  if (!send) return;
  if (!r->out.is_diverted) return connection_flush(r);
  Request *root = r->out_root;
  if (r != root && !root->parent && root->active == r && root->out.header_state == kHeaderThrough)
    output_flush_main(root);
}

// --- body ------------------------------------------------------------------------------------------------------------

void output_append(Request *r, Str data) {
  if (r->out.header_state == kHeaderUntouched) header_start(r);
  if (r->out.is_last_queued) return;  // a filter has answered in the handler's place
  r->out.body.append(r->core->net.blocks, data);
  if (r->out.body.bytes() > r->conf->frame_above) output_flush(r, true);
}

char *output_reserve(Request *r, size_t n) {
  if (r->out.header_state == kHeaderUntouched) header_start(r);
  return r->out.body.reserve(r->core->net.blocks, n);
}

void output_advance(Request *r, size_t n) {
  if (r->out.is_last_queued) return;
  r->out.body.advance(n);
  if (r->out.body.bytes() > r->conf->frame_above) output_flush(r, true);
}

void output_flush_from_handler(Request *r) {
  header_start(r);
  output_flush(r, true);
}

void output_end(Request *r) {
  header_start(r);
  r->out.is_last_queued = true;
  if (!r->out.is_last_framed) frame(r, true);
}

// --- the pump --------------------------------------------------------------------------------------------------------

static void chunk_through(Request *r) {
  Output &o = r->out;
  bool flush = o.first->is_flush, was_last = o.first->is_last, last = o.filter_last;
  o.body.append(r->core->net.blocks, o.filter_data);
  o.filter_data = {};
  output_queue_pop(r);
  if (was_last && !last) {  // a filter took the end mark away: nothing will come that could end the body
    r->is_truncated = true;
    last = true;
  }
  if (last) {  // a filter may end the body early (ngx.arg[2] = true): what is queued behind is dropped
    output_queue_clear(r);
    o.is_last_queued = true;
    frame(r, true);
    if (!o.is_finished && !o.is_diverted) connection_flush(r);  // whoever writes may not come to the end for long
  } else if (o.is_finished) {
    frame(r, false);  // sent with the end: a failure to send here would free the request under the pump
  } else if (flush || o.body.bytes() > r->conf->frame_above) {
    output_flush(r, true);
  }
}

static void wake(Request *r, Rc rc, bool sent) {
  OutWaiter *keep = nullptr, *w = r->out.waiters;
  r->out.waiters = nullptr;
  while (w) {
    OutWaiter *next = w->next;
    if (w->until_sent && !sent) {
      w->next = keep;
      keep = w;
    } else {
      w->next = nullptr;
      w->done(w, rc);
    }
    w = next;
  }
  while (keep) {
    OutWaiter *next = keep->next;
    keep->next = r->out.waiters;
    r->out.waiters = keep;
    keep = next;
  }
}

/// Runs the filters over what is queued. kAgain while one is parked.
static Rc run_filters(Request *r) {
  Output &o = r->out;
  if (o.is_filtering || header_start(r) == kAgain) return kAgain;
  int32_t script = filter_script(r, LuaPhase::body_filter);
  if (o.refused) output_queue_clear(r);
  while (o.first) {
    o.filter_data = o.first->data;
    o.filter_last = o.first->is_last && !o.is_cut;
    if (script >= 0 && lua_hook &&
        (!o.is_bodiless || r->parent)) {  // as in nginx, what has no body has nothing to filter
      o.is_filtering = true;
      Rc rc = lua_hook->run(r, LuaPhase::body_filter, script);
      if (rc == kAgain) return kAgain;
      o.is_filtering = false;
      if (rc != kOk && rc != kDone) http_filter_failed(r);
    }
    chunk_through(r);
  }
  wake(r, r->conn->is_closed ? kError : kOk, r->conn->is_closed || output_is_sent(r));
  return kOk;
}

/// All is through: the request may end here, and be gone afterwards.
static void filters_through(Request *r) {
  if (!r->out.is_finished) return;
  if (r->out.refused)
    serve_refused(r);
  else if (r->out.is_last_framed)
    request_finish(r);
}

Rc output_pump(Request *r) {
  Rc rc = run_filters(r);
  if (rc == kOk) filters_through(r);
  return rc;
}

void output_filter_done(Request *r, LuaPhase phase, Rc rc) {
  bool was_closed = r->conn->is_closed;
  ++r->running;  // nothing frees the request under us
  if (phase == LuaPhase::header_filter) {
    if (!is_pass(rc)) header_refused(r, rc);
    header_through(r);
  } else {
    if (!is_pass(rc)) http_filter_failed(r);
    r->out.is_filtering = false;
    chunk_through(r);
  }
  rc = run_filters(r);
  --r->running;
  if (!r->out.is_finished && r->conn->is_closed && !was_closed && !r->running)
    http_connection_failed(r->conn);
  else if (rc == kOk)
    filters_through(r);
}

void output_wait(Request *r, OutWaiter *w, bool until_sent) {
  w->until_sent = until_sent;
  w->next = r->out.waiters;
  r->out.waiters = w;
}

void output_unwait(Request *r, OutWaiter *w) {
  for (OutWaiter **at = &r->out.waiters; *at; at = &(*at)->next)
    if (*at == w) {
      *at = w->next;
      w->next = nullptr;
      return;
    }
}

void output_has_turn(Request *r) {
  if (OutWaiter *holder = std::exchange(r->out.holder, nullptr)) holder->done(holder, kOk);
  bool is_through = (!r->out.first && !r->out.is_filtering) || r->conn->is_closed;  // else they wait for a Lua filter
  if (r->parent && r->out.waiters && is_through) wake(r, r->conn->is_closed ? kError : kOk, true);
}

void output_drained(Request *r) {
  for (Request *sub = r->subs, *next; sub; sub = next) {
    next = sub->sub_next;
    output_has_turn(sub);  // or not: it looks for itself
  }
  Rc rc = r->conn->is_closed ? kError : kOk;
  if (OutWaiter *holder = std::exchange(r->out.holder, nullptr)) holder->done(holder, rc);
  if (r->out.is_held && rc == kOk) return;  // who waits for the client waits for what is held, too
  if (r->out.waiters) wake(r, rc, true);
}

void output_go_on(Request *r) {
  Output &o = r->out;
  Connection *c = r->conn;
  Request *main = r->main;
  bool was_closed = c->is_closed;
  connection_ref(c);
  ++main->running;  // nothing frees the request under us, nor its main one
  ++r->running;
  frame(r, false);
  if (!o.is_last_framed || !o.is_finished) connection_flush(r);
  bool has_failed = c->is_closed && !was_closed;
  bool is_over = !o.is_held && o.is_finished && o.is_last_framed;
  --r->running;
  --main->running;
  if (r->parent && is_over) request_finish(r);  // before the connection's end can take it along
  if (has_failed)
    http_connection_failed(c);
  else if (is_over && r == main)
    request_finish(r);
  else if (!is_over && !o.is_held && output_is_sent(r))
    output_drained(r);  // who waits for the client waits for what was held too
  connection_unref(c);
}

Rc output_send_header(Request *r) { return header_start(r); }

void output_cut(Request *r) {
  r->out.is_cut = true;
  r->keepalive = false;
}

void output_finish(Request *r) {
  Output &o = r->out;
  if (o.is_finished) return;
  if (r->has_stub) ssi_put_stub(r, kOk);
  o.is_finished = true;
  // What is left of the request body decides whether the connection can stay: find out before the header says so.
  if (!o.is_serialized && r->keepalive && !r->conn->is_closed) body_discard(r);
  if (o.refused) return serve_refused(r);
  if (!o.is_last_queued && !output_is_direct(r)) output_queue(r, {}, false, true);
  o.is_last_queued = true;
  if (!output_is_direct(r)) {
    output_pump(r);
    return;
  }
  header_start(r);
  if (!o.is_last_framed) frame(r, true);
  if (o.is_last_framed) request_finish(r);  // else subrequests come first
}

}  // namespace mw
