// SPDX-License-Identifier: MIT
// ngx.timer, ngx.semaphore, ngx.log, the write guard, init handlers and LuaVm's calls, without sockets.
#include "script_bench.h"

using namespace mw;
using script_test::Bench;

TEST(script_timers_fire_with_their_arguments) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local o = {}
    local function f(...) o[#o+1] = table.concat({ select("#", ...), tostring((...)), tostring((select(4, ...))), ngx.get_phase() }, " ") end
    local ok = ngx.timer.at(0.002, f, 1, nil, 3)
    ngx.timer.at(0, f)
    local n = ngx.timer.pending_count()
    ngx.sleep(0.02)
    return ok, n, o[1], o[2], ngx.timer.pending_count(), ngx.timer.running_count())"),
           "1 2 1 false nil timer 4 false 3 timer 0 0");
}

TEST(script_timers_have_their_own_ctx_and_may_wait) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(ngx.ctx.x = "mine"
    local o = {}
    for i = 1, 3 do ngx.timer.at(0, function() local before = ngx.ctx.x ngx.ctx.x = i ngx.sleep(0.002) o[i] = tostring(before) .. ngx.ctx.x end) end
    ngx.sleep(0.001)
    local running = ngx.timer.running_count()
    ngx.sleep(0.02)
    return running, table.concat(o, " "), ngx.ctx.x)"),
           "3 nil1 nil2 nil3 mine");
}

TEST(script_timer_every_repeats) {
  Bench b;
  b.boot();
  std::string n = b.run(R"(local n = 0 ngx.timer.every(0.002, function(p, a) n = n + (a == "a" and 1 or 1000) end, "a")
    for i = 1, 1000 do ngx.sleep(0.002) if n > 4 then break end end
    return n > 4 and n < 1000 or n)");
  CHECK_EQ(n, "true");
  CHECK_EQ(vm_timers_pending(b.vm), 1u);
}

TEST(script_timer_limits_and_words) {
  Bench b;
  b.plan->lua_max_pending_timers = 2;
  b.plan->lua_max_running_timers = 1;
  b.boot();
  CHECK_EQ(b.run("ngx.timer.at(9, print) ngx.timer.at(9, print) return ngx.timer.at(0, print)"),
           "nil too many pending timers");
  CHECK_EQ(b.run("return pcall(ngx.timer.at, 1)"), "false expecting at least 2 arguments but got 1");
  CHECK_EQ(b.run("return pcall(ngx.timer.at, 1, 2)"), "false bad argument #2 to 'at' (Lua function expected)");
  CHECK_EQ(b.run("return pcall(ngx.timer.every, 0, print)"), "false delay cannot be zero");
  Bench c;
  c.plan->lua_max_running_timers = 1;
  c.boot();
  CHECK_EQ(c.run(R"(for i = 1, 2 do ngx.timer.at(0, function() ngx.sleep(0.005) end) end ngx.sleep(0.02) return 1)"),
           "1");
  CHECK(c.logged("[alert] "));
  CHECK(c.logged("lua failed to run timer with function defined at =run:1: 1 lua_max_running_timers are not enough"));
}

TEST(script_timer_failure_is_logged_with_its_context) {
  Bench b;
  b.boot();
  b.run("ngx.timer.at(0, function() error('bad', 0) end) ngx.sleep(0.003)");
  CHECK(b.logged("[error] "));
  CHECK(b.logged(
      ": lua entry thread aborted: runtime error: bad\nstack traceback:\ncoroutine 0:\n\t[C]: in function 'error'\n"));
  CHECK(b.logged(", context: ngx.timer"));
  CHECK_EQ(b.run("return ngx.timer.running_count()"), "0");
}

TEST(script_timers_run_prematurely_at_exit) {
  Bench b;
  int32_t script =
      b.script(R"(ngx.timer.at(100, function(premature) out = tostring(premature) .. tostring(ngx.worker.exiting())
    out2 = select(2, ngx.timer.at(1, print)) end) ngx.timer.every(50, function(p) every = (every or 0) + 1 end))");
  b.boot();
  bool done = false;
  vm_run_script(b.vm, script, MW_PHASE_INIT_WORKER, [&](std::string e) { done = e.empty(); });
  CHECK(b.turn_until(done));
  vm_begin_exit(b.vm);
  b.turn_for(3);
  CHECK_EQ(b.run("return out, out2, every"), "truetrue process exiting 1");
  CHECK(vm_is_idle(b.vm));
}

TEST(script_semaphores_hand_out_in_order) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local sem, o = require("ngx.semaphore").new(1), {}
    local ts = {}
    for i = 1, 4 do ts[i] = ngx.thread.spawn(function() local v = sem:wait(0.2) o[#o+1] = i .. tostring(v) end) end
    local c = sem:count()
    sem:post(2) ngx.sleep(0.002)
    local d = sem:count()
    sem:post() ngx.sleep(0.002)
    return c, d, sem:count(), table.concat(o, " "))"),
           "-3 -1 0 1true 2true 3true 4true");
  CHECK_EQ(b.run("local s = require('ngx.semaphore').new() local ok, e = s:wait(0.002) return ok, e, s:count(), "
                 "(select(2, s:wait(0)))"),
           "false timeout 0 timeout");
  // Collected while nothing holds it, its threads killed: nothing is left that could fire.
  CHECK_EQ(b.run(R"(do local sem = require("ngx.semaphore").new(0)
      ngx.thread.kill(ngx.thread.spawn(function() sem:wait(0.003) end)) sem:post(1) end
    collectgarbage() collectgarbage() ngx.sleep(0.01) return 1)"),
           "1");
}

