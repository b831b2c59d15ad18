// SPDX-License-Identifier: MIT
// What is said of a light thread that failed, in lua-nginx-module's words, with the traceback of its coroutine and of those
// that spawned it.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "http/phase.h"
#include "script/vm_inner.h"

namespace mw {

static constexpr int kMaxCoroutines = 5;

// --- where a run's lines go ------------------------------------------------------------------------------------------

void run_timer_tail(const LogContext *ctx, std::string &out) {
  const Run *run = reinterpret_cast<const Run *>(reinterpret_cast<const char *>(ctx) - offsetof(Run, log_ctx));
  out += ", context: ngx.timer";
  if (run->origin) out += run->origin->tail;
}
static void init_worker_tail(const LogContext *, std::string &out) { out += ", context: init_worker_by_lua*"; }
static constexpr LogContext kInitWorkerContext{0, init_worker_tail};

const Log &run_log(const Run *run, const LogContext **ctx) {
  if (run->r) {
    *ctx = &run->r->log_ctx;
    return run->r->log();
  }
  *ctx = run->log_ctx.tail ? &run->log_ctx : run->phase == MW_PHASE_INIT_WORKER ? &kInitWorkerContext : nullptr;
  return run->phase == MW_PHASE_INIT ? *run->vm->core->log : core_log(run->vm->core, run->conf);
}

void run_debug(const Run *run, const char *format, ...) {
  const LogContext *ctx;
  const Log &log = run_log(run, &ctx);
  if (!log_is_on(log, kLogDebug)) return;
  char text[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n >= 0) log_text(log, kLogDebug, 0, ctx, {text, std::min(static_cast<size_t>(n), sizeof text - 1)});
}

void vm_debug(const char *text) {
  const Vm *vm = vm_current;
  if (!vm || !vm_is_debug(vm)) return;
  if (vm->current)
    run_debug(vm->current->run, "%s", text);
  else
    log_text(*vm->core->log, kLogDebug, 0, nullptr, text);
}

// --- tracebacks ------------------------------------------------------------------------------------------------------

/// The frames of one coroutine as a string. The wrapper around a handler is left out: the handler is a main chunk.
void sched_push_frames(lua_State *L, lua_State *co) {
  static constexpr char kHandlerFrame[] = "in function 'handler'\n\thandler:1: in function <handler:1>";
  luaL_traceback(L, co, nullptr, 0);
  const char *text = lua_tostring(L, -1);
  const char *frames = strstr(text, "stack traceback:");
  if (frames) text = frames + sizeof("stack traceback:") - 1;
  if (const char *handler = strstr(text, kHandlerFrame)) {
    lua_pushlstring(L, text, static_cast<size_t>(handler - text));
    lua_pushliteral(L, "in main chunk");
    lua_concat(L, 2);
  } else {
    lua_pushstring(L, text);
  }
  lua_remove(L, -2);
}

/// The coroutine whose error `co` died of because it came out of a coroutine.wrap there (moonwire/coroutine.lua keeps book);
/// the message lies at `message`. Null when it was co's own.
static lua_State *child_of(lua_State *L, const Vm *vm, lua_State *co, int message) {
  int top = lua_gettop(L);
  lua_State *child = nullptr;
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->failures_table);
  lua_checkstack(co, 1);
  lua_pushthread(co);
  lua_xmove(co, L, 1);
  lua_rawget(L, -2);
  if (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    if (lua_rawequal(L, -1, message)) child = lua_tothread(L, -2);
  }
  lua_settop(L, top);
  return child;
}

/// The live light thread that `co` belongs to, or null (a user coroutine spawned, or it has ended).
static const LightThread *thread_of(const Run *run, const lua_State *co) {
  for (const LightThread *t = run->threads; t; t = t->next)
    if (t->co == co && t->state != LightThread::zombie) return t;
  return nullptr;
}

