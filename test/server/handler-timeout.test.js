// SPDX-License-Identifier: MIT
// lua_handler_timeout: Lua that neither waits nor ends is interrupted; its request gets a 500, everybody else goes on.
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

const limit = "lua_handler_timeout 200ms;";
const reason = /handler has run for 200 ms without waiting \(lua_handler_timeout\)/;
const after = `location /after { content_by_lua_block { ngx.say("ok") } }`;
const content = (code) => `location / { content_by_lua_block { ${code} } } ${after}`;

/** Each of these would hold its worker for ever. */
const loops = {
  "an empty loop": `while true do end`,
  "a compiled loop with arithmetic": `local n = 0 while true do n = n + 1 end`,
  "a compiled loop that allocates": `local t while true do t = {t and 1} end`,
  "a loop of calls": `local function f(x) return x + 1 end local n = 0 while true do n = f(n) end`,
  "a loop that the compiler refuses": `require("jit").off(true, true) while true do end`,
  "a loop of pcalls": `local function f() while true do end end while true do pcall(f) end`,
  "a loop of xpcalls whose handlers loop": `local function f() while true do end end while true do xpcall(f, f) end`,
  "a loop in pcall, and then a wait": `while true do pcall(function() while true do end end) ngx.sleep(0) end`,
  "a user coroutine": `coroutine.wrap(function() while true do end end)()`,
  "coroutine.resume, which catches": `while true do coroutine.resume(coroutine.create(function() while true do end end)) end`,
  "a light thread": `ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0) while true do end end)) ngx.say("no")`,
  "a metamethod": `local t = setmetatable({}, {__index = function() while true do end end}) ngx.say(t.x)`,
  "a comparison in table.sort": `table.sort({3, 2, 1}, function() while true do end end)`,
  "a callback of string.gsub": `(("x"):rep(10)):gsub("x", function() while true do end end)`,
  "a loop of C functions": `while true do string.rep("x", 100000) end`,
  "a loop of regexes": `while true do ngx.re.match("hello", "(h)(e)", "jo") end`,
  "a loop of FFI calls": `while true do ngx.encode_base64("hello") ngx.now() end`,
  "a loop that takes debug hooks away": `while true do debug.sethook() end`,
  "an error object's __tostring": `error(setmetatable({}, {__tostring = function() while true do end end}))`,
};

for (const [name, code] of Object.entries(loops)) {
  test(`${name} is interrupted`, async (t) => {
    const s = await startMoonwire(t, { http: limit, server: content(code) });
    t.is((await s.get("/")).status, 500);
    t.is((await s.get("/after")).body, "ok\n");
    t.regex(s.log(), reason);
  });
}

test("a captured subrequest's time is its own, and its handler's begins anew", async (t) => {
  const spin = (ms) =>
    `ngx.update_time() local till = ngx.now() + ${ms / 1000} repeat ngx.update_time() until ngx.now() >= till`;
  const s = await startMoonwire(t, {
    http: limit,
    server: `${after}
      location /some { content_by_lua_block { ${spin(60)} ngx.print("some") } }
      location /endless { content_by_lua_block { while true do end } }
      location /blocking { echo_blocking_sleep 0.5; echo -n blocking; }
      location /block { content_by_lua_block { ngx.say(ngx.location.capture("/blocking").body) } }
      location /sum { content_by_lua_block { local n = 0
        for _ = 1, 8 do ${spin(60)} n = n + #ngx.location.capture("/some").body end ngx.say(n) } }
      location /capture { content_by_lua_block { ngx.say(ngx.location.capture("/endless").status) ngx.say("went on") } }
      location /catch { content_by_lua_block {
        while true do pcall(function() while true do end end) ngx.location.capture("/after") end } }`,
  });
  t.is((await s.get("/sum")).body, "32\n");
  t.is((await s.get("/block")).body, "blocking\n");
  t.is((await s.get("/capture")).body, "500\nwent on\n");
  t.is((await s.get("/catch")).status, 500);
  t.is((await s.get("/after")).body, "ok\n");
});

