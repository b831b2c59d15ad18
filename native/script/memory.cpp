// SPDX-License-Identifier: MIT
// See memory.h. LuaJIT tells its allocator the old size of every block, so the count costs an addition.
#include "script/memory.h"

/// Our addition to LuaJIT (deps/recipes.mjs): readies the running coroutine for the error of an allocation that fails.
extern "C" void mw_luajit_settle(lua_State *L);

namespace mw {

/// The rare case: above `bound`.
static bool allows(Memory *m, size_t used) {
  if (!m->is_enforced) return true;
  m->is_tight = true;
  if (used > m->limit) {
    mw_luajit_settle(m->L);
    return false;
  }
  m->bound = m->limit;
  m->tight(m->arg);
  return true;
}

static void *allocate(void *ud, void *block, size_t old_size, size_t size) {
  Memory *m = static_cast<Memory *>(ud);
  size_t used = m->used - old_size + size;
  if (size > old_size && used > m->bound && !allows(m, used)) return nullptr;
  void *p = m->alloc(m->state, block, old_size, size);
  if (p || size == 0) m->used = used;
  return p;
}

void memory_open(Memory *m, lua_State *L, size_t limit, void (*tight)(void *), void *arg) {
  m->L = L;
  m->limit = limit;
  m->soft = m->bound = limit - limit / 8;
  m->tight = tight;
  m->arg = arg;
  m->used = static_cast<size_t>(lua_gc(L, LUA_GCCOUNT, 0)) * 1024 + static_cast<size_t>(lua_gc(L, LUA_GCCOUNTB, 0));
  m->alloc = lua_getallocf(L, &m->state);
  lua_setallocf(L, allocate, m);
}

void memory_close(Memory *m, lua_State *L) {
  if (m->alloc) lua_setallocf(L, m->alloc, m->state);
}

bool memory_relax(Memory *m) {
  bool is_tight = m->used > m->soft;
  size_t half =
      m->used < m->limit ? m->used + (m->limit - m->used) / 2 : m->limit;  // a few collections up to the limit
  m->bound = is_tight ? half : m->soft;
  return is_tight;
}

}  // namespace mw
