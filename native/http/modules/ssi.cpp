// SPDX-License-Identifier: MIT
// See ssi.h: the filter itself. The commands are in ssi_command.cpp, include in ssi_include.cpp, values in ssi_value.cpp.
#include "http/modules/ssi.h"

#include <stddef.h>

#include "http/filter.h"
#include "http/modules/gzip.h"
#include "http/modules/ssi_state.h"
#include "http/output.h"
#include "http/subrequest.h"

namespace mw {

static constexpr uint64_t kHeld = 131072;       ///< bytes that may wait for the client, or for their turn
static constexpr uint32_t kIncludesMost = 200;  ///< subrequests of one request at a time
static constexpr Str kErrorText = "[an error occurred while processing the directive]";
static constexpr Str kTimeFormat = "%A, %d-%b-%Y %H:%M:%S %Z";

// --- state -----------------------------------------------------------------------------------------------------------

static void on_task(Task *t);
static void on_output(OutWaiter *w, Rc);

static void free_state(void *arg) {
  SsiState *s = static_cast<SsiState *>(arg);
  Request *r = s->r;
  if (r->out.holder == &s->waiter) r->out.holder = nullptr;
  r->core->loop->unpost(&s->task);
  s->input.clear(r->core->net.blocks);
  r->out.ssi = nullptr;
  if (s->owns_shared) delete s->shared;
  delete s;
}

SsiState *ssi_state_of(Request *r) {
  if (SsiState *known = ssi_state(r)) return known;
  auto *s = new SsiState;
  s->r = r;
  s->task.run = on_task;
  s->waiter.done = on_output;
  s->error_text = kErrorText;
  s->time_format = kTimeFormat;
  if (r == r->main) {
    s->shared = new SsiShared;
    s->owns_shared = true;
  } else {
    s->shared = ssi_state_of(r->main)->shared;
  }
  r->out.ssi = s;
  request_on_free(r, free_state, s);
  return s;
}

Str ssi_time_format(const Request *r) { return r->out.ssi ? Str(ssi_state(r)->time_format) : kTimeFormat; }

bool ssi_is_shown(const SsiState &s) { return !s.is_in_block && (s.ifs.empty() || s.ifs.back().is_shown); }

// --- header ----------------------------------------------------------------------------------------------------------

void ssi_filter_header(Request *r) {
  static const std::vector<std::string> html{"text/html"};
  if (r->resp.content_length == 0 || !(filter_type_matches(r, html) || filter_type_matches(r, r->conf->ssi_types)))
    return;
  if (!r->parent) {
    r->resp.content_length = -1;
    r->resp.allow_ranges = false;
    response_clear_header(r, "Accept-Ranges");
    if (r->conf->ssi_last_modified) {
      gzip_weaken_etag(r);
    } else {
      response_clear_header(r, "Last-Modified");
      response_clear_header(r, "ETag");
    }
  }
  if (r->out.is_bodiless) return;
  SsiState *s = ssi_state_of(r);
  s->parser = SsiParser(static_cast<size_t>(r->conf->ssi_value_length));
  s->ifs.clear();  // of a response that was not sent
  s->is_in_block = false;
  s->encoding = SsiEncoding::entity;
  r->out.filters |= kFilterSsi;
}

// --- waiting ---------------------------------------------------------------------------------------------------------

/// The main request whose client takes the output; null for a capture's.
static const Request *client_of(const Request *r) {
  return r->out_root->out.sink == Sink::connection ? r->out_root : nullptr;
}

/// There is more output than the client, or the request's turn, has room for.
static bool is_backed_up(SsiState &s) {
  const Request *r = s.r, *client = client_of(r);
  if (!client || client->out.header_state != kHeaderThrough) return false;  // a header filter of Lua's that waits
  if (!subrequest_has_turn(r)) return s.held + r->out.body.bytes() >= kHeld;
  s.held = 0;
  return client->conn->out.bytes() + client->out.ready.bytes() + r->out.body.bytes() >= kHeld;
}

/// Nobody would see it.
static bool is_unwanted(const Request *r) {
  return r->is_aborted || (r->conn->is_closed && r->out_root->out.sink != Sink::memory);
}

/// The time has not come: the client is to take more first, or others have their turn.
static bool must_wait(const SsiState &s) {
  const Request *r = s.r;
  if (is_unwanted(r)) return false;
  return r->conn->is_blocked || !subrequest_has_turn(r);
}

/// Later in the turn: the output chain, or another request, is on the stack below.
static void on_output(OutWaiter *w, Rc) {
  SsiState *s = reinterpret_cast<SsiState *>(reinterpret_cast<char *>(w) - offsetof(SsiState, waiter));
  s->r->core->loop->post(&s->task);
}

static void on_task(Task *t) {
  SsiState *s = reinterpret_cast<SsiState *>(reinterpret_cast<char *>(t) - offsetof(SsiState, task));
  Request *r = s->r;
  if (!r->out.is_held) return;
  if (s->waits_for && !is_unwanted(r)) return;
  if (s->includes < kIncludesMost && must_wait(*s) && is_backed_up(*s)) {
    if (!r->out.holder) r->out.holder = &s->waiter;  // else another filter's wait ends this one, too
    return;
  }
  output_go_on(r);
}

// --- body ------------------------------------------------------------------------------------------------------------

static void put_text(SsiState &s, Str text) {
  if (ssi_is_shown(s)) return s.r->out.body.append(s.r->core->net.blocks, text);
  bool is_kept = s.is_in_block && s.block && s.shared->block_bytes + text.size() <= kSsiTextMost;
  if (!is_kept) return;
  s.block->append(text);
  s.shared->block_bytes += text.size();
}

/// The next piece of the input. False when there is none.
static bool step(SsiState &s) {
  const Block *b = s.input.first();
  if (!b) return false;
  Str in = b->view();
  size_t before = in.size();
  SsiPiece piece = s.parser.next(in);
  if (piece.kind == SsiPiece::plain) put_text(s, piece.text);
  s.input.consume(s.r->core->net.blocks, before - in.size());
  if (piece.kind == SsiPiece::error) ssi_bad_command(s);
  if (piece.kind == SsiPiece::command) ssi_command(s);
  return true;
}

/// Works off the input. False when some of it is kept.
static bool work(SsiState &s) {
  while (!s.input.is_empty()) {
    if (is_unwanted(s.r)) break;
    if (s.waits_for || s.includes >= kIncludesMost) return false;
    if (is_backed_up(s)) {
      bool is_waiting = s.r->out.holder == &s.waiter;
      if (!is_waiting) s.r->core->loop->post(&s.task);
      return false;
    }
    step(s);
  }
  return true;
}

void ssi_filter_body(Request *r, Chain &body, bool last) {
  SsiState &s = *ssi_state(r);
  BlockPool &pool = r->core->net.blocks;
  s.input.take(pool, body);
  Request *main = r->main;
  ++main->running;  // a connection that breaks while an include passes on what is there ends the request after us
  bool is_done = work(s);
  --main->running;
  if (is_unwanted(r)) s.input.clear(pool);
  if (!is_done) r->out.is_held = true;
  if (is_done && last) put_text(s, s.parser.rest());
  if (!subrequest_has_turn(r)) s.held += body.bytes();
}

}  // namespace mw