test("the log says where Lua was, though pcall() caught the error there", async (t) => {
  const s = await startMoonwire(t, {
    http: limit,
    server: `location / { content_by_lua_file loop.lua; }`,
    files: { "loop.lua": `local function spin()\n  while true do end\nend\nwhile true do pcall(spin) end\n` },
  });
  t.is((await s.get("/")).status, 500);
  t.regex(s.log(), /\[error\] .*lua entry thread aborted: runtime error: .*loop\.lua:2: handler has run for 200 ms/);
  t.regex(s.log(), /stack traceback:\ncoroutine 0:\n.*loop\.lua:2: in function <.*loop\.lua:1>/);
});

test("other phases, timers and init_worker", async (t) => {
  const loop = "{ while true do end }";
  const s = await startMoonwire(t, {
    http: `${limit} init_worker_by_lua_block ${loop}`,
    server: `${after}
      location /rewrite { rewrite_by_lua_block ${loop} }
      location /access { access_by_lua_block ${loop} }
      location /set { set_by_lua_block $x ${loop} return 200; }
      location /log { content_by_lua_block { ngx.say("ok") } log_by_lua_block ${loop} }
      location /header { content_by_lua_block { ngx.say("ok") } header_filter_by_lua_block ${loop} }
      location /body { content_by_lua_block { ngx.say("ok") } body_filter_by_lua_block ${loop} }
      location /timer { content_by_lua_block { ngx.timer.at(0, function() while true do end end) ngx.say("ok") } }`,
  });
  t.regex(s.log(), /init_worker_by_lua error: .*handler has run for 200 ms/);
  for (const path of ["/rewrite", "/access", "/set"]) t.is((await s.get(path)).status, 500, path);
  t.is((await s.get("/log")).body, "ok\n");
  await t.throwsAsync(s.get("/header"));
  await t.throwsAsync(s.get("/body"));
  t.is((await s.get("/timer")).body, "ok\n");
  t.is((await s.get("/after")).body, "ok\n");
  await waitFor(() => /handler has run .*context: ngx\.timer/.test(s.log().replaceAll("\n", " ")), "the timer's line");
  for (const phase of ["log_by_lua", "header_filter_by_lua", "body_filter_by_lua"])
    t.regex(s.log(), new RegExp(`failed to run ${phase}\\*: .*handler has run for 200 ms`), phase);
});

test("what waits or ends in time is left alone; a location's own limit holds; 0 is none", async (t) => {
  const busy = (ms) =>
    `local stop = ngx.now() + ${ms / 1000} repeat ngx.update_time() until ngx.now() > stop ngx.say("done")`;
  const s = await startMoonwire(t, {
    http: limit,
    server: `
      location /waits { content_by_lua_block { for _ = 1, 10 do ngx.sleep(0.05) end ngx.say("done") } }
      location /turns { content_by_lua_block { for _ = 1, 10 do
        local stop = ngx.now() + 0.05 repeat ngx.update_time() until ngx.now() > stop ngx.sleep(0) end ngx.say("done") } }
      location /longer { lua_handler_timeout 1h; content_by_lua_block { ${busy(500)} } }
      location /unlimited { lua_handler_timeout 0; content_by_lua_block { ${busy(500)} } }
      location /shorter { content_by_lua_block { ${busy(500)} } }`,
  });
  for (const path of ["/waits", "/turns", "/longer", "/unlimited"]) t.is((await s.get(path)).body, "done\n", path);
  t.is((await s.get("/shorter")).status, 500);
});

test("a hook of the user's own is back after an interruption", async (t) => {
  const s = await startMoonwire(t, {
    http: limit,
    server: `location /set { content_by_lua_block { calls = 0 debug.sethook(function() calls = calls + 1 end, "c") } }
      location /loop { content_by_lua_block { while true do end } }
      location /get { content_by_lua_block { local hook, mask = debug.gethook() ngx.say(type(hook), mask) } }`,
  });
  await s.get("/set");
  t.is((await s.get("/loop")).status, 500);
  t.is((await s.get("/get")).body, "functionc\n");
});
