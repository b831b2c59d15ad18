// SPDX-License-Identifier: MIT
// Light threads: spawn, wait, kill, their handles, waits where Lua cannot yield, many of them.
#include "script_bench.h"

using namespace mw;
using script_test::Bench;

TEST(script_spawn_runs_the_child_until_it_waits) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local o = {}
    local t = ngx.thread.spawn(function(a) o[#o+1] = a ngx.sleep(0.002) o[#o+1] = "late" return "r", nil, 3 end, "child")
    o[#o+1] = "parent"
    local ok, r, n, three = ngx.thread.wait(t)
    return table.concat(o, ","), ok, r, n, three)"),
           "child,parent,late true r nil 3");
}

TEST(script_wait_answers_for_the_first_that_ends) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local function f(s, v) ngx.sleep(s) return v end
    local slow, fast = ngx.thread.spawn(f, 0.05, "slow"), ngx.thread.spawn(f, 0.002, "fast")
    local _, first = ngx.thread.wait(slow, fast)
    local _, second = ngx.thread.wait(slow)
    return first, second, select(2, ngx.thread.wait(slow, fast)))"),
           "fast slow already waited or killed");
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() error("bad luck", 0) end)
    return ngx.thread.wait(t))"),
           "false bad luck");
  CHECK(b.logged(": lua user thread aborted: runtime error: bad luck\nstack traceback:\ncoroutine 0:\n\t"));
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() ngx.sleep(0.001) error({}) end)
    local ok, e = ngx.thread.wait(t) return ok, type(e))"),
           "false table");
}

TEST(script_wait_refuses_what_is_no_child) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run("return pcall(ngx.thread.wait)"), "false at least one coroutine should be specified");
  CHECK_EQ(b.run("return pcall(ngx.thread.wait, 1)"), "false bad argument #1 to '?' (lua thread expected)");
  CHECK_EQ(b.run("return pcall(ngx.thread.wait, coroutine.create(function() end))"),
           "false attempt to wait on a coroutine that is not a user thread");
  CHECK_EQ(b.run("return ngx.thread.kill(coroutine.create(function() end))"), "nil not user thread");
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() ngx.sleep(1) end)
    local u = ngx.thread.spawn(function() return pcall(ngx.thread.wait, t) end)
    local _, ok, err = ngx.thread.wait(u)
    ngx.thread.kill(t)
    return ok, err)"),
           "false only the parent coroutine can wait on the thread");
}

TEST(script_kill_ends_what_waits_and_says_so) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local ran
    local t = ngx.thread.spawn(function() ngx.sleep(0.005) ran = true end)
    local a, s = ngx.thread.kill(t), coroutine.status(t)
    ngx.sleep(0.02)
    local _, again = ngx.thread.kill(t)
    local _, waited = ngx.thread.wait(t)
    return a, s, ran, again, waited)"),
           "1 dead nil already waited or killed already waited or killed");
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() return 1 end)
    local s, _, why = coroutine.status(t), ngx.thread.kill(t)
    return s, why, select(2, ngx.thread.wait(t)))"),
           "zombie already terminated already waited or killed");
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() ngx.sleep(1) end)
    local u = ngx.thread.spawn(function() return ngx.thread.kill(t) end)
    local r = { ngx.thread.wait(u) } ngx.thread.kill(t) return unpack(r, 1, 3))"),
           "true nil killer not parent");
  // A thread that waits for its own child, one that only gave way, one in a semaphore.
  CHECK_EQ(b.run(R"(local sem = require("ngx.semaphore").new(0)
    local t = ngx.thread.spawn(function() ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0.003) end)) error "no" end)
    local u = ngx.thread.spawn(function() while true do coroutine.yield() end end)
    local v = ngx.thread.spawn(function() sem:wait(1) error "no" end)
    local n = sem:count()
    ngx.thread.kill(t) ngx.thread.kill(u) ngx.thread.kill(v)
    local m = sem:count()
    sem:post(1) ngx.sleep(0.01)
    return n, m, sem:count())"),
           "-1 0 1");
  CHECK_EQ(b.lines.size(), 0u);
}

