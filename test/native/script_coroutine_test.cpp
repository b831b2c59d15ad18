// SPDX-License-Identifier: MIT
// User coroutines over light threads, and waits from wherever Lua can be: iterators, metamethods, pcall, module loading.
#include "script_bench.h"

#include <unistd.h>

using namespace mw;
using script_test::Bench;

TEST(script_wait_at_any_depth_comes_back_to_its_place) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local function nest(n) if n == 0 then ngx.sleep(0.001) return "deep" end
      return coroutine.wrap(function() return nest(n - 1) end)() end
    return nest(50))"),
           "deep");
  CHECK_EQ(b.run(R"(local out = {}
    local gen = coroutine.wrap(function() for i = 1, 3 do ngx.sleep(0.001) coroutine.yield(i) end end)
    for v in gen do out[#out+1] = v end
    local iter = function(_, i) ngx.sleep(0.001) if i < 3 then return i + 1 end end
    for i in iter, nil, 0 do out[#out+1] = i end
    local t = setmetatable({}, { __index = function(_, k) ngx.sleep(0.001) return k end, __add = function() ngx.sleep(0) return "sum" end })
    out[#out+1] = t.x
    out[#out+1] = t + 1
    local ok, err = pcall(function() ngx.sleep(0.001) error("e", 0) end)
    out[#out+1] = err
    out[#out+1] = select(2, xpcall(function() ngx.sleep(0.001) error("f", 0) end, function(m) return "h" .. m end))
    return table.concat(out, ","))"),
           "1,2,3,1,2,3,x,sum,e,hf");
}

TEST(script_values_pass_through_resume_and_yield) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local co = coroutine.create(function(a, b) ngx.sleep(0.001)
      local c, d = coroutine.yield(a + b, nil, "y") ngx.sleep(0.001) return c, d, nil end)
    local r = { coroutine.resume(co, 1, 2) }
    local s = { coroutine.resume(co, "c", "d") }
    return r[1], r[2], r[3], r[4], s[1], s[2], s[3], select("#", unpack(s, 1, 4)), coroutine.status(co))"),
           "true 3 nil y true c d 4 dead");
}

TEST(script_resume_refuses_in_the_words_of_openresty) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run("local c = coroutine.create(function() end) coroutine.resume(c) return coroutine.resume(c)"),
           "false cannot resume dead coroutine");
  CHECK_EQ(b.run("return coroutine.resume(coroutine.running())"), "false cannot resume running coroutine");
  CHECK_EQ(b.run("local me = coroutine.running() return coroutine.wrap(function() return coroutine.resume(me) end)()"),
           "false cannot resume normal coroutine");
  CHECK_EQ(
      b.run(
          R"(local c c = coroutine.create(function() local d = coroutine.wrap(function() return coroutine.resume(c) end)
      return d() end) return coroutine.resume(c))"),
      "true false cannot resume normal coroutine");
  // A light thread that waits is nobody's to resume; nor is a user coroutine whose resumer waits for it.
  CHECK_EQ(b.run(R"(local t = ngx.thread.spawn(function() ngx.sleep(0.003) return "own way" end)
    local ok, err = coroutine.resume(t)
    return ok, err, select(2, ngx.thread.wait(t)))"),
           "false cannot resume running coroutine own way");
  CHECK_EQ(b.run(R"(local co = coroutine.create(function() ngx.sleep(0.003) return "own way" end)
    local t = ngx.thread.spawn(function() return select(2, coroutine.resume(co)) end)
    local s, ok, err = coroutine.status(co), coroutine.resume(co)
    return s, ok, err, select(2, ngx.thread.wait(t)))"),
           "normal false cannot resume normal coroutine own way");
  CHECK_EQ(b.run("return pcall(coroutine.resume)"), "false bad argument #1 to 'resume' (coroutine expected)");
  CHECK_EQ(b.run("return pcall(coroutine.create, 1)"), "false bad argument #1 to 'create' (Lua function expected)");
}