/// Protected, since it may run out of memory or call a __tostring that fails: leaves message and traceback.
static int describe(lua_State *L) {
  const LightThread *t = static_cast<LightThread *>(lua_touserdata(L, 1));
  bool is_reported = t->run->report && t->is_entry;  // as debug.traceback writes it
  lua_checkstack(t->co, 2);
  lua_pushvalue(t->co, -1);
  lua_xmove(t->co, L, 1);
  int message = lua_gettop(L);
  lua_State *chain[kMaxCoroutines] = {t->co};  // from the light thread inwards
  int n = 1;
  for (lua_State *co = child_of(L, t->vm, t->co, message); co && n < kMaxCoroutines;
       co = child_of(L, t->vm, co, message))
    chain[n++] = co;
  lua_pushliteral(L, "stack traceback:");
  int from = lua_gettop(L), number = 0;
  auto push = [&](lua_State *co) {
    if (!is_reported) lua_pushfstring(L, "\ncoroutine %d:", number++);
    sched_push_frames(L, co);
  };
  if (is_reported) n = 1;
  while (n > 0) push(chain[--n]);
  for (const LightThread *at = t; at->parent && number < kMaxCoroutines;) {
    at = thread_of(at->run, at->parent);
    if (!at) break;
    push(at->co);
  }
  lua_concat(L, lua_gettop(L) - from + 1);
  lua_pushvalue(L, message);
  if (!lua_isstring(L, -1) && (!luaL_callmeta(L, message, "__tostring") || !lua_isstring(L, -1)))
    lua_pushliteral(L, "unknown reason");
  lua_pushvalue(L, from);
  return 2;
}

/// The beginning of the log line: phases in which nginx runs no light threads have words of their own.
static const char *heading(const LightThread *t) {
  if (!t->is_entry) return "lua user thread aborted: runtime error";
  switch (t->run->phase) {
    case MW_PHASE_HEADER_FILTER: return "failed to run header_filter_by_lua*";
    case MW_PHASE_BODY_FILTER: return "failed to run body_filter_by_lua*";
    case MW_PHASE_LOG: return "failed to run log_by_lua*";
    case MW_PHASE_BALANCER: return "failed to run balancer_by_lua*";
    case MW_PHASE_SET: return "failed to run set_by_lua*";
    default: return "lua entry thread aborted: runtime error";
  }
}

void sched_log_failure(LightThread *t) {
  lua_State *L = t->vm->L;
  Run *run = t->run;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, t);
  const char *message = "unknown reason", *trace = "stack traceback:";
  size_t size = strlen(message);
  int top = lua_gettop(L) - 2;
  int status = guard_call(t->vm, run, 1, 2);  // __tostring is user code
  if (status == 0) {
    message = lua_tolstring(L, -2, &size);
    trace = lua_tostring(L, -1);
  }
  // A stack that has overflowed has no room for describe(), and in compiled code no frames to be walked.
  if (status != 0 && lua_type(t->co, -1) == LUA_TSTRING) message = lua_tolstring(t->co, -1, &size);
  if (const Interrupt &i = t->vm->interrupt; i.has_raised) {
    trace = i.trace.c_str();
    if (status != 0) size = strlen(message = i.message);
  }
  if (run->report && t->is_entry) {
    run->report->message.assign(message, size);
    run->report->traceback = trace;
  } else {
    const LogContext *ctx;
    const Log &log = run_log(run, &ctx);
    ++t->vm->core->metrics.lua_errors;
    log_write(log, kLogError, 0, ctx, "%s: %s\n%s", heading(t), message, trace);
  }
  lua_settop(L, top);
}

// The message lies on top. Where error() raised it, the text that error() was given lies at the bottom of that frame.
int sched_error_values(const LightThread *t) {
  lua_State *co = t->co;
  int n = lua_gettop(co);
  if (n < 2) return n;
  if (lua_type(co, 1) == LUA_TSTRING && lua_type(co, n) == LUA_TSTRING) {
    size_t given_size, size;
    const char *given = lua_tolstring(co, 1, &given_size);
    const char *message = lua_tolstring(co, n, &size);
    bool is_given = size > given_size && memcmp(message + size - given_size, given, given_size) == 0;
    lua_Debug frame;
    if (is_given && lua_getstack(co, 0, &frame) && lua_getinfo(co, "f", &frame)) {
      lua_rawgeti(co, LUA_REGISTRYINDEX, t->vm->error_function);
      is_given = lua_rawequal(co, -1, -2);
      lua_pop(co, 2);
      if (is_given) {
        lua_pushvalue(co, 1);
        lua_insert(co, -2);
        return 2;
      }
    }
  }
  return 1;
}

}  // namespace mw
