// SPDX-License-Identifier: MIT
// The addon's entry: what `require("moonwire.node")` returns. Runs on node's main thread.
#include <napi.h>

extern "C" {
#include <luajit.h>
}

static Napi::Object module_init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", MW_VERSION);
  exports.Set("luajitVersion", Napi::Function::New(env, [](const Napi::CallbackInfo &info) -> Napi::Value {
                return Napi::String::New(info.Env(), LUAJIT_VERSION);
              }));
  return exports;
}

NODE_API_MODULE(moonwire, module_init)
