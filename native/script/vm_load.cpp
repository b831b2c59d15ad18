// SPDX-License-Identifier: MIT
// Chunks of the plan: loaded at first use, kept as functions in the registry by script number (by path for files whose name
// holds variables). With lua_code_cache off, loaded anew each time.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "http/variable.h"
#include "script/vm_inner.h"

namespace mw {

const char kWrapperChunk[] = "=handler";
static const char kFilesKey = 0;  ///< registry key of the table path -> function

static const char *load_error(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  return text ? text : "unknown error";
}

static void log_load(Vm *vm, Request *r, const char *format, const char *name, const char *why) {
  log_write(r ? r->log() : *vm->core->log, kLogError, 0, r ? &r->log_ctx : nullptr, format, name, why);
}

/// Replaces the chunk on the top of vm->L by a function of fixed arity that calls it. A chunk is a vararg function, at
/// which LuaJIT starts no trace; each wrapper is a prototype of its own, so that each handler gets a trace of its own. (A
/// tail call would not do: a trace cannot return from a vararg frame to C.)
static void wrap_chunk(lua_State *L) {
  static const char kWrapper[] = "local handler = ... return function() handler() end";
  if (luaL_loadbuffer(L, kWrapper, sizeof kWrapper - 1, kWrapperChunk) != 0) return lua_pop(L, 1);
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) != 0) return lua_pop(L, 1);
  lua_replace(L, -2);
}

/// Loads inline text. Leaves the function, or nothing, on vm->L.
static Rc load_inline(Vm *vm, Request *r, const Script &s) {
  if (luaL_loadbuffer(vm->L, s.source.data(), s.source.size(), s.chunkname.c_str()) == 0) return kOk;
  log_load(vm, r, "failed to load inlined Lua code: %s%s", load_error(vm->L), "");
  lua_pop(vm->L, 1);
  return 500;
}

static Rc load_file(Vm *vm, Request *r, const char *path) {
  struct stat st;
  if (stat(path, &st) < 0) {
    log_load(vm, r, "failed to load external Lua file \"%s\": cannot open %s", path, (std::string(path) + ": " + strerror(errno)).c_str());
    return errno == ENOENT || errno == ENOTDIR ? 404 : 500;
  }
  if (luaL_loadfile(vm->L, path) == 0) return kOk;
  log_load(vm, r, "failed to load external Lua file \"%s\": %s", path, load_error(vm->L));
  lua_pop(vm->L, 1);
  return 500;
}

/// A file whose path is computed per request: cached by path.
static Rc push_computed_file(Vm *vm, Request *r, const Script &s, bool cache) {
  lua_State *L = vm->L;
  Str path = complex_value(r, s.path);
  std::string name(path);
  if (name.empty() || name[0] != '/') name = r->plan->prefix + name;
  lua_pushlightuserdata(L, const_cast<char *>(&kFilesKey));
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, const_cast<char *>(&kFilesKey));
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  lua_getfield(L, -1, name.c_str());
  if (!cache || !lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    Rc rc = load_file(vm, r, name.c_str());
    if (rc != kOk) {
      lua_pop(L, 1);
      return rc;
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name.c_str());
  }
  lua_remove(L, -2);
  return kOk;
}

Rc vm_push_script(Vm *vm, Request *r, int32_t script, lua_State *co) {
  size_t i = static_cast<size_t>(script);
  int &ref = vm->script_refs[i];
  bool cache = !r || r->conf->lua_code_cache;
  if (ref != LUA_NOREF && cache) {
    lua_rawgeti(co, LUA_REGISTRYINDEX, ref);
    return kOk;
  }
  const Script &s = vm->core->p->scripts[i];
  bool computed = s.is_file && !s.path.is_constant();
  Rc rc;
  if (computed && r) rc = push_computed_file(vm, r, s, cache);
  else rc = s.is_file ? load_file(vm, r, s.path.constant().c_str()) : load_inline(vm, r, s);
  if (rc != kOk) return rc;
  if (cache && !computed) {
    wrap_chunk(vm->L);
    lua_pushvalue(vm->L, -1);
    ref = luaL_ref(vm->L, LUA_REGISTRYINDEX);
  }
  lua_xmove(vm->L, co, 1);
  return kOk;
}

}  // namespace mw
