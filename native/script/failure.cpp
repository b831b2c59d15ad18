// SPDX-License-Identifier: MIT
// What is said of a light thread that failed, in lua-nginx-module's words, with the traceback of its coroutine.
#include <string.h>

#include "http/phase.h"
#include "script/vm_inner.h"

namespace mw {

const Log &run_log(const Run *run, const LogContext **ctx) {
  *ctx = run->r ? &run->r->log_ctx : nullptr;
  return run->r ? run->r->log() : *run->vm->core->log;
}

/// Protected: building the traceback may run out of memory.
static int make_traceback(lua_State *L) {
  luaL_traceback(L, static_cast<lua_State *>(lua_touserdata(L, 1)), nullptr, 0);
  return 1;
}

void sched_log_failure(LightThread *t) {
  lua_State *L = t->vm->L;
  Run *run = t->run;
  size_t size = 0;
  const char *message = lua_tolstring(t->co, -1, &size);
  if (!message) message = lua_isnil(t->co, -1) ? "nil" : luaL_typename(t->co, -1);
  lua_pushcfunction(L, make_traceback);
  lua_pushlightuserdata(L, t->co);
  bool ok = lua_pcall(L, 1, 1, 0) == 0;
  const char *trace = ok ? lua_tostring(L, -1) : nullptr;
  // "stack traceback:" belongs to us; what follows is the coroutine's.
  const char *frames = trace ? strstr(trace, "stack traceback:") : nullptr;
  std::string frames_text = frames ? frames + sizeof("stack traceback:") - 1 : "";
  size_t wrapper = frames_text.find("\n\thandler:1: in function <handler:1>");
  if (wrapper != std::string::npos) frames_text.resize(wrapper);
  if (run->report && t->is_entry) {
    run->report->message.assign(message, size ? size : strlen(message));
    run->report->traceback = std::string("stack traceback:") + frames_text;
  } else {
    const LogContext *ctx;
    const Log &log = run_log(run, &ctx);
    log_write(log, kLogError, 0, ctx, "lua %s thread aborted: runtime error: %s\nstack traceback:\ncoroutine 0:%s",
              t->is_entry ? "entry" : "user", message, frames_text.c_str());
  }
  lua_pop(L, 1);
}

}  // namespace mw
