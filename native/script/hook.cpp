// SPDX-License-Identifier: MIT
// Puts Lua into http's phase table: a phase handler is a run whose entry thread executes the location's chunk.
#include "http/phase.h"
#include "script/vm_inner.h"

namespace mw {

static constexpr uint32_t kPhaseBits[] = {
    MW_PHASE_SERVER_REWRITE, MW_PHASE_REWRITE,     MW_PHASE_ACCESS, MW_PHASE_PRECONTENT, MW_PHASE_CONTENT,
    MW_PHASE_HEADER_FILTER,  MW_PHASE_BODY_FILTER, MW_PHASE_LOG,    MW_PHASE_BALANCER,   MW_PHASE_SET};

/// The words with which lua-nginx-module enters a handler.
static void debug_entry(const Request *r, LuaPhase phase) {
  const char *name = nullptr;
  switch (phase) {
    case LuaPhase::rewrite: name = "lua rewrite handler, uri:"; break;
    case LuaPhase::access: name = "lua access handler, uri:"; break;
    case LuaPhase::content: name = "lua content handler, uri:"; break;
    case LuaPhase::header_filter: name = "lua header filter for user lua code, uri "; break;
    case LuaPhase::body_filter: name = "lua body filter for user lua code, uri "; break;
    case LuaPhase::log: name = "lua log handler, uri:"; break;
    default: return;
  }
  bool counts = phase != LuaPhase::header_filter && phase != LuaPhase::body_filter;
  log_write(r->log(), kLogDebug, 0, &r->log_ctx, "%s\"%.*s\"%s", name, static_cast<int>(r->uri.size()), r->uri.data(),
            counts ? " c:1" : "");
}

/// Once a request; a subrequest of one with Lua of its own takes that one's.
static bool needs_fresh_vm(const Request *r) {
  for (; r; r = r->parent)
    if (r->has_fresh_vm) return false;
  return true;
}

static Rc hook_run(Request *r, LuaPhase phase, int32_t script) {
  if (!r->vm) r->vm = vm_current;  // where it begins it ends
  Vm *vm = static_cast<Vm *>(r->vm);
  if (!r->conf->lua_code_cache && needs_fresh_vm(r)) {
    r->has_fresh_vm = true;
    vm_refresh(vm);
  }
  if (vm_is_debug(vm)) debug_entry(r, phase);
  Run *run = sched_run_new(vm, r, kPhaseBits[static_cast<size_t>(phase)]);
  run->lua_phase = phase;
  LightThread *t = sched_entry_new(run);
  Rc rc = vm_push_script(vm, r, script, t->co);
  if (rc != kOk) {
    sched_run_drop(run);
    return rc;
  }
  return sched_run_start(run, 0);
}

static void hook_release(Request *r, LuaRelease what) {
  Vm *vm = r->vm ? static_cast<Vm *>(r->vm) : vm_current;
  if (what != LuaRelease::handlers) sched_cancel_soon(&r->pump_task);
  for (Run *run = static_cast<Run *>(r->lua), *next; run; run = next) {
    next = run->next;
    bool is_filter = run->lua_phase == LuaPhase::header_filter || run->lua_phase == LuaPhase::body_filter;
    if (!is_filter || what != LuaRelease::handlers) sched_run_drop(run);
  }
  if (r->abi.ctx_ref == 0 || what != LuaRelease::all) return;
  if (vm_is_debug(vm)) log_write(r->log(), kLogDebug, 0, &r->log_ctx, "lua release ngx.ctx at ref %d", r->abi.ctx_ref);
  lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->ctx_table);
  luaL_unref(vm->L, -1, r->abi.ctx_ref);
  lua_pop(vm->L, 1);
  r->abi.ctx_ref = 0;
}

static bool hook_client_gone(Request *r) {
  for (Run *run = static_cast<Run *>(r->lua); run; run = run->next)
    if (run->on_abort) {
      sched_start_on_abort(run);
      return true;
    }
  return false;
}

extern const LuaHook script_hook;
const LuaHook script_hook = {hook_run, hook_release, hook_client_gone};

}  // namespace mw
