// SPDX-License-Identifier: MIT
// Runs the Lua halves of the ABI families in a bare VM of this process: test/lua/harness.lua with each *_test.lua beside
// it, and the differential corpus, which must at least run. The symbols that ffi.C needs are exported by native_test.
#include <dirent.h>

#include <algorithm>
#include <string>
#include <vector>

#include "abi/abi.h"
#include "check.h"
#include "script/json.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

MW_EXPORT
void mw_test_set_worker(mw_worker_t *w) { mw::abi_worker = w; }
}

namespace {

// Runs the harness over `files`; returns the number of checks passed, or -1 after reporting what failed.
int run_lua(const std::vector<std::string> &files, const char *scratch) {
  setenv("MW_SCRATCH", scratch, 1);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  mw::json_preload(L);
  lua_newtable(L);
  lua_pushstring(L, MW_REPOSITORY);
  lua_rawseti(L, -2, 1);
  for (size_t i = 0; i < files.size(); ++i) {
    lua_pushstring(L, files[i].c_str());
    lua_rawseti(L, -2, static_cast<int>(i) + 2);
  }
  lua_setglobal(L, "arg");
  int passed = -1;
  if (luaL_loadfile(L, MW_REPOSITORY "test/lua/harness.lua") || lua_pcall(L, 0, 2, 0)) {
    check::fail(__FILE__, __LINE__, lua_tostring(L, -1));
  } else {
    passed = static_cast<int>(lua_tointeger(L, -2));
    CHECK_EQ(lua_tointeger(L, -1), 0);
  }
  lua_close(L);
  mw::abi_worker = nullptr;
  return passed;
}

std::vector<std::string> lua_tests() {
  std::vector<std::string> files;
  const std::string folder = MW_REPOSITORY "test/lua/";
  if (DIR *dir = opendir(folder.c_str())) {
    while (dirent *entry = readdir(dir)) {
      const std::string name = entry->d_name;
      if (name.size() > 9 && name.compare(name.size() - 9, 9, "_test.lua") == 0) files.push_back(folder + name);
    }
    closedir(dir);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST(lua_families_hold) {
  const auto files = lua_tests();
  CHECK(!files.empty());
  CHECK(run_lua(files, "4096") > 300);
}

TEST(lua_families_hold_with_a_tiny_scratch) { CHECK(run_lua(lua_tests(), "64") > 300); }

TEST(lua_differential_corpus_runs) { CHECK(run_lua({MW_REPOSITORY "test/lua/families_corpus.lua"}, "4096") > 5000); }