// A handle stays the name of its own thread, whatever is spawned after that one ended.
TEST(script_handle_never_means_another_thread) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local old = ngx.thread.spawn(function() end)
    ngx.thread.wait(old)
    local ran
    local new = ngx.thread.spawn(function() ngx.sleep(0.002) ran = true end)
    local same = old == new
    local _, why = ngx.thread.kill(old)
    ngx.thread.wait(new)
    return same, why, ran)"),
           "false already waited or killed true");
}

// A coroutine that user code made is no light thread, though it inherits the exdata of the one it was made in.
TEST(script_user_coroutine_is_no_light_thread) {
  Bench b;
  b.plan->lua_thread_cache_max_entries = 0;
  b.boot();
  CHECK_EQ(b.run(R"(local co
    local t = ngx.thread.spawn(function() co = coroutine.create(function() coroutine.yield(1) return 2 end) coroutine.resume(co) end)
    ngx.thread.wait(t) t = nil
    collectgarbage() collectgarbage()
    ngx.thread.wait(ngx.thread.spawn(function() end))
    local s = coroutine.status(co)
    local ok, err = pcall(ngx.thread.wait, co)
    return s, ok, err, select(2, coroutine.resume(co)))"),
           "suspended false attempt to wait on a coroutine that is not a user thread 2");
}

// The await of a wait that cannot yield raises; the wait must not wake a later one, nor one of the thread's next life.
TEST(script_a_wait_that_could_not_yield_leaves_nothing_behind) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local ok, err = pcall(string.gsub, "a", "a", function() ngx.sleep(0.002) end)
    local sem = require("ngx.semaphore").new(0)
    local got, why = sem:wait(0.03)
    return ok, err, got, why)"),
           "false [moonwire]/moonwire/abi.lua:34: attempt to yield across C-call boundary false timeout");
  CHECK_EQ(b.run(R"(local sem = require("ngx.semaphore").new(0)
    pcall(string.gsub, "a", "a", function() sem:wait(0.002) end)
    local before = ngx.now() ngx.sleep(0.03) ngx.update_time()
    return sem:count(), ngx.now() - before >= 0.025)"),
           "0 true");
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() ngx.sleep(0.001) return 1 end)
    local ok, err = pcall(string.gsub, "a", "a", function() ngx.thread.wait(t) end)
    ngx.sleep(0.01)
    return ok, err, ngx.thread.wait(t))"),
           "false run:2: attempt to yield across C-call boundary true 1");
  CHECK_EQ(b.run(R"(pcall(string.gsub, "a", "a", function() coroutine.yield() ngx.sleep(0) end) return "end")"), "end");
  CHECK_EQ(b.run("pcall(string.gsub, 'a', 'a', function() ngx.sleep(0.001) end) return 'end'"), "end");
  CHECK_EQ(b.run("ngx.sleep(0.01) return 'alive'"), "alive");
}

// A spawn whose yield fails further out still starts its child, and leaves nothing for the next wait.
TEST(script_a_spawn_that_could_not_yield_starts_its_child) {
  Bench b;
  b.boot();
  const char *spawn =
      "pcall(string.gsub, 'a', 'a', function() coroutine.wrap(function() ngx.thread.spawn(function() ran = true end) "
      "end)() end) ";
  CHECK_EQ(b.run(std::string(spawn) + "return select('#', ngx.sleep(0.001)), ran"), "0 true");
  CHECK_EQ(b.run(std::string("ran = nil ") + spawn + "return 'end'"), "end");
  CHECK_EQ(b.run("return ran"), "true");
  CHECK_EQ(
      b.run("string.gsub('a', 'a', function() ngx.thread.spawn(function() ran = 2 end) end) ngx.sleep(0) return ran"),
      "2");
}

TEST(script_spawn_nests_without_end) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local n = 0
    local function f() n = n + 1 if n < 20000 then ngx.thread.spawn(f) end end
    ngx.thread.spawn(f)
    while n < 20000 do ngx.sleep(0) end
    return n)"),
           "20000");
}

