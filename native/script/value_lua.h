// SPDX-License-Identifier: MIT
// Values between TypeScript and Lua: the tagged tree of base/value.h onto and off a Lua stack.
#pragma once
#include "script/lua_api.h"

#include "base/value.h"

namespace mw {

/// Pushes one value; null becomes ngx.null. May raise a Lua error (memory): call it protected.
void value_push(lua_State *L, const Value &v);
/// Reads the value at `index`. False with `why` for what cannot cross (functions, userdata, cycles).
bool value_read(lua_State *L, int index, Value &out, const char **why);

}  // namespace mw
