// SPDX-License-Identifier: MIT
// ngx.run_worker_thread: a module's function runs on a thread of its own, in a VM of its own, with copies of its arguments.
// Each worker has its threads by the name of the pool, started when none is free; they live until the worker's VM dies,
// which waits for what they still do. A task belongs to its caller and the closures that carry it.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "base/thread.h"
#include "script/embed.h"
#include "script/json.h"
#include "script/value_lua.h"
#include "script/vm_inner.h"

namespace mw {

static constexpr size_t kMaxThreads = 32;
static constexpr size_t kScratch = 65536;
static constexpr int kMuchGarbage = 8192;  ///< KB above which a task leaves its VM collected

/// One call: arguments in, results out. `waiter` belongs to the worker's thread.
struct PoolTask {
  Value args, results;
  const char *why = nullptr;  ///< why the results could not be read
  Waiter waiter;
};
using PoolTaskRef = std::shared_ptr<PoolTask>;

/// What a pool's threads need of their worker; constant.
struct PoolHost {
  std::string prefix, cwd, package_path, package_cpath;
  std::vector<std::string> env;
  bool hides_env = false;
  std::vector<std::pair<std::string, void *>> dicts;
  const Log *log = nullptr;
  mw_worker_t worker{};
};

struct ThreadPool {
  PoolHost host;
  Loop *loop = nullptr;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<PoolTaskRef> tasks;
  size_t idle = 0;
  bool is_closing = false;
  std::vector<std::unique_ptr<Thread>> threads;
};

constinit thread_local const Log *pool_log = nullptr;
static thread_local std::map<std::string, std::unique_ptr<ThreadPool>> *pools = nullptr;

// --- the pool's side -------------------------------------------------------------------------------------------------

static int pool_embedded(lua_State *L) {
  const EmbeddedLua *file = embedded_lua(luaL_checkstring(L, 1));
  if (!file) return 0;
  if (luaL_loadbuffer(L, file->data, file->size, "=[moonwire]") != 0) return lua_error(L);
  return 1;
}

static void set_field(lua_State *L, const char *name, const std::string &value) {
  lua_pushlstring(L, value.data(), value.size());
  lua_setfield(L, -2, name);
}

/// Leaves the function that runs a task on the stack.
static int pool_boot(lua_State *L) {
  PoolHost *host = static_cast<PoolHost *>(lua_touserdata(L, 1));
  luaL_openlibs(L);
  json_preload(L);
  lua_pushcfunction(L, pool_embedded);
  lua_pushliteral(L, "moonwire.pool_boot");
  lua_call(L, 1, 1);
  lua_newtable(L);
  const EmbeddedLua *cdef = embedded_lua("mw_abi.h");
  lua_pushlstring(L, cdef->data, cdef->size);
  lua_setfield(L, -2, "cdef");
  lua_pushlightuserdata(L, &host->worker);
  lua_setfield(L, -2, "worker");
  lua_pushlightuserdata(L, &kAwaitMark);
  lua_setfield(L, -2, "await_mark");
  lua_pushcfunction(L, pool_embedded);
  lua_setfield(L, -2, "embedded");
  set_field(L, "prefix", host->prefix);
  set_field(L, "cwd", host->cwd);
  set_field(L, "package_path", host->package_path);
  set_field(L, "package_cpath", host->package_cpath);
  env_set_fields(L, host->env, host->hides_env);
  lua_newtable(L);
  for (size_t i = 0; i < host->dicts.size(); ++i) {
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, host->dicts[i].first.data(), host->dicts[i].first.size());
    lua_rawseti(L, -2, 1);
    lua_pushlightuserdata(L, host->dicts[i].second);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, static_cast<int>(i) + 1);
  }
  lua_setfield(L, -2, "dicts");
  lua_call(L, 1, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "moonwire.run");
  return 0;
}

static void fail(PoolTask *task, const char *text) {
  Value no, why;
  no.tag = Value::false_;
  why.tag = Value::string;
  why.str = text ? text : "unknown error";
  task->results.items = {no, why};
}

static int push_and_call(lua_State *L) {
  PoolTask *task = static_cast<PoolTask *>(lua_touserdata(L, 1));
  lua_settop(L, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, "moonwire.run");
  luaL_checkstack(L, static_cast<int>(task->args.items.size()) + 8, "too many arguments");
  for (const Value &v : task->args.items) value_push(L, v);
  lua_call(L, static_cast<int>(task->args.items.size()), LUA_MULTRET);
  task->results.items.resize(static_cast<size_t>(lua_gettop(L)));
  for (size_t i = 0; i < task->results.items.size() && !task->why; ++i)
    if (!value_read(L, static_cast<int>(i) + 1, task->results.items[i], &task->why) && !task->why) task->why = "failed";
  return 0;
}

static void run_task(lua_State *L, PoolTask *task) {
  task->results.tag = Value::array;
  if (!L) return fail(task, "no memory");
  if (lua_cpcall(L, push_and_call, task) != 0) fail(task, lua_tostring(L, -1));
  if (task->why) fail(task, task->why);
  lua_settop(L, 0);
  if (lua_gc(L, LUA_GCCOUNT, 0) > kMuchGarbage) lua_gc(L, LUA_GCCOLLECT, 0);
}