TEST(script_ten_thousand_threads_leave_nothing) {
  Bench b;
  b.boot();
  const char *code = R"(local n, ts = 0, {}
    for i = 1, 10000 do ts[i] = ngx.thread.spawn(function() ngx.sleep(i % 7 / 1000) n = n + 1 return i end) end
    local sum = 0
    for i = 1, 10000 do local _, v = ngx.thread.wait(ts[i]) sum = sum + v end
    return n, sum)";
  CHECK_EQ(b.run(code), "10000 50005000");
  for (int i = 0; i < 3; ++i) CHECK_EQ(b.run(code), "10000 50005000");  // tables reach their size
  b.run("collectgarbage() collectgarbage()");
  uint64_t before = vm_memory(b.vm);
  for (int i = 0; i < 5; ++i) CHECK_EQ(b.run(code), "10000 50005000");
  b.run("collectgarbage() collectgarbage()");
  uint64_t after = vm_memory(b.vm);
  // Twenty bytes for each thread: traces that LuaJIT makes meanwhile are allowed, a thread left behind is not.
  CHECK(after < before + 1000000);
}

TEST(script_threads_die_with_their_run) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run("ngx.thread.spawn(function() ngx.sleep(0.01) ngx.exit(0) end) ngx.thread.spawn(function() "
                 "ngx.sleep(9) end) ngx.sleep(9)"),
           "");
  CHECK_EQ(b.run("ngx.thread.spawn(function() ngx.sleep(9) end) error('x', 0)"), "ERROR x");
  CHECK_EQ(b.run(R"(ngx.thread.spawn(function() ngx.thread.spawn(function() ngx.exit(0) end) error "not reached" end)
    error "nor this")"),
           "");
  CHECK(!b.logged("not reached"));
}

TEST(script_vm_ends_with_threads_parked_everywhere) {
  Bench b;
  int32_t script = b.script("ngx.thread.spawn(function() require('ngx.semaphore').new(0):wait(9) end) ngx.sleep(9)");
  b.boot();
  Request *r = b.request();
  CHECK_EQ(lua_hook->run(r, LuaPhase::content, script), kAgain);
  vm_run_script(b.vm, script, MW_PHASE_INIT_WORKER, [](std::string) { CHECK(!"not after the VM"); });
  std::string none;
  Value empty;
  empty.tag = Value::array;
  value_encode(none, empty);
  vm_call(b.vm, true, "ngx.timer.at(9, print) ngx.timer.at(0, ngx.sleep) coroutine.wrap(function() ngx.sleep(9) end)()",
          "=x", none, [](VmResult) { CHECK(!"not after the VM"); });
  b.turn_for(5);
}

TEST(script_release_kills_what_a_request_left_parked) {
  Bench b;
  int32_t script = b.script(
      "ngx.ctx.x = 1 ngx.thread.spawn(function() ngx.sleep(0.001) error 'no' end) ngx.sleep(0.002) error 'no'");
  b.boot();
  for (int i = 0; i < 1000; ++i) {
    Request *r = b.request();
    CHECK_EQ(lua_hook->run(r, LuaPhase::access, script), kAgain);
    request_free(r);
  }
  b.turn_for(10);
  CHECK_EQ(b.lines.size(), 0u);
  b.run("collectgarbage() collectgarbage()");
  uint64_t before = vm_memory(b.vm);
  for (int i = 0; i < 1000; ++i) {
    Request *r = b.request();
    lua_hook->run(r, LuaPhase::access, script);
    request_free(r);
  }
  b.run("collectgarbage() collectgarbage()");
  CHECK(vm_memory(b.vm) < before + 200000);
}

TEST(script_hundred_thousand_requests_leave_nothing) {
  Bench b;
  int32_t script = b.script("ngx.ctx.n = (ngx.ctx.n or 0) + 1 if ngx.ctx.n ~= 1 then error 'stale ctx' end");
  b.boot();
  auto serve = [&](int n) {
    for (int i = 0; i < n; ++i) {
      Request *r = b.request();
      CHECK_EQ(lua_hook->run(r, LuaPhase::content, script), kOk);
      request_free(r);
    }
  };
  serve(2000);
  b.run("collectgarbage() collectgarbage()");
  uint64_t before = vm_memory(b.vm);
  serve(100000);
  b.run("collectgarbage() collectgarbage()");
  CHECK(vm_memory(b.vm) < before + 200000);
  CHECK_EQ(b.lines.size(), 0u);
}