TEST(script_bare_yield_gives_way_and_returns_nothing) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local o = {}
    local function f(n) for i = 1, 3 do o[#o+1] = n .. i local v = coroutine.yield("lost") assert(v == nil) end end
    local a, b = ngx.thread.spawn(f, "a"), ngx.thread.spawn(f, "b")
    ngx.thread.wait(a) ngx.thread.wait(b)
    return table.concat(o, " "))"),
           "a1 b1 a2 b2 a3 b3");
  // One that only ever gives way keeps neither timers nor other light threads waiting.
  CHECK_EQ(b.run(R"(local n = 0
    local t = ngx.thread.spawn(function() while true do n = n + 1 coroutine.yield() end end)
    ngx.sleep(0.005)
    return n > 10, coroutine.status(t), ngx.thread.kill(t))"),
           "true suspended 1");
}

// The order of lua-nginx-module: a spawner goes behind what was ready before, a finished child's waiter goes first.
TEST(script_order_of_turns) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local o = {}
    local function say(x) o[#o+1] = x end
    local function f() say "f1" coroutine.yield() say "f2" coroutine.yield() say "f3" end
    local function g() say "g1" coroutine.yield() say "g2" coroutine.yield() say "g3" end
    ngx.thread.spawn(f) ngx.thread.spawn(g) say "done"
    ngx.sleep(0)
    return table.concat(o, " "))"),
           "f1 g1 f2 done g2 f3 g3");
  CHECK_EQ(b.run(R"(local o = {}
    local function say(x) o[#o+1] = x end
    local function g() say "g" end
    local function f() say "before g" ngx.thread.spawn(g) say "after g" end
    say "before f" ngx.thread.spawn(f) say "after f"
    ngx.sleep(0)
    return table.concat(o, ", "))"),
           "before f, before g, g, after f, after g");
}

TEST(script_status_of_light_threads) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(local s, me = coroutine.status
    local sleeps = ngx.thread.spawn(function() ngx.sleep(0.001) end)
    local inner = ngx.thread.spawn(function() coroutine.wrap(function() ngx.sleep(0.001) end)() end)
    local yields = ngx.thread.spawn(function() while true do coroutine.yield() end end)
    local ends = ngx.thread.spawn(function() me = s(coroutine.running()) end)
    return me, s(sleeps), s(inner), s(yields), s(ends), ngx.thread.wait(ends) and s(ends), ngx.thread.kill(yields) and s(yields))"),
           "running running normal suspended zombie dead dead");
}

TEST(script_threads_inside_user_coroutines) {
  Bench b;
  b.boot();
  CHECK_EQ(b.run(R"(return coroutine.wrap(function()
      local t = ngx.thread.spawn(function(x) ngx.sleep(0.001) return x, "b" end, "a")
      local u = ngx.thread.spawn(function() error("boom", 0) end)
      local r = { ngx.thread.wait(t) }
      local s = { ngx.thread.wait(u) }
      return r[1], r[2], r[3], s[1], s[2]
    end)())"),
           "true a b false boom");
  CHECK_EQ(
      b.run(
          R"(local co, t = coroutine.create(function() ngx.thread.spawn(function() ngx.sleep(0.001) ngx.exit(0) end) ngx.sleep(9) end)
    coroutine.resume(co) error "not reached")"),
      "");
  // Killed in the middle of an inner wait: the inner coroutine stays out of reach.
  CHECK_EQ(b.run(R"(local co = coroutine.create(function() ngx.sleep(0.002) end)
    ngx.thread.kill(ngx.thread.spawn(function() coroutine.resume(co) end))
    ngx.sleep(0.005)
    return coroutine.resume(co))"),
           "false cannot resume normal coroutine");
}

TEST(script_errors_in_nested_coroutines) {
  Bench b;
  b.boot();
  CHECK_EQ(
      b.run("local co = coroutine.create(function() ngx.sleep(0.001) error('in', 0) end) return coroutine.resume(co)"),
      "false in");
  CHECK_EQ(b.run("coroutine.wrap(function() ngx.sleep(0.001) local t = nil t.x = 1 end)()"),
           "ERROR run:1: attempt to index local 't' (a nil value)");
  CHECK_EQ(b.run("return pcall(coroutine.wrap(function() error({}) end))"), "false ?");
}

