// SPDX-License-Identifier: MIT
// The rewrite module and set_by_lua*, at server and location level.
#pragma once
#include <vector>

#include "http/request.h"

namespace mw {

/// Runs the operations in order, from where a waiting set_by_lua left off. kDeclined to go on, kAgain while one waits, else
/// what `return` or a redirect answered.
Rc rewrite_run(Request *r, const std::vector<RewriteOp> &ops);

}  // namespace mw
