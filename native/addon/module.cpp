// SPDX-License-Identifier: MIT
// The addon's entry: what `require` of the binary returns. Runs on the JavaScript thread of each environment that loads it.
// With server_handle.cpp and ffi_handle.cpp the only code that knows Node-API.
#include <dlfcn.h>

extern "C" {
#include <lua.h>
#include <luajit.h>
}

#include "addon/addon.h"

namespace mw {

namespace {

// Lua C modules (.so) look up lua_* in the global scope, where Node's dlopen does not put an addon.
void promote_to_global() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void *>(&promote_to_global), &info) == 0 || info.dli_fname == nullptr) return;
  dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
}

}  // namespace

static Napi::Object addon_init(Napi::Env env, Napi::Object exports) {
  promote_to_global();
  exit_guard_install();
  exports.Set("Server", server_handle_define(env));
  exports.Set("ffi", ffi_handle_define(env));
  exports.Set("processes", processes_define(env));
  exports.Set("checkPlan", check_plan_define(env));
  exports.Set("daemon", daemon_define(env));
  exports.Set("version", MW_VERSION);
  exports.Set("luajitVersion", Napi::String::New(env, LUAJIT_VERSION));
  return exports;
}

}  // namespace mw

static Napi::Object moonwire_init(Napi::Env env, Napi::Object exports) { return mw::addon_init(env, exports); }

NODE_API_MODULE(moonwire, moonwire_init)
