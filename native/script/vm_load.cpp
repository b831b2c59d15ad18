// SPDX-License-Identifier: MIT
// Chunks of the plan: loaded at first use, kept as functions in the registry by script number (by path for files whose name
// holds variables). With lua_code_cache off, loaded anew each time.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/variable.h"
#include "script/vm_inner.h"

namespace mw {

const char kWrapperChunk[] = "=handler";
static const char kFilesKey = 0;  ///< registry key of the table path -> function

/// Says why a chunk did not load: into `why` where the caller tells it, else into the log, with `what` before it.
static void report(Vm *vm, Request *r, std::string *why, const std::string &what, const std::string &reason) {
  if (why)
    *why = reason;
  else
    log_write(r ? r->log() : *vm->core->log, kLogError, 0, r ? &r->log_ctx : nullptr, "%s%s", what.c_str(),
              reason.c_str());
}

/// Takes the compiler's message off the stack.
static std::string pop_error(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  std::string copy = text ? text : "unknown error";
  lua_pop(L, 1);
  return copy;
}

/// store(value): what a handler of set_by_lua returned becomes the variable's value.
static int store_set_result(lua_State *L) {
  Request *r = vm_current->current->run->r;
  size_t size = 0;
  const char *text = lua_isstring(L, 1) ? lua_tolstring(L, 1, &size) : nullptr;
  if (text) r->set_result = r->arena.dup({text, size});
  return 0;
}

/// Replaces the chunk on the top of vm->L by a function of fixed arity that calls it. A chunk is a vararg function, at
/// which LuaJIT starts no trace; each wrapper is a prototype of its own, so that each handler gets a trace of its own. (A
/// tail call would not do: a trace cannot return from a vararg frame to C.)
static void wrap_chunk(lua_State *L, bool is_set) {
  static const char kWrapper[] = "local handler = ... return function() local rc = handler() return rc end";
  static const char kSetWrapper[] = "local handler, store = ... return function() store(handler()) end";
  const char *text = is_set ? kSetWrapper : kWrapper;
  if (luaL_loadbuffer(L, text, strlen(text), kWrapperChunk) != 0) return lua_pop(L, 1);
  lua_pushvalue(L, -2);
  lua_pushcfunction(L, store_set_result);
  if (lua_pcall(L, 2, 1, 0) != 0) return lua_pop(L, 1);
  lua_replace(L, -2);
}

/// Loads inline text. Leaves the function, or nothing, on vm->L.
static Rc load_inline(Vm *vm, Request *r, const Script &s, std::string *why) {
  if (luaL_loadbuffer(vm->L, s.source.data(), s.source.size(), s.chunkname.c_str()) == 0) return kOk;
  report(vm, r, why, "failed to load inlined Lua code: ", pop_error(vm->L));
  return 500;
}

static Rc load_file(Vm *vm, Request *r, const char *path, std::string *why) {
  std::string subject = std::string("failed to load external Lua file \"") + path + "\": ";
  struct stat st;
  if (stat(path, &st) < 0) {
    int error = errno;
    report(vm, r, why, subject, std::string("cannot open ") + path + ": " + strerror(error));
    return error == ENOENT || error == ENOTDIR ? 404 : 503;
  }
  if (access(path, R_OK) < 0) {
    report(vm, r, why, subject, std::string("cannot open ") + path);
    return 503;
  }
  if (luaL_loadfile(vm->L, path) == 0) return kOk;
  report(vm, r, why, subject, pop_error(vm->L));
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
    Rc rc = load_file(vm, r, name.c_str(), nullptr);
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

Rc vm_push_script(Vm *vm, Request *r, int32_t script, lua_State *co, std::string *why) {
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
  if (computed && r)
    rc = push_computed_file(vm, r, s, cache);
  else
    rc = s.is_file ? load_file(vm, r, s.path.constant().c_str(), why) : load_inline(vm, r, s, why);
  if (rc != kOk) return rc;
  bool is_set = s.is_set;
  if (is_set && (!cache || computed)) wrap_chunk(vm->L, true);
  if (cache && !computed) {
    wrap_chunk(vm->L, is_set);
    lua_pushvalue(vm->L, -1);
    ref = luaL_ref(vm->L, LUA_REGISTRYINDEX);
  }
  lua_xmove(vm->L, co, 1);
  return kOk;
}

}  // namespace mw
