// SPDX-License-Identifier: MIT
// What waits and what runs later: sleep, timers, semaphores, light threads seen from a request, shared dictionaries.
import { createServer } from "node:net";
import test from "ava";
import { againstNginx, apiCase, startServer } from "../helpers/api.js";
import { startMoonwire } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

apiCase("ngx.sleep: waits, 0 gives way, strings, bad values", {
  content: `
    local t = ngx.now()
    ngx.sleep(0.1)
    ngx.update_time()
    local d = ngx.now() - t
    ngx.sleep("0.001") ngx.sleep(0)
    ngx.say(d >= 0.098 and d < 1, " ", pcall(ngx.sleep, -1))
    ngx.say(pcall(ngx.sleep, "abc"))`,
  body: /^true false.*invalid sleep duration "-1000"\nfalse.*bad argument #1 to '.*' \(number expected, got (string|nil)\)\n$/,
});

apiCase("timer.at: arguments, premature, context", {
  content: `
    local got
    local ok, err = ngx.timer.at(0.01, function(premature, a, b) got = tostring(premature) .. a .. b.x .. ngx.get_phase() end, "A", { x = 1 })
    ngx.sleep(0.05)
    ngx.say(ok, " ", err, " ", got)`,
  body: "1 nil falseA1timer\n",
});

apiCase("timer: bad arguments", {
  content: `
    ngx.say(pcall(ngx.timer.at, "x", print))
    ngx.say(pcall(ngx.timer.at, 0, 5))
    ngx.say(pcall(ngx.timer.every, 0, function() end))`,
  body: /^false.*number expected, got string\)\nfalse.*\(Lua function expected\)\nfalse.*delay cannot be zero\n$/,
});

apiCase("timer.every and the counts", {
  content: `
    local n = 0
    ngx.timer.every(0.01, function() n = n + 1 end)
    ngx.timer.at(0, function() ngx.sleep(0.2) end)
    ngx.sleep(0.1)
    ngx.say(n >= 3, " ", ngx.timer.pending_count(), " ", ngx.timer.running_count())`,
  body: "true 1 1\n",
});

apiCase("lua_max_pending_timers", {
  http: "lua_max_pending_timers 1;",
  content: `local f = function() end ngx.timer.at(1, f) ngx.say(ngx.timer.at(1, f))`,
  body: "niltoo many pending timers\n",
});

apiCase("an error in a timer is logged", {
  content: `ngx.timer.at(0, function() error("timer trouble") end) ngx.sleep(0.05) ngx.say("ok")`,
  body: "ok\n",
  log: /lua entry thread aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):1: timer trouble/,
});

apiCase("a timer has no request", {
  content: `
    local said = {}
    ngx.timer.at(0, function()
      for i, call in ipairs { function() ngx.say("x") end, function() return ngx.header.a end, function() return ngx.req.get_headers() end,
          function() ngx.status = 1 end, function() ngx.req.read_body() end } do
        said[i] = select(2, pcall(call)):gsub("^.-: ", "")
      end
    end)
    ngx.sleep(0.05)
    ngx.say(table.concat(said, "\\n"))`,
  body: /^(API disabled in the (context of ngx\.timer|current context)\n){5}$/,
});

apiCase("semaphore: post, wait, timeout, count", {
  content: `
    local semaphore = require "ngx.semaphore"
    local s = semaphore.new()
    ngx.print(s:count(), " ", tostring(s:wait(0)), " ")
    local ok, err = s:wait(0.01)
    ngx.print(ok, " ", err, " ")
    local t = ngx.thread.spawn(function() return s:wait(1) end)
    ngx.print(s:count(), " ")
    s:post(2)
    local _, got = ngx.thread.wait(t)
    ngx.print(got, " ", s:count(), " ", s:wait(0.1), " ", s:count())`,
  body: "0 nil false timeout -1 true 1 true 0",
});

apiCase("threads: spawn, wait for the first, kill, errors", {
  content: `
    local function work(d, v) ngx.sleep(d) return v, "two" end
    local a, b = ngx.thread.spawn(work, 0.2, "slow"), ngx.thread.spawn(work, 0.01, "quick")
    ngx.say(ngx.thread.wait(a, b))
    ngx.say(ngx.thread.kill(a), " ", select(2, ngx.thread.kill(a)))
    local c = ngx.thread.spawn(function() error({ code = 5 }) end)
    local ok, err = ngx.thread.wait(c)
    ngx.say(ok, " ", err.code)
    ngx.say(select(2, ngx.thread.wait(c)))`,
  body: "truequicktwo\n1 already waited or killed\nfalse 5\nalready waited or killed\n",
});

