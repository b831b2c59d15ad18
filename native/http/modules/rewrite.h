// SPDX-License-Identifier: MIT
// The rewrite module's first part: set and return, at server and location level.
#pragma once
#include <vector>

#include "http/request.h"

namespace mw {

/// Runs the operations in order. kDeclined to go on, else what `return` answered.
Rc rewrite_run(Request *r, const std::vector<RewriteOp> &ops);

}  // namespace mw
