// SPDX-License-Identifier: MIT
// Registers lua-cjson's two entry points. `require "cjson"` from a user's own folder is then never reached: as with
// OpenResty, where the module is on the path that is searched first.
#include "script/json.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>

int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);
}

namespace mw {

void json_preload(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_cjson);
  lua_setfield(L, -2, "cjson");
  lua_pushcfunction(L, luaopen_cjson_safe);
  lua_setfield(L, -2, "cjson.safe");
  lua_pop(L, 2);
}

}  // namespace mw
