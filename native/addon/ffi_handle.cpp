// SPDX-License-Identifier: MIT
// The object `ffi`: synchronous calls into LuaJIT's FFI on the JavaScript thread. One Lua VM per Node environment, opened at
// first use, closed when the environment ends. cdata stay in that VM: JavaScript holds them by External objects, whose
// finalizers run on the same thread and drop the registry reference. lib/ffi.ts validates; here the kinds are trusted.
#include <string.h>

#include <memory>
#include <string>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

#include "addon/addon.h"
#include "script/embed.h"

namespace mw {

namespace {

/// Kinds of results, as native/lua/moonwire/ffi_bridge.lua names them.
enum Kind { kUndefined, kPlain, kInt64, kUint64, kCdata, kFunction, kBytes };

constexpr int kMaxArguments = 64;
constexpr int kMaxDepth = 16;

/// The VM; `lua` becomes null when the environment has ended.
struct FfiVm {
  lua_State *lua = nullptr;
  int bridge = LUA_NOREF;  ///< the table that ffi_bridge.lua returns
};

/// A cdata that JavaScript holds.
struct CdataRef {
  std::shared_ptr<FfiVm> vm;
  int ref;
  ~CdataRef() {
    if (vm->lua != nullptr) luaL_unref(vm->lua, LUA_REGISTRYINDEX, ref);
  }
};

void vm_close(FfiVm &vm) {
  if (vm.lua != nullptr) lua_close(vm.lua);
  vm.lua = nullptr;
}

std::string vm_open(FfiVm &vm) {
  vm.lua = luaL_newstate();
  if (vm.lua == nullptr) return "no memory";
  luaL_openlibs(vm.lua);
  const EmbeddedLua *source = embedded_lua("moonwire.ffi_bridge");
  if (luaL_loadbuffer(vm.lua, source->data, source->size, "=ffi") == 0 && lua_pcall(vm.lua, 0, 1, 0) == 0) {
    vm.bridge = luaL_ref(vm.lua, LUA_REGISTRYINDEX);
    return {};
  }
  std::string error = lua_tostring(vm.lua, -1);
  vm_close(vm);
  return error;
}

// Pushes bridge[name].
void push_bridge(FfiVm &vm, const char *name) {
  lua_rawgeti(vm.lua, LUA_REGISTRYINDEX, vm.bridge);
  lua_getfield(vm.lua, -1, name);
  lua_remove(vm.lua, -2);
}

bool push_value(FfiVm &vm, Napi::Value v, int depth, std::string &error);

bool push_bigint(FfiVm &vm, Napi::Value v, std::string &error) {
  auto big = v.As<Napi::BigInt>();
  bool lossless = false;
  int64_t i = big.Int64Value(&lossless);
  uint64_t bits = static_cast<uint64_t>(i);
  const char *make = "int64";
  if (!lossless) {
    bits = big.Uint64Value(&lossless);
    make = "uint64";
  }
  if (!lossless) {
    error = "bigint does not fit in 64 bits";
    return false;
  }
  push_bridge(vm, make);
  lua_pushlstring(vm.lua, reinterpret_cast<const char *>(&bits), sizeof(bits));
  if (lua_pcall(vm.lua, 1, 1, 0) == 0) return true;
  error = lua_tostring(vm.lua, -1);
  return false;
}

// Bytes of a Buffer, TypedArray, DataView or ArrayBuffer: valid during the call, JavaScript holds the object meanwhile.
bool push_memory(FfiVm &vm, Napi::Value v) {
  void *data = nullptr;
  if (v.IsTypedArray()) {
    auto a = v.As<Napi::TypedArray>();
    data = static_cast<char *>(a.ArrayBuffer().Data()) + a.ByteOffset();
  } else if (v.IsDataView()) {
    data = v.As<Napi::DataView>().Data();
  } else if (v.IsArrayBuffer()) {
    data = v.As<Napi::ArrayBuffer>().Data();
  } else {
    return false;
  }
  lua_pushlightuserdata(vm.lua, data);
  return true;
}

// Arrays and plain objects become tables: LuaJIT's initializers.
bool push_table(FfiVm &vm, Napi::Object o, int depth, std::string &error) {
  if (depth >= kMaxDepth) {
    error = "value nests too deep";
    return false;
  }
  bool is_array = o.IsArray();
  Napi::Array keys = is_array ? o.As<Napi::Array>() : o.GetPropertyNames();
  lua_createtable(vm.lua, 0, 0);
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    Napi::Value key = is_array ? Napi::Value() : keys.Get(i);
    Napi::Value item = is_array ? keys.Get(i) : o.Get(key);
    if (is_array) {
      lua_pushinteger(vm.lua, static_cast<lua_Integer>(i) + 1);
    } else {
      std::string name = key.ToString();
      lua_pushlstring(vm.lua, name.data(), name.size());
    }
    if (!push_value(vm, item, depth + 1, error)) return false;
    lua_rawset(vm.lua, -3);
  }
  return true;
}

bool push_value(FfiVm &vm, Napi::Value v, int depth, std::string &error) {
  lua_State *L = vm.lua;
  if (lua_checkstack(L, 8) == 0) {
    error = "stack overflow";
    return false;
  }
  switch (v.Type()) {
    case napi_undefined:
    case napi_null: lua_pushnil(L); return true;
    case napi_boolean: lua_pushboolean(L, v.As<Napi::Boolean>().Value()); return true;
    case napi_number: lua_pushnumber(L, v.As<Napi::Number>().DoubleValue()); return true;
    case napi_bigint: return push_bigint(vm, v, error);
    case napi_string: {
      std::string s = v.As<Napi::String>();
      lua_pushlstring(L, s.data(), s.size());
      return true;
    }
    case napi_external: {
      CdataRef *c = v.As<Napi::External<CdataRef>>().Data();
      lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
      return true;
    }
    case napi_object: return push_memory(vm, v) || push_table(vm, v.As<Napi::Object>(), depth, error);
    default: error = "cannot pass a function or symbol to C"; return false;
  }
}

Napi::Value bigint_at(Napi::Env env, lua_State *L, bool is_signed) {
  size_t size = 0;
  const char *raw = lua_tolstring(L, -1, &size);
  uint64_t bits = 0;
  memcpy(&bits, raw, sizeof(bits));
  return is_signed ? Napi::BigInt::New(env, static_cast<int64_t>(bits)) : Napi::BigInt::New(env, bits);
}

Napi::Value plain_at(Napi::Env env, lua_State *L) {
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER: return Napi::Number::New(env, lua_tonumber(L, -1));
    case LUA_TBOOLEAN: return Napi::Boolean::New(env, lua_toboolean(L, -1) != 0);
    case LUA_TSTRING: {
      size_t size = 0;
      const char *s = lua_tolstring(L, -1, &size);
      return Napi::String::New(env, s, size);
    }
    default: return env.Null();
  }
}

