// SPDX-License-Identifier: MIT
// echo-nginx-module's content handler: a list of commands that write, wait, and make subrequests, run in order.
#pragma once
#include "http/request.h"

namespace mw {

struct VarDef;

/// Runs the commands of r->conf->echo from the first. kOk at the end, kAgain when one waits (the handler then ends through
/// http_finalize), kDone after echo_exec, or a status.
Rc echo_run(Request *r);

/// The request body as text: from memory or its file; empty when it has not been read.
Str echo_body_text(Request *r);
/// $echo_it, $echo_timer_elapsed.
bool echo_var_it(Request *r, const VarDef &def, Str &out);
bool echo_var_timer_elapsed(Request *r, const VarDef &def, Str &out);

}  // namespace mw
