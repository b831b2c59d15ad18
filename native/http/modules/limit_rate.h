// SPDX-License-Identifier: MIT
// limit_rate, limit_rate_after, $limit_rate: how fast a response may leave. The connection keeps the pace (net/pace.h).
#pragma once
#include "http/variable.h"

namespace mw {

/// A response begins to leave its connection: the limit of its request holds from here, or none.
void limit_rate_begin(Request *r);

/// A size with k or m that may hold variables; 0, logged, when the text means none.
uint64_t limit_rate_size(Request *r, const ComplexValue &value);

bool limit_rate_var(Request *r, const VarDef &def, Str &out);
bool limit_rate_var_set(Request *r, const VarDef &def, Str value);

}  // namespace mw