apiCase("the request lasts until its threads have ended; ngx.exit ends them", {
  server: `location /t { content_by_lua_block {
      ngx.thread.spawn(function() ngx.sleep(0.05) ngx.say("thread") end)
      ngx.say("entry") } }`,
  body: "entry\nthread\n",
});

apiCase("ngx.exit in a thread ends the request", {
  content: `ngx.thread.spawn(function() ngx.sleep(0.01) ngx.say("bye") ngx.exit(200) end) ngx.sleep(10) ngx.say("never")`,
  body: "bye\n",
});

apiCase("coroutines: wrap, yield across sleeps, status, running", {
  content: `
    local gen = coroutine.wrap(function(a) ngx.sleep(0.001) local b = coroutine.yield(a + 1) ngx.sleep(0.001) return b * 2 end)
    ngx.say(gen(1), " ", gen(5))
    local co = coroutine.create(function() coroutine.yield() end)
    ngx.print(coroutine.status(co), " ")
    coroutine.resume(co) ngx.print(coroutine.status(co), " ")
    coroutine.resume(co) ngx.print(coroutine.status(co), " ")
    ngx.say(coroutine.resume(co))`,
  body: "2 10\nsuspended suspended dead falsecannot resume dead coroutine\n",
});

// --- shared dictionaries, from the server

apiCase("ngx.shared: get set add incr expire keys", {
  http: "lua_shared_dict dict 100k;",
  content: `
    local d = ngx.shared.dict
    ngx.say(d:set("a", 1), " ", d:get("a"), " ", d:incr("a", 2), " ", d:add("a", 1), " ", d:incr("n", 1, 10))
    ngx.say(select(2, d:add("a", 1)))
    d:set("s", "text", 0, 7) ngx.say(d:get("s"))
    d:set("e", true, 0.01) ngx.sleep(0.02) ngx.say(d:get("e"), " ", d:get_stale("e"), " ", d:delete("s"), " ", d:get("s"))
    local keys = d:get_keys() table.sort(keys)
    ngx.say(table.concat(keys, ","), " ", ngx.shared.none, " ", d:lpush("l", "x"), " ", d:rpop("l"))`,
  body: /^true 1 3 false 11nilfalse\nexistsfalse\ntext7\nnil true.*\n(a,n|a,e,n) nil 1 x\n$/,
});

test("a shared dictionary is one for all workers and outlives a reload", async (t) => {
  const s = await startServer(t, {
    http: "lua_shared_dict dict 100k;",
    server: `location /t { content_by_lua_block { ngx.say((ngx.shared.dict:incr("n", 1, 0))) } }`,
  });
  for (let i = 1; i <= 5; i++) t.is((await s.get("/t")).body, `${i}\n`);
  await s.server.reload();
  t.is((await s.get("/t")).body, "6\n");
});

// Leaves out nginx, whose whole configuration would have to load its module.
(againstNginx ? test.skip : test)("several workers count into one dictionary, and know their number", async (t) => {
  const s = await startServer(t, {
    conf: `worker_processes 3; error_log logs/error.log info; events { } http { access_log off; lua_shared_dict dict 100k;
      server { listen 127.0.0.1:0; location /t { content_by_lua_block {
        ngx.shared.dict:incr("n", 1, 0) ngx.say(ngx.worker.id(), " ", ngx.worker.count()) }  }
        location /n { content_by_lua_block { ngx.say((ngx.shared.dict:get("n"))) } } } }`,
  });
  const seen = new Set();
  for (let i = 0; i < 60; i++) {
    const [id, count] = (await s.get("/t")).body.trim().split(" ");
    t.is(count, "3");
    seen.add(id);
  }
  t.true(seen.size > 1, "one worker took all connections");
  t.is((await s.get("/n")).body, "60\n");
});

apiCase("ngx.thread.wait of a thread that failed: what error() was given, then the message with its place", {
  content: `
    local function try(f)
      ngx.say(ngx.thread.wait(ngx.thread.spawn(f)))
    end
    try(function() error("bad") end)
    try(function() ngx.sleep(0.001) local function g() error("deep") end g() ngx.say("no") end)
    try(function() error("plain", 0) end)
    try(function() local x; return x.y end)
    try(function() error(setmetatable({}, { __tostring = function() return "table" end })) end)
    try(function() error("") end)`,
  body: /^falsebad\S+:\d+: bad\nfalsedeep\S+:\d+: deep\nfalseplain\nfalse\S+ attempt to index local 'x' \(a nil value\)\nfalsetable\nfalse\S*:\d+: \n$/,
});

