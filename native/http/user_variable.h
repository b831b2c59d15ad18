// SPDX-License-Identifier: MIT
// Variables that `set` and its like declare: a slot of the request, which subrequests that share variables share. The worker.
#pragma once
#include "http/variable.h"

namespace mw {

/// One that is used before it is set is empty; that is warned of once in a request.
bool user_variable_get(Request *r, const VarDef &def, Str &out);
/// Of a regex's named group, and what modules set: before that it has no value.
bool user_variable_get_unset(Request *r, const VarDef &def, Str &out);
/// Of a family, `set $arg_x ...`: before it is set it is what it would be without the `set`.
bool user_variable_get_weak(Request *r, const VarDef &def, Str &out);
bool user_variable_set(Request *r, const VarDef &def, Str value);

}  // namespace mw
