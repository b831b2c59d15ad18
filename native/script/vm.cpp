// SPDX-License-Identifier: MIT
// See vm.h: making the state, the boot (native/lua/boot.lua), runs without a request, and the end.
#include "script/vm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "script/embed.h"
#include "script/json.h"
#include "script/value_lua.h"
#include "script/vm_inner.h"

namespace mw {

extern const LuaHook script_hook;

// --- boot ------------------------------------------------------------------------------------------------------------

/// loader(name) -> function | nil: the embedded module of that name.
static int embedded_loader(lua_State *L) {
  const EmbeddedLua *file = embedded_lua(luaL_checkstring(L, 1));
  if (!file) return 0;
  char chunk[128] = "=[moonwire]/";  // a fixed buffer: lua_error() runs no destructors
  size_t at = strlen(chunk);
  for (const char *c = file->name; *c && at < sizeof chunk - 5; ++c) chunk[at++] = *c == '.' ? '/' : *c;
  memcpy(chunk + at, ".lua", 5);
  if (luaL_loadbuffer(L, file->data, file->size, chunk) != 0) return lua_error(L);
  return 1;
}

static void set_field(lua_State *L, const char *name, const std::string &value) {
  lua_pushlstring(L, value.data(), value.size());
  lua_setfield(L, -2, name);
}

void env_set_fields(lua_State *L, const std::vector<std::string> &env, bool hides_env) {
  lua_createtable(L, static_cast<int>(env.size()), 0);
  for (size_t i = 0; i < env.size(); ++i) {
    lua_pushlstring(L, env[i].data(), env[i].size());
    lua_rawseti(L, -2, static_cast<int>(i) + 1);
  }
  lua_setfield(L, -2, "env");
  lua_pushboolean(L, hides_env);
  lua_setfield(L, -2, "hides_env");
}

/// The table that boot.lua gets: what C++ knows and Lua needs.
static void push_host(lua_State *L, Vm *vm) {
  const Plan &plan = *vm->core->p;
  lua_newtable(L);
  const EmbeddedLua *cdef = embedded_lua("mw_abi.h");
  lua_pushlstring(L, cdef->data, cdef->size);
  lua_setfield(L, -2, "cdef");
  lua_pushlightuserdata(L, vm->abi);
  lua_setfield(L, -2, "worker");
  lua_pushlightuserdata(L, &kAwaitMark);
  lua_setfield(L, -2, "await_mark");
  lua_pushcfunction(L, embedded_loader);
  lua_setfield(L, -2, "embedded");
  if (vm->host.pids) {
    lua_pushlightuserdata(L, vm->host.pids);
    lua_setfield(L, -2, "pids");
  }
  set_field(L, "prefix", plan.prefix);
  set_field(L, "cwd", vm->host.cwd);
  set_field(L, "package_path", plan.lua_package_path);
  set_field(L, "package_cpath", plan.lua_package_cpath);
  lua_pushinteger(L, plan.lua_regex_cache_max_entries);
  lua_setfield(L, -2, "regex_cache_max_entries");
  lua_pushinteger(L, plan.lua_regex_match_limit);
  lua_setfield(L, -2, "regex_match_limit");
  lua_pushboolean(L, vm->host.is_cli);
  lua_setfield(L, -2, "is_cli");
  lua_pushboolean(L, plan.has_status);
  lua_setfield(L, -2, "has_status");
  env_set_fields(L, plan.env, plan.hides_env);
  lua_newtable(L);
  for (size_t i = 0; i < vm->host.dicts.size(); ++i) {
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, vm->host.dicts[i].first.data(), vm->host.dicts[i].first.size());
    lua_rawseti(L, -2, 1);
    lua_pushlightuserdata(L, vm->host.dicts[i].second);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, static_cast<int>(i) + 1);
  }
  lua_setfield(L, -2, "dicts");
  lua_newtable(L);
  lua_pushvalue(L, -1);
  vm->ctx_table = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_setfield(L, -2, "ctxs");
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->refused_table);
  lua_setfield(L, -2, "refused");
  lua_rawgeti(L, LUA_REGISTRYINDEX, vm->failures_table);
  lua_setfield(L, -2, "failures");
  thread_lib_open(L);
  lua_setfield(L, -2, "thread");
  timer_lib_open(L);
  lua_setfield(L, -2, "timer");
  errlog_lib_open(L);
  lua_setfield(L, -2, "errlog");
  pipe_lib_open(L);
  lua_setfield(L, -2, "pipe");
  worker_lib_open(L);
  lua_setfield(L, -2, "worker_thread");
  capture_lib_open(L);
  lua_setfield(L, -2, "capture");
}

