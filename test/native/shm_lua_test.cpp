// SPDX-License-Identifier: MIT
// Runs test/lua/shdict.lua: ngx.shared.DICT through moonwire.shdict and the ABI, in a bare VM of this process with a worker
// whose clock the script moves. The symbols that ffi.C needs are exported by native_test.
#include <string>
#include <vector>

#include "abi/abi.h"
#include "check.h"
#include "shm/dict.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

using namespace mw;

namespace {
std::vector<ShmDictRef> zones;

int create(lua_State *L) {
  std::string error;
  zones.push_back(shm_dict_create(luaL_checkstring(L, 1), static_cast<uint64_t>(luaL_checknumber(L, 2)), error));
  lua_pushlightuserdata(L, zones.back().get());
  return 1;
}

// The chunk that finds the Lua half in the source tree; `...` is repository, worker address, create.
const char *const kStart = R"lua(
  local root, worker, create = ...
  local function chunk(path)
    return assert(loadfile(root .. path))
  end
  local file = assert(io.open(root .. "native/abi/mw_abi.h"))
  local cdef = file:read "*a"
  file:close()
  package.loaded["moonwire.abi"] = chunk "native/lua/moonwire/abi.lua"(cdef, worker, {})
  package.loaded["moonwire.shdict"] = chunk "native/lua/moonwire/shdict.lua"()
  return chunk "test/lua/shdict.lua"(create)
)lua";

void run(bool jit) {
  mw_worker_t worker{};
  worker.now_ms = 1700000000000;
  abi_worker = &worker;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (!jit && luaL_dostring(L, "jit.off()")) CHECK(!"jit.off()");
  if (luaL_loadstring(L, kStart)) check::fail(__FILE__, __LINE__, lua_tostring(L, -1));
  lua_pushstring(L, MW_REPOSITORY);
  lua_pushlightuserdata(L, &worker);
  lua_pushcfunction(L, create);
  if (lua_pcall(L, 3, 2, 0)) {
    check::fail(__FILE__, __LINE__, lua_tostring(L, -1));
  } else {
    CHECK_EQ(std::string(lua_tostring(L, -2)), "");
    CHECK(lua_tointeger(L, -1) > 10);
  }
  lua_close(L);
  abi_worker = nullptr;
  for (const ShmDictRef &zone : zones) CHECK(shm_dict_verify(*zone));
  zones.clear();
}
}  // namespace

TEST(shm_lua_compiled) { run(true); }
TEST(shm_lua_interpreted) { run(false); }
