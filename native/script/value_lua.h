// SPDX-License-Identifier: MIT
// Values between TypeScript and Lua: the tagged tree of base/value.h onto and off a Lua stack.
#pragma once
#include "script/lua_api.h"

#include "base/value.h"

namespace mw {

/// Lets this VM have 64-bit integers of values, as cdata. May raise a Lua error: call it protected.
void value_allow_int64(lua_State *L);
/// Pushes one value; null becomes ngx.null. May raise a Lua error (memory): call it protected.
void value_push(lua_State *L, const Value &v);
/// Reads the value at `index`. False with `why` for what cannot cross (functions, userdata, cycles; cdata but for 64-bit
/// integers in a VM that has them, if asked for).
bool value_read(lua_State *L, int index, Value &out, const char **why, bool with_int64 = false);

}  // namespace mw