/// A table with weak keys, as a reference.
static int new_weak_table(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int boot(lua_State *L) {
  Vm *vm = static_cast<Vm *>(lua_touserdata(L, 1));
  luaL_openlibs(L);
  json_preload(L);
  vm->refused_table = new_weak_table(L);
  vm->failures_table = new_weak_table(L);
  lua_getglobal(L, "error");
  vm->error_function = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushcfunction(L, embedded_loader);
  lua_pushliteral(L, "boot");
  lua_call(L, 1, 1);
  push_host(L, vm);
  lua_call(L, 1, 1);
  vm->fresh = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/// A signal of LuaJIT's profiler (jit.p, jit.profile) may still be on its way to a thread when the profiler has stopped and put
/// back what was there before: the default, which ends the process, is not left there.
static void ignore_late_samples() {
  struct sigaction before {};
  if (sigaction(SIGPROF, nullptr, &before) == 0 && !(before.sa_flags & SA_SIGINFO) && before.sa_handler == SIG_DFL)
    signal(SIGPROF, SIG_IGN);
}

Vm *vm_create(const VmHost &host, std::string &error) {
  Vm *vm = new Vm(), *before = vm_current;
  vm->host = host;
  vm->shared = before ? before->shared : std::make_shared<VmShared>();
  vm->born_ms = host.core->loop->now_ms();
  vm->core = host.core;
  vm->abi = host.core->abi;
  vm->script_refs.assign(host.core->p->scripts.size(), LUA_NOREF);
  ignore_late_samples();
  vm->L = luaL_newstate();
  if (!vm->L) {
    error = "cannot create the Lua VM: out of memory";
    delete vm;
    return nullptr;
  }
  vm_current = vm;
  lua_hook = &script_hook;
  uint32_t phase = vm->abi->phase;  // the first VM's is to stay
  vm->abi->phase = MW_PHASE_INIT;
  if (lua_cpcall(vm->L, boot, vm) != 0) {
    const char *text = lua_tostring(vm->L, -1);
    error = std::string("cannot boot the Lua VM: ") + (text ? text : "unknown error");
    vm_current = before;
    vm->abi->phase = phase;
    vm_destroy(vm);
    return nullptr;
  }
  if (before) vm->abi->phase = phase;
  vm->shared->newest = vm;
  guard_open(vm);
  return vm;
}

/// LightThreads outlive the VM while another one is on this thread: what they share may name them.
static void free_threads(Vm *vm, Vm *other) {
  for (LightThread *list : {vm->free_threads, vm->bare_threads})
    while (LightThread *t = list) {
      list = t->next;
      if (!other) {
        delete t;
        continue;
      }
      t->vm = other;
      t->co = nullptr;
      t->ref = LUA_NOREF;
      t->next = other->bare_threads;
      other->bare_threads = t;
    }
}

static void destroy_shared(Vm *vm) {
  errlog_close();
  if (vm->shared->sock_worker) vm->shared->sock_worker_free(vm->shared->sock_worker);
  lua_hook = nullptr;
}

void vm_destroy(Vm *vm) {
  if (vm->is_lost) return;
  Vm *other = vm_current == vm ? nullptr : vm_current;
  vm_current = vm;
  vm->is_closing = true;
  if (!other) worker_lib_close();
  timer_cancel_all(vm);
  while (vm->runs) sched_run_drop(vm->runs);
  for (Request *r = vm->core->requests; r; r = r->list_next)
    if (!other || r->vm == vm) script_hook.release(r, LuaRelease::all);
  if (vm_is_debug(vm))
    log_write(*vm->core->log, kLogDebug, 0, nullptr, "lua close the global Lua VM %016llX",
              static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(vm->L)));
  guard_close(vm, !other);
  lua_close(vm->L);
  free_threads(vm, other);
  while (Run *run = vm->free_runs) {
    vm->free_runs = run->next;
    free(run);
  }
  if (!other) destroy_shared(vm);
  vm_current = other;
  delete vm;
}

bool vm_is_over(Vm *vm) {
  if (!vm_is_idle(vm)) return false;
  for (const Request *r = vm->core->requests; r; r = r->list_next)
    if (r->vm == vm) return false;
  return true;
}

bool vm_is_lost(const Vm *vm) { return vm->is_lost; }
const VmHost &vm_host(const Vm *vm) { return vm->host; }

uint64_t vm_memory(Vm *vm) {
  return static_cast<uint64_t>(lua_gc(vm->L, LUA_GCCOUNT, 0)) * 1024 +
         static_cast<uint64_t>(lua_gc(vm->L, LUA_GCCOUNTB, 0));
}

bool vm_is_idle(Vm *vm) { return !vm->runs && !vm->timers; }

// --- runs without a request ------------------------------------------------------------------------------------------

struct ScriptRun {
  RunReport report;
  std::function<void(std::string)> done;
};

static void script_run_done(Run *run) {
  ScriptRun *s = static_cast<ScriptRun *>(run->done_arg);
  std::string error;
  if (run->has_failed) error = s->report.message + "\n" + s->report.traceback;
  if (!run->is_dropped) s->done(error);
  delete s;
}

static Run *new_run(Vm *vm, uint32_t phase, void (*done)(Run *), void *arg, RunReport *report) {
  Run *run = sched_run_new(vm, nullptr, phase);
  run->done = done;
  run->done_arg = arg;
  run->report = report;
  sched_entry_new(run);
  return run;
}

void vm_run_script(Vm *vm, int32_t script, uint32_t phase, std::function<void(std::string)> done) {
  ScriptRun *s = new ScriptRun{{}, std::move(done)};
  Run *run = new_run(vm, phase, script_run_done, s, &s->report);
  std::string why;
  if (vm_push_script(vm, nullptr, script, run->entry->co, &why) == kOk) {
    sched_run_start(run, 0);
    return;
  }
  s->done(why);
  sched_run_drop(run);
}

void vm_refresh(Vm *vm) {
  lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->fresh);
  if (lua_pcall(vm->L, 0, 0, 0) != 0) lua_pop(vm->L, 1);
  int32_t script = vm->core->p->init_script;
  if (script < 0) return;
  vm_run_script(vm, script, MW_PHASE_INIT, [vm](std::string error) {
    if (!error.empty()) log_write(*vm->core->log, kLogError, 0, nullptr, "init_by_lua error: %s", error.c_str());
  });
}