TEST(script_failed_threads_are_logged_with_every_level) {
  Bench b;
  int32_t script = b.script("local function f() ngx.thread.spawn(function() local x = nil + 1 end) end f() error()",
                            "=content_by_lua(x:1)");
  b.boot();
  Request *r = b.request();
  CHECK_EQ(lua_hook->run(r, LuaPhase::content, script), 500);
  request_free(r);
  CHECK(b.logged(
      "lua user thread aborted: runtime error: content_by_lua(x:1):1: attempt to perform arithmetic on a nil value\n"
      "stack traceback:\ncoroutine 0:\n\tcontent_by_lua(x:1): in function <content_by_lua(x:1):1>\ncoroutine "
      "1:\n\t[C]: in function 'spawn'\n\t"));
  CHECK(
      b.logged("lua entry thread aborted: runtime error: unknown reason\nstack traceback:\ncoroutine 0:\n\t[C]: in "
               "function 'error'"));
  r = b.request();
  CHECK_EQ(lua_hook->run(r, LuaPhase::log, script), 500);
  request_free(r);
  CHECK(b.logged("failed to run log_by_lua*: unknown reason\nstack traceback:"));
}

struct ModuleFolder {
  std::string path;
  ModuleFolder() {
    char name[] = "/tmp/moonwire-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~ModuleFolder() { CHECK_EQ(system(("rm -rf " + path).c_str()), 0); }
  void write(const char *name, const char *text) {
    FILE *f = fopen((path + "/" + name).c_str(), "w");
    fputs(text, f);
    fclose(f);
  }
};

TEST(script_modules_may_wait_while_they_load) {
  ModuleFolder folder;
  folder.write("slow.lua", "ngx.sleep(0.005) loads = (loads or 0) + 1 return { name = ... }");
  folder.write("loop_a.lua", "ngx.sleep(0.003) return { b = require 'loop_b' }");
  folder.write("loop_b.lua", "ngx.sleep(0.003) return { a = require 'loop_a' }");
  folder.write("fails.lua", "ngx.sleep(0.001) error 'no luck'");
  folder.write("broken.lua", "return +");
  folder.write("nothing.lua", "local x = 1");
  Bench b;
  b.plan->lua_package_path = folder.path + "/?.lua;;";
  b.boot();
  CHECK_EQ(b.run(R"(local a, b = ngx.thread.spawn(require, "slow"), ngx.thread.spawn(require, "slow")
    local m = require "slow"
    return m.name, loads, select(2, ngx.thread.wait(a)) == m, select(2, ngx.thread.wait(b)) == m)"),
           "slow 1 true true");
  CHECK_EQ(b.run(R"(package.loaded.slow = nil
    ngx.thread.kill(ngx.thread.spawn(require, "slow"))
    return require("slow").name, loads)"),
           "slow 2");
  CHECK(b.run("require 'loop_a'").find("loop or previous error loading module 'loop_a'") != std::string::npos);
  CHECK_EQ(b.run(R"(local a, b = ngx.thread.spawn(require, "loop_a"), ngx.thread.spawn(require, "loop_b")
    return ngx.thread.wait(a) and 1, ngx.thread.wait(b) and 1)"),
           "false false");
  CHECK(b.run("return pcall(require, 'fails')").find("fails.lua:1: no luck") != std::string::npos);
  CHECK(b.run("return pcall(require, 'fails')").find("fails.lua:1: no luck") != std::string::npos);
  CHECK(b.run("return pcall(require, 'broken')").find("error loading module 'broken' from file '" + folder.path) !=
        std::string::npos);
  CHECK_EQ(b.run("return require 'nothing', package.loaded.nothing"), "true true");
  std::string missing = b.run("require 'no.such'");
  CHECK_EQ(missing.find("ERROR run:1: module 'no.such' not found:\n\tno field package.preload['no.such']"), 0u);
  CHECK(missing.find("\n\tno file '" + folder.path + "/no/such.lua'") != std::string::npos);
}

TEST(script_package_paths) {
  Bench b;
  b.plan->prefix = "/srv/app/";
  b.plan->lua_package_path = "$prefix/lua/?.lua;;/last/?.lua";
  b.boot();
  std::string path = b.run("return package.path");
  CHECK_EQ(
      path.find(
          "/srv/app/lua/?.lua;/srv/app/lua_modules/share/lua/5.1/?.lua;/srv/app/lua_modules/share/lua/5.1/?/init.lua;"),
      0u);
  CHECK_EQ(path.substr(path.size() - 12), ";/last/?.lua");
  CHECK_EQ(b.run("return package.cpath").find("/srv/app/lua_modules/lib/lua/5.1/?.so;"), 0u);
  CHECK_EQ(b.run("return type(require('ngx.semaphore').new), type(require('resty.core.base'))"), "function table");
}
