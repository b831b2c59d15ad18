// SPDX-License-Identifier: MIT
// See value_lua.h.
#include "script/value_lua.h"

#include <string.h>

#include "script/embed.h"

namespace mw {

static constexpr int kMaxDepth = 60;
static constexpr int kTypeCdata = 10;  ///< LuaJIT's, after LUA_TTHREAD and its prototypes
static const char kInt64Key = 0;       ///< registry key of what moonwire/int64.lua returns
enum Int64Function { kMake = 1, kKind = 2 };

/// Pushes one of int64.lua's functions, or nil where it is not loaded. Raises nothing.
static bool push_int64_function(lua_State *L, Int64Function which) {
  lua_pushlightuserdata(L, const_cast<char *>(&kInt64Key));
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_istable(L, -1)) return false;
  lua_rawgeti(L, -1, which);
  lua_remove(L, -2);
  return true;
}

void value_allow_int64(lua_State *L) {
  luaL_checkstack(L, 4, "no stack for a module");
  bool is_loaded = push_int64_function(L, kKind);
  lua_pop(L, 1);
  if (is_loaded) return;
  const EmbeddedLua *file = embedded_lua("moonwire.int64");
  lua_pushlightuserdata(L, const_cast<char *>(&kInt64Key));
  if (luaL_loadbuffer(L, file->data, file->size, "=moonwire.int64") != 0) lua_error(L);
  lua_call(L, 0, 1);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

static void push_int64(lua_State *L, const Value &v) {
  if (!push_int64_function(L, kMake)) luaL_error(L, "a 64-bit integer cannot come here");
  lua_pushlstring(L, reinterpret_cast<const char *>(&v.inum), sizeof v.inum);
  lua_pushboolean(L, v.tag == Value::unsigned_);
  lua_call(L, 2, 1);
}

static bool read_int64(lua_State *L, int index, Value &out) {
  int kind = 0;
  if (push_int64_function(L, kKind)) {
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 1, 0) == 0) kind = static_cast<int>(lua_tointeger(L, -1));
  }
  lua_pop(L, 1);
  if (kind == 0) return false;
  out.tag = kind == 1 ? Value::integer : Value::unsigned_;
  memcpy(&out.inum, lua_topointer(L, index), sizeof out.inum);  // of a cdata: its content
  return true;
}

void value_push(lua_State *L, const Value &v) {
  luaL_checkstack(L, 8, "value nests too deeply");
  switch (v.tag) {
    case Value::nil: lua_pushnil(L); break;
    case Value::false_: lua_pushboolean(L, 0); break;
    case Value::true_: lua_pushboolean(L, 1); break;
    case Value::number: lua_pushnumber(L, v.num); break;
    case Value::integer:
    case Value::unsigned_: push_int64(L, v); break;
    case Value::string: lua_pushlstring(L, v.str.data(), v.str.size()); break;
    case Value::null: lua_pushlightuserdata(L, nullptr); break;
    case Value::array:
      lua_createtable(L, static_cast<int>(v.items.size()), 0);
      for (size_t i = 0; i < v.items.size(); ++i) {
        value_push(L, v.items[i]);
        lua_rawseti(L, -2, static_cast<int>(i) + 1);
      }
      break;
    case Value::table:
      lua_createtable(L, 0, static_cast<int>(v.pairs.size()));
      for (const auto &pair : v.pairs) {
        value_push(L, pair.first);
        value_push(L, pair.second);
        lua_rawset(L, -3);
      }
      break;
  }
}

/// What is allowed, and where to say why something is not.
struct Reading {
  const char **why;
  bool with_int64;
};

/// The tables around the one that is read, innermost first.
struct Around {
  const void *table;
  const Around *outer;
  int depth;
};

static bool read(lua_State *L, int index, Value &out, const Reading &how, const Around *outer);

/// A table whose keys are 1..n is an array; any other crosses with its keys.
static bool read_table(lua_State *L, int index, Value &out, const Reading &how, const Around *outer) {
  Around here{lua_topointer(L, index), outer, outer ? outer->depth + 1 : 1};
  for (const Around *a = outer; a; a = a->outer)
    if (a->table == here.table) here.depth = kMaxDepth + 1;
  if (here.depth > kMaxDepth) {
    *how.why = "value nests too deeply or holds itself";
    return false;
  }
  size_t n = lua_objlen(L, index), seen = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    ++seen;
    lua_pop(L, 1);
  }
  if (n > 0 && seen == n) {
    out.tag = Value::array;
    out.items.resize(n);
    for (size_t i = 0; i < n; ++i) {
      lua_rawgeti(L, index, static_cast<int>(i) + 1);
      bool ok = read(L, lua_gettop(L), out.items[i], how, &here);
      lua_pop(L, 1);
      if (!ok) return false;
    }
    return true;
  }
  out.tag = Value::table;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int top = lua_gettop(L);
    out.pairs.emplace_back();
    bool ok = read(L, top - 1, out.pairs.back().first, how, &here) && read(L, top, out.pairs.back().second, how, &here);
    Value::Tag key = out.pairs.back().first.tag;
    if (ok && key != Value::string && key != Value::number) {
      *how.why = "a table key is neither a string nor a number";
      ok = false;
    }
    if (!ok) {
      lua_pop(L, 2);
      return false;
    }
    lua_pop(L, 1);
  }
  return true;
}

static bool read(lua_State *L, int index, Value &out, const Reading &how, const Around *outer) {
  if (!lua_checkstack(L, 8)) {
    *how.why = "out of memory";
    return false;
  }
  switch (lua_type(L, index)) {
    case LUA_TNIL: out.tag = Value::nil; return true;
    case LUA_TBOOLEAN: out.tag = lua_toboolean(L, index) ? Value::true_ : Value::false_; return true;
    case LUA_TNUMBER:
      out.tag = Value::number;
      out.num = lua_tonumber(L, index);
      return true;
    case LUA_TSTRING: {
      size_t size;
      const char *s = lua_tolstring(L, index, &size);
      out.tag = Value::string;
      out.str.assign(s, size);
      return true;
    }
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, index) == nullptr) {
        out.tag = Value::null;
        return true;
      }
      break;
    case kTypeCdata:
      if (how.with_int64 && read_int64(L, index, out)) return true;
      break;
    case LUA_TTABLE: return read_table(L, index, out, how, outer);
    default: break;
  }
  *how.why = "a value of this type cannot leave Lua";
  return false;
}

bool value_read(lua_State *L, int index, Value &out, const char **why, bool with_int64) {
  return read(L, index, out, {why, with_int64}, nullptr);
}

}  // namespace mw
