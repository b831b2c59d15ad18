// SPDX-License-Identifier: MIT
// lua_vm_memory_limit: what a VM's allocator gives while Lua runs. At seven eighths of the limit the VM is to collect all its
// garbage before the next instruction; past the limit an allocation fails, which Lua sees as "not enough memory". Code of ours
// between resumes gets what it asks for: it is not protected against an error there. Owned by a Vm, on its thread.
#pragma once
#include <cstddef>
#include <cstdint>

#include "script/lua_api.h"

namespace mw {

struct Memory {
  size_t limit = 0;  ///< 0 = none: the VM has its own allocator
  size_t used = 0;
  size_t soft = 0;                  ///< a VM that takes more after a full collection is tight
  size_t bound = SIZE_MAX;          ///< an allocation that passes it is looked at
  bool is_enforced = false;         ///< Lua runs
  bool is_tight = false;            ///< `bound` was passed: to be looked at before Lua is entered again
  void (*tight)(void *) = nullptr;  ///< called from within an allocation as `bound` is passed
  void *arg = nullptr;
  lua_State *L = nullptr;
  lua_Alloc alloc = nullptr;  ///< LuaJIT's
  void *state = nullptr;
};

/// Puts the limit between L and its allocator. `m` must live until memory_close().
void memory_open(Memory *m, lua_State *L, size_t limit, void (*tight)(void *), void *arg);
/// Gives L its own allocator back, which lua_close() needs.
void memory_close(Memory *m, lua_State *L);
/// After a full collection: where the next allocation is looked at. True when the VM is tight.
bool memory_relax(Memory *m);

}  // namespace mw
