// SPDX-License-Identifier: MIT
// The machine-code arena: runs of chunks are given and taken back, a full arena falls back to the kernel, and VMs keep
// their JIT when everything around LuaJIT's code is taken, as node's Buffers may do.
#include "script/mcode.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace {

constexpr int kRwx = PROT_READ | PROT_WRITE | PROT_EXEC;
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

/// Compiles at least one loop; true when the VM has a trace afterwards.
bool vm_compiles(lua_State *L) {
  const char *code =
      "local sum = 0 for i = 1, 1000 do sum = sum + i % 7 end\n"
      "return require('jit.util').traceinfo(1) ~= nil and sum == 3003";
  if (luaL_dostring(L, code) != 0) return false;
  const bool ok = lua_toboolean(L, -1);
  lua_settop(L, 0);
  return ok;
}

/// Takes every free page within 1.2 GB of LuaJIT's code, so that probing cannot succeed.
std::vector<void *> occupy_neighbourhood() {
  std::vector<void *> taken;
#ifdef __SANITIZE_THREAD__
  taken.resize(1001, mmap(nullptr, 0x10000, PROT_NONE, kAnonymous, -1, 0));  // TSan needs that space for its own
  return taken;
#endif
  const uintptr_t centre = reinterpret_cast<uintptr_t>(&lua_newstate) & ~uintptr_t{0xffff};
  const uintptr_t reach = uintptr_t{1200} << 20, step = 0x10000;
  for (uintptr_t at = centre - reach; at < centre + reach; at += step) {
    void *p =
        mmap(reinterpret_cast<void *>(at), step, PROT_NONE, kAnonymous | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != MAP_FAILED) taken.push_back(p);
  }
  return taken;
}

}  // namespace

TEST(mcode_chunks_come_back) {
  const size_t before = mw::mcode_used();
  void *a = mw_mcode_mmap(nullptr, mw::kMcodeChunk, kRwx, kAnonymous, -1, 0);
  void *b = mw_mcode_mmap(nullptr, 3 * mw::kMcodeChunk, kRwx, kAnonymous, -1, 0);
  CHECK(a != b);
  CHECK_EQ(mw::mcode_used() - before, 4 * mw::kMcodeChunk);
  std::memset(b, 0x90, 3 * mw::kMcodeChunk);
  CHECK_EQ(mw_mcode_munmap(a, mw::kMcodeChunk), 0);
  CHECK_EQ(mw_mcode_munmap(b, 3 * mw::kMcodeChunk), 0);
  CHECK_EQ(mw::mcode_used(), before);
  void *c = mw_mcode_mmap(nullptr, mw::kMcodeChunk, kRwx, kAnonymous, -1, 0);
  CHECK(c == a);  // the lowest free chunk is given again
  mw_mcode_munmap(c, mw::kMcodeChunk);
}

TEST(mcode_full_arena_asks_the_kernel) {
  std::vector<void *> all;
  while (mw::mcode_used() < mw::kMcodeArena)
    all.push_back(mw_mcode_mmap(nullptr, mw::kMcodeChunk, kRwx, kAnonymous, -1, 0));
  void *outside = mw_mcode_mmap(nullptr, mw::kMcodeChunk, kRwx, kAnonymous, -1, 0);
  CHECK(outside != MAP_FAILED);
  CHECK_EQ(mw::mcode_used(), mw::kMcodeArena);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK(vm_compiles(L));  // by LuaJIT's own probing
  lua_close(L);
  CHECK_EQ(mw_mcode_munmap(outside, mw::kMcodeChunk), 0);
  for (void *p : all) mw_mcode_munmap(p, mw::kMcodeChunk);
  CHECK_EQ(mw::mcode_used(), size_t{0});
}

TEST(mcode_many_vms_keep_their_jit) {
  std::vector<void *> taken = occupy_neighbourhood();
  CHECK(taken.size() > 1000);
  std::vector<lua_State *> vms;
  for (int i = 0; i < 64; ++i) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    CHECK(vm_compiles(L));
    vms.push_back(L);
  }
  CHECK_EQ(mw::mcode_used(), 64 * mw::kMcodeChunk);
  for (lua_State *L : vms) lua_close(L);
  CHECK_EQ(mw::mcode_used(), size_t{0});
  for (void *p : taken) munmap(p, 0x10000);
}
