// SPDX-License-Identifier: MIT
// The one step up: how http/ runs Lua without knowing LuaJIT. script/hook.cpp installs the table, one per worker thread;
// where it is null (fuzzers, unit tests) no location has scripts.
#pragma once
#include "config.h"
#include "http/rc.h"

namespace mw {

struct Request;

/// How much of a request's Lua goes; each level takes what the one before takes.
enum class LuaRelease : uint8_t {
  handlers,  ///< a handler answered: its light threads. Filters of the response go on: the end of the output waits for them
  runs,      ///< the request is aborted: filters too, the output will not end
  all        ///< the request ends or starts anew inside: ngx.ctx too
};

struct LuaHook {
  /// Runs plan script `script` as the handler of `phase` in a light thread of `r`.
  /// kOk: it returned. kDeclined never. An HTTP status or kError: ngx.exit() or a Lua error (500, logged). kDone: the request
  /// was sent elsewhere (ngx.exec, ngx.redirect set r's fields and exit). kAgain: parked; then, from the loop and never from
  /// inside run, the hook calls http_lua_done(r, phase, rc) exactly once, unless release(r) comes first.
  Rc (*run)(Request *r, LuaPhase phase, int32_t script);
  /// Kills light threads of the request and cancels what they wait for.
  void (*release)(Request *r, LuaRelease what);
  /// The client of `r` has gone: the callback of ngx.on_abort is to be run. False when there is none.
  bool (*client_gone)(Request *r);
};
extern constinit thread_local const LuaHook *lua_hook;

/// A parked Lua handler of `r` ended with `rc`; http continues the request. Defined in http/phase.cpp.
void http_lua_done(Request *r, LuaPhase phase, Rc rc);

}  // namespace mw
