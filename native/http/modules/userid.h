// SPDX-License-Identifier: MIT
// nginx's userid module: a cookie by which a client is known again, and the variables $uid_got, $uid_set. Worker's thread.
#pragma once
#include "http/variable.h"

namespace mw {

/// Sets the cookie where the client has none, or one that is to be replaced.
void userid_filter(Request *r);

/// What the client has sent, and what it is given: "NAME=" and 32 hex digits.
bool userid_var_got(Request *r, const VarDef &, Str &out);
bool userid_var_set(Request *r, const VarDef &, Str &out);

}  // namespace mw
