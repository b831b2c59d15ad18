// SPDX-License-Identifier: MIT
// Subrequests: requests that a request makes to locations of its own server. A captured one (Sink::memory) keeps its output
// for who made it; an inline one (Sink::parent) writes into the main response, in the order in which the subrequests were
// made. They run on the worker's thread and end before their main request does; their fields point into its arena.
#pragma once
#include "http/request.h"

namespace mw {

/// A place in the output of a request that waits for its turn: a subrequest's, or bytes written after one.
struct Postponed {
  Postponed *next = nullptr;
  Request *sub = nullptr;
  Chain data;
};

/// What a subrequest does with the parent's request body.
enum class SubBody : uint8_t { none, forward };

/// A subrequest of `parent` for path `uri` (decoded) and `args`, both copied. Not started. Null when subrequests are nested
/// 50 deep (nginx's limit), which is logged. `is_filtered`: what the parent has in out.body is past its filters, since one of them
/// makes the subrequest.
Request *subrequest_create(Request *parent, Str uri, Str args, Sink sink, bool is_filtered = false);
/// Sets method, and body by lua-nginx-module's rules: `forward` passes the parent's on, if it has been read.
void subrequest_set_method(Request *sub, uint32_t method_id);
void subrequest_set_body(Request *sub, SubBody body);
/// Gives it a body of its own (copied).
void subrequest_set_body_data(Request *sub, Str data);
/// Gives it the file at `path` as body. False with errno when it cannot be opened.
bool subrequest_set_body_file(Request *sub, Str path);
/// User variables of the parent: the same ones, or a copy.
void subrequest_share_vars(Request *sub);
void subrequest_copy_vars(Request *sub);
/// Runs the phases. `done`, if set, is called once at its end (not when its main request goes first) and then owns a captured
/// one: subrequest_free(). It must not run handlers of other requests.
void subrequest_start(Request *sub, void (*done)(Request *sub, void *arg), void *arg);
/// The same once whoever creates it has returned to the loop: however it ends, nobody's frame is on the stack.
void subrequest_post(Request *sub, void (*done)(Request *sub, void *arg), void *arg);
/// The same for one whose answer nobody reads: its main request, answered or not, ends behind it.
void subrequest_post_copy(Request *sub);
/// The subrequest whose pump_task it is.
Request *subrequest_of(Task *t);
/// Does what `r` puts out now go out at once, behind nobody else's output?
bool subrequest_has_turn(const Request *r);
/// Has inline `r` put out as much as may wait for the client, or, behind others' output, for its turn? Who makes the output then
/// waits by output_wait(..., true).
bool subrequest_is_backed_up(const Request *r, uint64_t most);
/// Frees one that has ended or was not started. Where it has made one that runs in the background, both stay a while.
void subrequest_free(Request *sub);
/// The captured output as one text, in the subrequest's arena.
Str subrequest_output(Request *sub);

// --- called by the engine --------------------------------------------------------------------------------------------

/// The output of `sub` has ended, or it failed.
void subrequest_finish(Request *sub);
/// The parked log handler of a subrequest ended.
void subrequest_log_done(Request *sub);
/// Takes what is in r->out.body: of a subrequest, or of a main request that subrequests precede.
void subrequest_pass(Request *r, bool last);
/// Frees all subrequests of a main request that ends before them.
void subrequest_free_all(Request *main);

}  // namespace mw
