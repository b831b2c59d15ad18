// SPDX-License-Identifier: MIT
// The rewrite module's first part: set, set_by_lua and return, at server and location level.
#pragma once
#include <vector>

#include "http/request.h"

namespace mw {

/// Runs the operations in order, from r->rewrite_at. kDeclined to go on, kAgain when a handler of set_by_lua waits, else what
/// `return` answered, or the status with which a handler failed.
Rc rewrite_run(Request *r, const std::vector<RewriteOp> &ops);
/// A handler of set_by_lua that has waited ended with `rc`. kOk: the rest is to be run; else the status that ends the request.
Rc rewrite_lua_done(Request *r, Rc rc);

}  // namespace mw