TEST(script_log_lines) {
  Bench b;
  int32_t script = b.script(
      "local function f() ngx.log(ngx.ERR, 'a', 1, nil, true, ngx.null, setmetatable({}, { __tostring = function() "
      "return 'T' end })) end\n"
      "f()\nngx.log(ngx.WARN)\nprint('p', 2.5)",
      "@/srv/lua/app.lua");
  b.boot();
  Request *r = b.request();
  CHECK_EQ(lua_hook->run(r, LuaPhase::access, script), kOk);
  request_free(r);
  CHECK(b.logged(": [lua] app.lua:1: f(): a1niltruenullT"));
  CHECK(b.logged("[warn] "));
  CHECK(b.logged(": [lua] app.lua:3: "));
  CHECK(b.logged("[notice] "));
  CHECK(b.logged(": [lua] app.lua:4: p2.5"));
  CHECK_EQ(b.run("return pcall(ngx.log, ngx.ERR, {})"),
           "false bad argument #1 to 'log' (expected table to have __tostring metamethod)");
  CHECK_EQ(b.run("return pcall(ngx.log, 9, 'x')"), "false bad argument #1 to 'log' (bad log level: 9)");
}

TEST(script_write_guard) {
  Bench b;
  int32_t init = b.script("from_init = 1");
  int32_t handler = b.script("leak = 1 from_init = 2", "=access_by_lua(x:1)");
  int32_t again = b.script("for i = 1, 3 do _G['g' .. i] = i end", "=access_by_lua(x:2)");
  b.boot();
  vm_run_script(b.vm, init, MW_PHASE_INIT, [](std::string e) { CHECK_EQ(e, ""); });
  CHECK_EQ(b.lines.size(), 0u);
  for (int32_t script : {handler, handler, again}) {
    Request *r = b.request();
    CHECK_EQ(lua_hook->run(r, LuaPhase::access, script), kOk);
    request_free(r);
  }
  CHECK_EQ(b.lines.size(), 2u);  // once per place
  CHECK(b.logged("[warn] "));
  CHECK(
      b.logged(": writing a global Lua variable ('leak') which may lead to race conditions between concurrent "
               "requests, so prefer "
               "the use of 'local' variables\nstack traceback:\n\taccess_by_lua(x:1):1: in "));
}

TEST(script_init_failures_have_a_reason) {
  Bench b;
  int32_t syntax = b.script("local x = = 1", "=init_by_lua(nginx.conf:3)");
  int32_t runtime = b.script("error('no')", "=init_by_lua(nginx.conf:4)");
  int32_t exits = b.script("ngx.exit(500)");
  b.boot();
  std::string why;
  auto take = [&](std::string e) { why = e; };
  vm_run_script(b.vm, syntax, MW_PHASE_INIT, take);
  CHECK_EQ(why, "init_by_lua(nginx.conf:3):1: unexpected symbol near '='");
  vm_run_script(b.vm, runtime, MW_PHASE_INIT, take);
  CHECK_EQ(why.find("init_by_lua(nginx.conf:4):1: no\nstack traceback:"), 0u);
  vm_run_script(b.vm, exits, MW_PHASE_TIMER, take);
  CHECK_EQ(why, "");
}

TEST(script_exit_codes_of_handlers) {
  Bench b;
  b.boot();
  struct {
    const char *code;
    Rc rc;
  } cases[] = {{"ngx.exit(0)", 0},
               {"ngx.exit(403)", 403},
               {"ngx.exit(ngx.ERROR)", kError},
               {"ngx.exit(ngx.DECLINED)", kDeclined},
               {"ngx.exit(ngx.AGAIN)", 500},
               {"ngx.exit(ngx.DONE)", 500},
               {"return 403", 0},
               {"error 'x'", 500},
               {"pcall(ngx.exit, 410)", 410},
               {"coroutine.wrap(function() ngx.exit(411) end)()", 411},
               {"ngx.thread.wait(ngx.thread.spawn(function() ngx.exit(412) end))", 412},
               {"ngx.thread.spawn(function() ngx.exit(413) end) error 'no'", 413},
               {"pcall(string.gsub, 'a', 'a', function() ngx.exit(414) end)", 414}};
  for (const auto &c : cases) {
    int32_t script = b.script(c.code);
    Request *r = b.request();
    CHECK_EQ(std::string(c.code) + std::to_string(lua_hook->run(r, LuaPhase::content, script)),
             std::string(c.code) + std::to_string(c.rc));
    request_free(r);
  }
}

TEST(script_values_that_hold_themselves_are_refused) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run("local t = {} t.a, t.b, t.c = t, t, t return t"), "ERROR value nests too deeply or holds itself");
  CHECK_EQ(b.run("local s = {} return { s, s, { s } }"), "?");
}

TEST(script_finalizers_cannot_wait) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local ffi = require "ffi"
    local why
    ffi.gc(ffi.new("char[1]"), function() why = select(2, pcall(ngx.sleep, 0.001)) end)
    collectgarbage() collectgarbage()
    ngx.sleep(0.005)
    return why ~= nil)"),
           "true");
  b.run(
      "keep = require('ffi').gc(require('ffi').new('char[1]'), function() pcall(ngx.sleep, 0.001) pcall(ngx.exit, 1) "
      "pcall(coroutine.yield) end)");
}
