// SPDX-License-Identifier: MIT
// lua-cjson, linked into the binary, as the modules `cjson` and `cjson.safe`. Called by the boot code of each VM, on its
// thread; the VM owns the modules.
#pragma once
struct lua_State;

namespace mw {

/// Puts both modules into package.preload, so that `require` finds them first and without a file.
void json_preload(lua_State *L);

}  // namespace mw