static void pool_main(ThreadPool *pool) {
  pthread_setname_np(pthread_self(), "mw-pool");
  PoolHost host = pool->host;
  std::vector<char> scratch(kScratch);
  host.worker.buf = scratch.data();
  host.worker.buf_size = scratch.size();
  abi_worker = &host.worker;
  pool_log = host.log;
  lua_State *L = luaL_newstate();
  const char *why = L ? nullptr : "no memory";
  if (L && lua_cpcall(L, pool_boot, &host) != 0) why = lua_tostring(L, -1);
  std::unique_lock<std::mutex> lock(pool->mutex);
  for (;;) {
    ++pool->idle;
    pool->wake.wait(lock, [&] { return pool->is_closing || !pool->tasks.empty(); });
    --pool->idle;
    if (pool->is_closing) break;
    PoolTaskRef task = std::move(pool->tasks.front());
    pool->tasks.pop_front();
    lock.unlock();
    if (why)
      fail(task.get(), why);
    else
      run_task(L, task.get());
    pool->loop->send([task] {
      if (sched_is_waiting(task->waiter)) sched_wake(&task->waiter, MW_OK);
    });
    lock.lock();
  }
  lock.unlock();
  if (L) lua_close(L);
}

// --- the worker's side -----------------------------------------------------------------------------------------------

static ThreadPool *pool_of(Vm *vm, const char *name) {
  if (!pools) pools = new std::map<std::string, std::unique_ptr<ThreadPool>>();
  std::unique_ptr<ThreadPool> &pool = (*pools)[name];
  if (pool) return pool.get();
  pool = std::make_unique<ThreadPool>();
  const Plan &plan = *vm->core->p;
  pool->loop = vm->core->loop;
  pool->host.prefix = plan.prefix;
  pool->host.cwd = vm->host.cwd;
  pool->host.package_path = plan.lua_package_path;
  pool->host.package_cpath = plan.lua_package_cpath;
  pool->host.env = plan.env;
  pool->host.hides_env = plan.hides_env;
  pool->host.dicts = vm->host.dicts;
  pool->host.log = vm->core->log;
  mw_worker_t &w = pool->host.worker;
  w.worker_id = vm->abi->worker_id;
  w.worker_count = vm->abi->worker_count;
  w.pid = vm->abi->pid;
  w.process_pid = vm->abi->process_pid;
  w.phase = MW_PHASE_TIMER;
  return pool.get();
}

/// Called by a thread whose signals are blocked, which those it starts inherit.
static void submit(ThreadPool *pool, const PoolTaskRef &task) {
  std::lock_guard<std::mutex> lock(pool->mutex);
  pool->tasks.push_back(task);
  if (pool->tasks.size() > pool->idle && pool->threads.size() < kMaxThreads)
    pool->threads.emplace_back(new Thread)->start([pool] { pool_main(pool); });
  pool->wake.notify_one();
}

static constexpr char kMetatable[] = "moonwire.pool_task";

static PoolTaskRef *check_task(lua_State *L) { return static_cast<PoolTaskRef *>(luaL_checkudata(L, 1, kMetatable)); }

static int task_gc(lua_State *L) {
  check_task(L)->~PoolTaskRef();
  return 0;
}

/// A killed caller: the task runs to its end and its results are dropped.
static void forget(Waiter *) {}

static const char *read_arguments(lua_State *L, PoolTask *task, int from) {
  const char *why = nullptr;
  int n = lua_gettop(L) - from;
  task->args.tag = Value::array;
  task->args.items.resize(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i)
    if (!value_read(L, from + i, task->args.items[static_cast<size_t>(i)], &why)) return why ? why : "failed";
  return nullptr;
}

/// start(pool, module, function, ...) -> task, parked | nil, err
static int task_start(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  PoolTaskRef *slot = static_cast<PoolTaskRef *>(lua_newuserdata(L, sizeof(PoolTaskRef)));
  new (slot) PoolTaskRef(std::make_shared<PoolTask>());
  luaL_getmetatable(L, kMetatable);
  lua_setmetatable(L, -2);
  if (const char *why = read_arguments(L, slot->get(), 2)) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  sched_park(&(*slot)->waiter, forget);
  submit(pool_of(vm_current, name), *slot);
  return 1;
}

/// results(task) -> what the call returned
static int task_results(lua_State *L) {
  const Value &results = (*check_task(L))->results;
  int n = static_cast<int>(results.items.size());
  luaL_checkstack(L, n + 8, "too many results");
  for (const Value &v : results.items) value_push(L, v);
  return n;
}

int worker_lib_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", task_start}, {"results", task_results}, {nullptr, nullptr}};
  luaL_newmetatable(L, kMetatable);
  lua_pushcfunction(L, task_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_newtable(L);
  luaL_register(L, nullptr, functions);
  return 1;
}

void worker_lib_close() {
  if (!pools) return;
  for (auto &entry : *pools) {
    ThreadPool *pool = entry.second.get();
    {
      std::lock_guard<std::mutex> lock(pool->mutex);
      pool->is_closing = true;
    }
    pool->wake.notify_all();
    for (const auto &thread : pool->threads) thread->join();
  }
  delete pools;
  pools = nullptr;
}

}  // namespace mw