struct CallRun {
  RunReport report;
  std::function<void(VmResult)> done;
};

static void call_run_done(Run *run) {
  CallRun *c = static_cast<CallRun *>(run->done_arg);
  if (run->is_dropped) {
    delete c;
    return;
  }
  VmResult result;
  result.ok = !run->has_failed;
  if (result.ok) {
    lua_State *co = run->entry->co;
    Value values;
    values.tag = Value::array;
    const char *why = nullptr;
    int n = run->entry->end == LightThread::finished ? lua_gettop(co) : 0;  // none after ngx.exit()
    values.items.resize(static_cast<size_t>(n));
    for (int i = 1; i <= n && result.ok; ++i)
      result.ok = value_read(co, i, values.items[static_cast<size_t>(i) - 1], &why, true);
    if (result.ok)
      value_encode(result.values, values);
    else
      result.error = why;
  } else {
    result.error = c->report.message;
    result.traceback = c->report.traceback;
  }
  c->done(std::move(result));
  delete c;
}

struct CallStart {
  bool is_code;
  const std::string *text, *chunkname;
  const Value *args;
};

/// Protected: leaves function and arguments on the stack.
static int push_call(lua_State *L) {
  const CallStart *s = static_cast<const CallStart *>(lua_touserdata(L, 1));
  lua_settop(L, 0);
  value_allow_int64(L);
  if (s->is_code) {
    if (luaL_loadbuffer(L, s->text->data(), s->text->size(), s->chunkname->c_str()) != 0) return lua_error(L);
  } else {
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    size_t from = 0;
    for (;;) {
      size_t dot = s->text->find('.', from);
      std::string_view part = std::string_view(*s->text).substr(from, dot == std::string::npos ? dot : dot - from);
      if (!lua_istable(L, -1)) break;
      lua_pushlstring(L, part.data(), part.size());
      lua_gettable(L, -2);
      lua_remove(L, -2);
      if (dot == std::string::npos) break;
      from = dot + 1;
    }
    if (!lua_isfunction(L, -1)) return luaL_error(L, "no global function \"%s\"", s->text->c_str());
  }
  for (const Value &v : s->args->items) value_push(L, v);
  return lua_gettop(L);
}

void vm_call(Vm *vm, bool is_code, const std::string &text, const std::string &chunkname, const std::string &args,
             std::function<void(VmResult)> done) {
  Value values;
  if (!value_decode(values, args)) return done({false, {}, "arguments cannot be decoded", {}});
  CallStart start{is_code, &text, &chunkname, &values};
  lua_State *L = vm->L;
  lua_pushcfunction(L, push_call);
  lua_pushlightuserdata(L, &start);
  int base = lua_gettop(L) - 2;
  if (lua_pcall(L, 1, LUA_MULTRET, 0) != 0) {
    const char *message = lua_tostring(L, -1);
    std::string error = message ? message : "unknown error";
    lua_settop(L, base);
    return done({false, {}, error, {}});
  }
  CallRun *c = new CallRun{{}, std::move(done)};
  Run *run = new_run(vm, MW_PHASE_TIMER, call_run_done, c, &c->report);
  int n = lua_gettop(L) - base;
  lua_checkstack(run->entry->co, n);
  lua_xmove(L, run->entry->co, n);
  sched_run_start(run, n - 1);
}

}  // namespace mw
