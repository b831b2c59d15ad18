// SPDX-License-Identifier: MIT
// ngx.timer: callbacks with their arguments, run in light threads without a request. A pending timer keeps its function and
// arguments in a table of the registry.
#include "http/phase.h"
#include "net/listener.h"
#include "script/vm_inner.h"

namespace mw {

struct TimerEntry {
  Timer timer{};
  Task start_task{};
  TimerEntry *next = nullptr, *prev = nullptr;
  Vm *vm = nullptr;
  int ref = LUA_NOREF;    ///< {f, args...}
  int count = 0;          ///< of the values in there
  uint64_t interval = 0;  ///< of every; 0 = once
  bool premature = false;
  std::shared_ptr<const TimerOrigin> origin;
  const LocationConf *conf = nullptr;  ///< of the code that made it
};

/// The connection of the running request, or what the running timer has of one.
static std::shared_ptr<const TimerOrigin> origin_of(const LightThread *t) {
  if (!t || !t->run->r) return t ? t->run->origin : nullptr;
  const Request *r = t->run->r;
  char addr[64];
  auto origin = std::make_shared<TimerOrigin>();
  origin->tail.append(", client: ").append(addr, client_address_text(*r->main->client, addr));
  origin->tail.append(", server: ")
      .append(t->vm->core->p->listens[static_cast<size_t>(r->conn->listener->index)].address);
  return origin;
}

/// What holds for the running code; the http block's where none runs.
static const LocationConf *conf_of(const LightThread *t) {
  if (!t) return &vm_current->core->p->http_conf;
  return t->run->r ? t->run->r->conf : t->run->conf;
}

static void free_entry(TimerEntry *e) {
  Vm *vm = e->vm;
  if (e->prev)
    e->prev->next = e->next;
  else
    vm->timers = e->next;
  if (e->next) e->next->prev = e->prev;
  --vm->timers_pending;
  vm->core->loop->disarm(&e->timer);
  vm->core->loop->unpost(&e->start_task);
  if (!vm->is_lost) luaL_unref(vm->L, LUA_REGISTRYINDEX, e->ref);
  delete e;
}

static void timer_run_done(Run *run) {
  --run->vm->timers_running;
  if (vm_is_debug(run->vm)) run_debug(run, "http lua close fake http connection %p", static_cast<void *>(run));
}

static void log_refusal(const TimerEntry *e) {
  lua_State *L = e->vm->L;
  lua_Debug ar{};
  lua_rawgeti(L, LUA_REGISTRYINDEX, e->ref);
  lua_rawgeti(L, -1, 1);
  lua_getinfo(L, ">S", &ar);
  lua_pop(L, 1);
  log_write(*e->vm->core->log, kLogAlert, 0, nullptr,
            "lua failed to run timer with function defined at %s:%d: %u lua_max_running_timers are not enough",
            ar.source, ar.linedefined, e->vm->core->p->lua_max_running_timers);
}

static void run_entry(TimerEntry *e) {
  Vm *vm = e->vm;
  if (vm->timers_running >= vm->core->p->lua_max_running_timers) {
    log_refusal(e);
    if (e->interval == 0 || vm->is_exiting)
      free_entry(e);
    else
      vm->core->loop->arm(&e->timer, e->interval);
    return;
  }
  Run *run = sched_run_new(vm, nullptr, MW_PHASE_TIMER);
  run->done = timer_run_done;
  run->origin = e->origin;
  run->conf = e->conf;
  run->log_ctx.tail = run_timer_tail;
  if (vm_is_debug(vm)) run_debug(run, "lua ngx.timer expired");
  LightThread *t = sched_entry_new(run);
  lua_rawgeti(t->co, LUA_REGISTRYINDEX, e->ref);
  int n = e->count;
  lua_checkstack(t->co, n + 3);
  lua_rawgeti(t->co, 1, 1);
  lua_pushboolean(t->co, e->premature);
  for (int i = 2; i <= n; ++i) lua_rawgeti(t->co, 1, i);
  lua_remove(t->co, 1);
  ++vm->timers_running;
  if (e->interval == 0 || vm->is_exiting)
    free_entry(e);
  else
    vm->core->loop->arm(&e->timer, e->interval);
  sched_run_start(run, n);
}

static void on_fire(Timer *timer) {
  TimerEntry *e = reinterpret_cast<TimerEntry *>(reinterpret_cast<char *>(timer) - offsetof(TimerEntry, timer));
  run_entry(e);
}

static void on_start(Task *task) {
  TimerEntry *e = reinterpret_cast<TimerEntry *>(reinterpret_cast<char *>(task) - offsetof(TimerEntry, start_task));
  run_entry(e);
}

static int refuse(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

/// add(seconds, f, repeat, ...) -> true | nil, err
static int timer_add(lua_State *L) {
  Vm *vm = vm_current;
  lua_Number delay = luaL_checknumber(L, 1);
  bool repeat = lua_toboolean(L, 3);
  if (!(delay >= 0)) return luaL_error(L, "delay must be non-negative");
  if (vm->is_exiting && delay > 0) return refuse(L, "process exiting");
  if (vm->timers_pending >= vm->core->p->lua_max_pending_timers) return refuse(L, "too many pending timers");
  int n = lua_gettop(L) - 2;  // f and its arguments
  lua_createtable(L, n, 0);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 1);
  for (int i = 2; i <= n; ++i) {
    lua_pushvalue(L, i + 2);
    lua_rawseti(L, -2, i);
  }
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  TimerEntry *e = new TimerEntry();
  e->vm = vm;
  e->ref = ref;
  e->origin = origin_of(vm->current);
  e->conf = conf_of(vm->current);
  e->count = n;
  e->timer.fire = on_fire;
  e->start_task.run = on_start;
  e->next = vm->timers;
  if (vm->timers) vm->timers->prev = e;
  vm->timers = e;
  ++vm->timers_pending;
  uint64_t ms = sched_ms(delay);
  if (repeat) e->interval = ms ? ms : 1;
  if (ms == 0)
    vm->core->loop->post(&e->start_task);
  else
    vm->core->loop->arm(&e->timer, ms);
  lua_pushinteger(L, 1);
  return 1;
}

static int timer_pending(lua_State *L) {
  lua_pushinteger(L, static_cast<lua_Integer>(vm_current->timers_pending));
  return 1;
}

static int timer_running(lua_State *L) {
  lua_pushinteger(L, static_cast<lua_Integer>(vm_current->timers_running));
  return 1;
}

int timer_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"add", timer_add}, {"pending_count", timer_pending}, {"running_count", timer_running}, {nullptr, nullptr}};
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

void timer_cancel_all(Vm *vm) {
  // free_entry unlinks it, which the analyzer does not follow.
  while (vm->timers) free_entry(vm->timers);  // NOLINT(clang-analyzer-cplusplus.NewDelete)
}

uint32_t vm_timers_pending(Vm *vm) { return vm->timers_pending; }
uint32_t vm_timers_running(Vm *vm) { return vm->timers_running; }

void vm_begin_exit(Vm *vm) {
  vm->abi->exiting = 1;
  vm_retire(vm);
}

void vm_retire(Vm *vm) {
  vm->is_exiting = true;
  if (vm_is_debug(vm) && vm->timers) {
    log_write(*vm->core->log, kLogDebug, 0, nullptr, "lua abort pending timers");
    log_write(*vm->core->log, kLogDebug, 0, nullptr, "lua found %u pending timers", vm->timers_pending);
  }
  for (TimerEntry *e = vm->timers; e; e = e->next) {
    e->premature = true;
    vm->core->loop->disarm(&e->timer);
    vm->core->loop->post(&e->start_task);
  }
}

}  // namespace mw
