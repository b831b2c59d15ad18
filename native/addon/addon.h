// SPDX-License-Identifier: MIT
// What the addon's files share: each JavaScript class or object it exports is defined by one of them. JavaScript thread of
// one Node environment; several environments (node Workers) may load the addon at once.
#pragma once
#include <napi.h>

namespace mw {

/// The `ffi` object: a Lua VM of this environment, opened at first use and closed with the environment.
Napi::Object ffi_handle_define(Napi::Env env);

}  // namespace mw
