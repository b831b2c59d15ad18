// SPDX-License-Identifier: MIT
// See value_lua.h.
#include "script/value_lua.h"

namespace mw {

static constexpr int kMaxDepth = 60;

void value_push(lua_State *L, const Value &v) {
  luaL_checkstack(L, 4, "value nests too deeply");
  switch (v.tag) {
    case Value::nil: lua_pushnil(L); break;
    case Value::false_: lua_pushboolean(L, 0); break;
    case Value::true_: lua_pushboolean(L, 1); break;
    case Value::number: lua_pushnumber(L, v.num); break;
    case Value::integer: lua_pushnumber(L, static_cast<lua_Number>(v.inum)); break;
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

/// The tables around the one that is read, innermost first.
struct Around {
  const void *table;
  const Around *outer;
  int depth;
};

static bool read(lua_State *L, int index, Value &out, const char **why, const Around *outer);

/// A table whose keys are 1..n is an array; any other crosses with its keys.
static bool read_table(lua_State *L, int index, Value &out, const char **why, const Around *outer) {
  Around here{lua_topointer(L, index), outer, outer ? outer->depth + 1 : 1};
  for (const Around *a = outer; a; a = a->outer)
    if (a->table == here.table) here.depth = kMaxDepth + 1;
  if (here.depth > kMaxDepth) {
    *why = "value nests too deeply or holds itself";
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
      bool ok = read(L, lua_gettop(L), out.items[i], why, &here);
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
    bool ok = read(L, top - 1, out.pairs.back().first, why, &here) && read(L, top, out.pairs.back().second, why, &here);
    Value::Tag key = out.pairs.back().first.tag;
    if (ok && key != Value::string && key != Value::number) {
      *why = "a table key is neither a string nor a number";
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

static bool read(lua_State *L, int index, Value &out, const char **why, const Around *outer) {
  if (!lua_checkstack(L, 8)) {
    *why = "out of memory";
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
    case LUA_TTABLE: return read_table(L, index, out, why, outer);
    default: break;
  }
  *why = "a value of this type cannot leave Lua";
  return false;
}

bool value_read(lua_State *L, int index, Value &out, const char **why) { return read(L, index, out, why, nullptr); }

}  // namespace mw