apiCase("ngx.thread.wait returns at once when the last of several has been waited for; others are passed over", {
  content: `
    local a = ngx.thread.spawn(function() ngx.sleep(0.3) return "a" end)
    local b = ngx.thread.spawn(function() return "b" end)
    ngx.say(ngx.thread.wait(b))
    local from = ngx.now()
    ngx.say(tostring(ngx.thread.wait(a, b)), select(2, ngx.thread.wait(a, b)))
    ngx.update_time()
    ngx.say(ngx.now() - from < 0.2)
    ngx.say(ngx.thread.wait(b, a))`,
  body: "trueb\nnilalready waited or killed\ntrue\ntruea\n",
});

apiCase("ngx.sleep: numbers that are none, or hardly negative", {
  content: `
    for _, n in ipairs { 0/0, 1/0, -1/0, 1e300, -0.0001, -1.0005 } do
      local ok, err = pcall(ngx.sleep, n)
      ngx.say(ok and "slept" or err:match 'invalid sleep duration "(.*)"')
    end`,
  body: "0\n0\n0\n0\nslept\n-1000\n",
});

apiCase("ngx.timer.at with a time that has passed, and no number", {
  content: `
    local n = 0
    local function count() n = n + 1 end
    ngx.say(ngx.timer.at(-1, count), ngx.timer.at(0/0, count), " ", pcall(ngx.timer.every, -1, count))
    ngx.sleep(0.02)
    ngx.say(n)`,
  body: /^11 false.*delay cannot be zero\n2\n$/,
});

apiCase("a semaphore waited for in no time, and posted nothing", {
  content: `
    local sem = require("ngx.semaphore").new()
    ngx.say((sem:wait(0/0)), " ", select(2, pcall(sem.post, sem, 0)))`,
  body: /^nil .*positive number required\n$/,
});

// A wait that begins where Lua cannot yield fails; code that catches the error goes on.
const leftOver = (wait) => `pcall(table.sort, { 3, 2, 1 }, function(a, b) ${wait} return a < b end)`;

apiCase("a left-over wait: its semaphore may be collected", {
  content: `
    do local sem = require("ngx.semaphore").new() ${leftOver("sem:wait(5)")} end
    collectgarbage() collectgarbage()
    coroutine.yield()
    ngx.sleep(0.001)
    ngx.say("after")`,
  body: "after\n",
});

apiCase("a left-over wait: a bare yield does not take it for its own", {
  content: `
    local began = ngx.now()
    ${leftOver("ngx.sleep(2)")}
    coroutine.yield()
    ${leftOver("ngx.sleep(0)")}
    coroutine.yield()
    ngx.update_time()
    ngx.say(ngx.now() - began < 1)`,
  body: "true\n",
});

test("a left-over read writes nothing into memory that is another's by now", async (t) => {
  const port = await listening(
    t,
    createServer((socket) => {
      socket.on("error", () => {});
      setTimeout(() => socket.write("abcEND"), 30);
    }),
  );
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block {
      local ffi = require "ffi"
      local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", ${port}))
      do local read = s:receiveuntil("END") ${leftOver("read()")} end
      collectgarbage() collectgarbage()
      local ints = {} for i = 1, 3000 do ints[i] = ffi.new("int32_t[1]") end
      coroutine.yield()
      ngx.sleep(0.1)
      local n = 0 for i = 1, 3000 do if ints[i][0] ~= 0 then n = n + 1 end end
      ngx.say(n) } }`,
  });
  t.is((await s.get("/")).body, "0\n");
});

test("a light thread that runs is not killed, whoever's coroutine asks", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block {
      local co, thread
      co = coroutine.create(function()
        thread = ngx.thread.spawn(function() ngx.sleep(0.01) ngx.say(coroutine.resume(co)) end)
        coroutine.yield()
        ngx.say(ngx.thread.kill(thread))
      end)
      coroutine.resume(co)
      ngx.sleep(0.05)
      ngx.say("end") } }`,
  });
  t.is((await s.get("/")).body, "nilkiller not parent\ntrue\nend\n");
});

apiCase("by ngx.now() a sleep is never shorter than asked for", {
  content: `
    local short = 0
    for i = 1, 60 do
      local began = ngx.now()
      ngx.sleep(0.003)
      if ngx.now() - began < 0.00299 then short = short + 1 end
    end
    ngx.say(short)`,
  body: "0\n",
});
