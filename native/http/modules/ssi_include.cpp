// SPDX-License-Identifier: MIT
// SSI's include: a subrequest, whose output stands in the response, or becomes a variable's value (`set`). Where it puts out
// nothing, a block may stand in for it (`stub`).
#include <stddef.h>

#include "http/modules/ssi.h"
#include "http/modules/ssi_state.h"
#include "http/output.h"
#include "http/subrequest.h"
#include "http/target.h"

namespace mw {

/// In the subrequest's arena, at its sub_done_arg.
struct Include {
  SsiState *by = nullptr;
  Str set;                            ///< the variable
  const std::string *stub = nullptr;  ///< lives as long as the main request
};

static std::string named(Str name) { return '"' + std::string(name) + '"'; }

// --- its end ---------------------------------------------------------------------------------------------------------

static void on_done(Request *sub, void *arg) {
  const Include &include = *static_cast<Include *>(arg);
  SsiState &s = *include.by;
  --s.includes;
  if (s.waits_for == sub) s.waits_for = nullptr;
  if (s.r->out.is_held) s.r->core->loop->post(&s.task);
  if (!include.set.data()) return;
  if (sub->abi.status < 300 && !sub->is_truncated) ssi_set_variable(s, include.set, subrequest_output(sub));
  subrequest_free(sub);
}

/// Has it put out, or begun to, what its location makes? An end without anything before is none.
static bool has_output(const Request *sub) {
  const Output &o = sub->out;
  for (const OutChunk *c = o.first; c; c = c->next)
    if (!c->data.empty()) return true;
  bool has_ended = o.is_last_queued && !o.first && !output_is_direct(sub);  // Lua's filter has seen the end
  return has_ended || o.is_filtering || o.body_bytes > 0 || !o.body.is_empty() || o.is_held;
}

bool ssi_put_stub(Request *sub, Rc rc) {
  const Include &include = *static_cast<Include *>(sub->sub_done_arg);
  sub->has_stub = false;
  if (rc == kError || sub->conn->is_closed || has_output(sub)) return false;
  if (!sub->abi.header_sent) {
    sub->resp = Response();
    sub->resp.content_type = sub->parent->resp.content_type;
    sub->resp.has_content_type = true;
    sub->abi.status = 200;
    sub->err_status = 0;
  }
  output_queue_clear(sub);
  sub->out.is_last_queued = sub->out.is_last_framed = false;
  if (output_is_direct(sub))
    output_append(sub, *include.stub);
  else
    output_queue(sub, *include.stub, false, false);
  return true;
}

// --- its beginning ---------------------------------------------------------------------------------------------------

/// What is wrong with the parameters, or nothing.
static std::string wrong_params(const SsiState &s) {
  Str uri = ssi_param(s, "virtual"), file = ssi_param(s, "file"), wait = ssi_param(s, "wait");
  if (uri.data() && file.data()) return "inclusion may be either virtual=" + named(uri) + " or file=" + named(file);
  if (!uri.data() && !file.data()) return "no parameter in \"include\" SSI command";
  if (ssi_param(s, "set").data() && ssi_param(s, "stub").data())
    return "\"set\" and \"stub\" cannot be used together in \"include\" SSI command";
  if (wait.data() && file.data()) return "\"wait\" cannot be used with file=" + named(file);
  if (wait.data() && wait != "yes" && wait != "no")
    return "invalid value " + named(wait) + " in the \"wait\" parameter";
  return {};
}

/// Path and arguments, which lie in `room`. False: an error, which has been put out.
static bool target(SsiState &s, std::string &room, TargetParts &parts) {
  std::string uri;
  Str text = ssi_param(s, "virtual");
  if (!text.data()) text = ssi_param(s, "file");
  if (!ssi_evaluate(s, text, false, uri)) return false;
  bool is_relative = uri.empty() ? text.empty() : uri[0] != '/';
  if (is_relative) uri.insert(0, s.r->uri.substr(0, s.r->uri.rfind('/') + 1));
  room = uri;
  if (target_parse_unsafe(room, room.data(), parts)) return true;
  ssi_error(s, "unsafe URI " + named(uri) + " was detected");
  return false;
}

void ssi_include(SsiState &s) {
  std::string wrong = wrong_params(s);
  if (!wrong.empty()) return ssi_error(s, wrong);
  Str stub = ssi_param(s, "stub"), set = ssi_param(s, "set");
  const std::string *block = nullptr;
  if (stub.data()) {
    auto found = s.shared->blocks.find(std::string(stub));
    if (found == s.shared->blocks.end()) return ssi_error(s, "\"stub\"=" + named(stub) + " for \"include\" not found");
    block = &found->second;
  }
  std::string room;
  TargetParts parts;
  if (!target(s, room, parts)) return;
  Request *r = s.r;
  if (set.data() && !ssi_set_variable(s, set, "")) return;
  if (!subrequest_has_turn(r)) s.held += r->out.body.bytes();
  Request *sub = subrequest_create(r, parts.path, parts.args, set.data() ? Sink::memory : Sink::parent, true);
  if (!sub) return ssi_error(s, {});
  Include *include = sub->arena.make<Include>();
  include->by = &s;
  include->stub = block;
  if (set.data()) include->set = set.empty() ? Str("") : sub->arena.dup(set);
  sub->has_stub = block != nullptr;
  sub->has_output_limit = set.data() != nullptr;
  subrequest_set_body(sub, r->body.state == BodyState::complete ? SubBody::forward : SubBody::none);
  subrequest_share_vars(sub);
  ++s.includes;
  if (set.data() || ssi_param(s, "wait") == "yes") s.waits_for = sub;
  subrequest_post(sub, on_done, include);
}

}  // namespace mw
