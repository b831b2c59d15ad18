// SPDX-License-Identifier: MIT
// The rewrite module: runs the instructions of a server or location that the control plane compiled (RewriteOp). May park in
// set_by_lua; the step is then run again and goes on behind it.
#pragma once
#include <vector>

#include "http/request.h"

namespace mw {

/// Runs the instructions from r->rewrite_at on. kDeclined to go on with the phases, kAgain when a set_by_lua parked, else
/// what ends the request. An empty list costs a comparison.
Rc rewrite_run_list(Request *r, const std::vector<RewriteOp> &ops);
inline Rc rewrite_run(Request *r, const std::vector<RewriteOp> &ops) {
  return ops.empty() ? static_cast<Rc>(kDeclined) : rewrite_run_list(r, ops);
}

/// A parked set_by_lua ended with `rc`: gives its variable the value in r->set_result. kOk to run the step again, else what
/// ends the request.
Rc rewrite_lua_done(Request *r, Rc rc);

}  // namespace mw