// The kind and value on top of the stack, as JavaScript sees them; a cdata is an External, a function an array of one.
Napi::Value result_at(Napi::Env env, const std::shared_ptr<FfiVm> &vm) {
  lua_State *L = vm->lua;
  int kind = static_cast<int>(lua_tointeger(L, -2));
  switch (kind) {
    case kUndefined: return env.Undefined();
    case kPlain: return plain_at(env, L);
    case kInt64: return bigint_at(env, L, true);
    case kUint64: return bigint_at(env, L, false);
    case kBytes: {
      size_t size = 0;
      const char *s = lua_tolstring(L, -1, &size);
      return Napi::Buffer<char>::Copy(env, s, size);
    }
    default: break;
  }
  lua_pushvalue(L, -1);
  auto *ref = new CdataRef{vm, luaL_ref(L, LUA_REGISTRYINDEX)};
  auto external = Napi::External<CdataRef>::New(env, ref, [](Napi::Env, CdataRef *p) { delete p; });
  if (kind != kFunction) return external;
  Napi::Array wrapped = Napi::Array::New(env, 1);
  wrapped.Set(0u, external);
  return wrapped;
}

// Calls bridge[name] with info's arguments after the name.
bool call_bridge(FfiVm &vm, const Napi::CallbackInfo &info, std::string &error) {
  push_bridge(vm, info[0].As<Napi::String>().Utf8Value().c_str());
  int count = static_cast<int>(info.Length()) - 1;
  if (count > kMaxArguments) {
    error = "too many arguments";
    return false;
  }
  for (int i = 0; i < count; ++i)
    if (!push_value(vm, info[i + 1], 0, error)) return false;
  if (lua_pcall(vm.lua, count, 2, 0) == 0) return true;
  const char *message = lua_tostring(vm.lua, -1);
  error = message != nullptr ? message : "unknown error";
  return false;
}

/// invoke(name, ...args): the result, or throws an Error with LuaJIT's message.
Napi::Value invoke(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::shared_ptr<FfiVm> vm = *static_cast<std::shared_ptr<FfiVm> *>(info.Data());
  std::string error;
  if (vm->lua == nullptr) error = vm_open(*vm);
  if (error.empty()) {
    int top = lua_gettop(vm->lua);
    bool done = call_bridge(*vm, info, error);
    Napi::Value result = done ? result_at(env, vm) : Napi::Value();
    lua_settop(vm->lua, top);
    if (done) return result;
  }
  if (!env.IsExceptionPending()) Napi::Error::New(env, error).ThrowAsJavaScriptException();
  return env.Undefined();
}

void on_env_end(void *data) {
  auto *vm = static_cast<std::shared_ptr<FfiVm> *>(data);
  vm_close(**vm);
  delete vm;
}

}  // namespace

Napi::Object ffi_handle_define(Napi::Env env) {
  auto *vm = new std::shared_ptr<FfiVm>(std::make_shared<FfiVm>());
  napi_add_env_cleanup_hook(env, on_env_end, vm);
  Napi::Object ffi = Napi::Object::New(env);
  ffi.Set("invoke", Napi::Function::New(env, invoke, "invoke", vm));
  return ffi;
}

}  // namespace mw
