// SPDX-License-Identifier: MIT
// What the addon's files share: each JavaScript class or object it exports is defined by one of them. JavaScript thread of
// one Node environment; several environments (node Workers) may load the addon at once, so nothing here is global but the
// exit guard, which knows every running server of the process.
#pragma once
// A node Worker that is being terminated runs no JavaScript: what cannot be thrown into it is dropped, not fatal.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include "inheritance.h"
#include "server.h"

namespace mw {

/// The `Server` class: one mw::Server and its events.
Napi::Function server_handle_define(Napi::Env env);
/// The `ffi` object: a Lua VM of this environment, opened at first use and closed with the environment.
Napi::Object ffi_handle_define(Napi::Env env);

/// The `processes` object: what `--processes` needs on both sides.
Napi::Object processes_define(Napi::Env env);
/// Reads a supervisor's share from its JavaScript form; the descriptors are `to`'s from then on.
void inheritance_read(Napi::Object from, Inheritance &to);

/// The function `checkPlan`: what keeps a plan from being started.
Napi::Function check_plan_define(Napi::Env env);
/// Problems as JavaScript has them: [{ message, file, line, column, path }].
Napi::Array problems_array(Napi::Env env, const Problems &problems);

/// The `daemon` object: session and standard descriptors of the process.
Napi::Object daemon_define(Napi::Env env);

/// Puts a server under the exit guard, which stops and joins its workers when the process exits while it runs.
void exit_guard_add(Server *server);
/// Takes it out; returns false when the guard has taken it already, then the caller must not touch it any more.
bool exit_guard_remove(Server *server);
/// True from the moment the process began to exit: no event may go to JavaScript any more.
bool exit_guard_exiting();
/// Installs the guard's atexit handler, once per process.
void exit_guard_install();

}  // namespace mw
