// SPDX-License-Identifier: MIT
// lua_vm_memory_limit: a handler that allocates past it gets Lua's "not enough memory" and a 500, wherever it is met; a VM that
// stays tight gives way to another one.
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

const http = "lua_vm_memory_limit 16m; lua_shared_dict d 8m;";
const after = `location /after { content_by_lua_block { ngx.say("ok") } }
  location /used { content_by_lua_block { ngx.say(collectgarbage("count")) } }`;

/** Each of these allocates without end, or fills the VM and then meets the limit in an odd place. */
const fill = `local keep, n = {}, 0 pcall(function() while true do n = n + 1 keep[n] = ("x"):rep(1000) .. n end end)`;
const greedy = {
  strings: `local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end`,
  "strings, interpreted": `require("jit").off(true, true) local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end`,
  "a string that doubles": `local s = "x" while true do s = s .. s end`,
  "a table that grows": `local t, i = {}, 0 while true do i = i + 1 t[i] = i end`,
  tables: `local t while true do t = {t} end`,
  closures: `local f while true do local g = f f = function() return g end end`,
  coroutines: `local t = {} while true do t[#t + 1] = coroutine.create(print) end`,
  cdata: `local t, ffi = {}, require("ffi") while true do t[#t + 1] = ffi.new("char[4096]") end`,
  "string.buffer": `local b = require("string.buffer").new() while true do b:put("0123456789abcdef") end`,
  "string.rep": `local s = ("x"):rep(1e9) ngx.say(#s)`,
  "table.concat": `local t = {} for i = 1, 1000 do t[i] = ("x"):rep(30000) .. i end ngx.say(#table.concat(t))`,
  "Lua text": `local s = "return {" .. ("{},"):rep(1000000) .. "}" ngx.say(#assert(loadstring(s))())`,
  JSON: `local t = require("cjson").decode("[" .. ("[],"):rep(500000) .. "1]") ngx.say(#t)`,
  "a shared dictionary's value": `ngx.shared.d:set("k", ("x"):rep(4000000)) local t = {}
    while true do t[#t + 1] = ngx.shared.d:get("k") .. #t end`,
  "response headers, the VM full": `${fill} local i = 0 while true do i = i + 1 ngx.header["x-" .. i] = ("v"):rep(100) .. i
    keep[#keep + 1] = ngx.resp.get_headers(0) end`,
  "request headers, the VM full": `${fill} while true do keep[#keep + 1] = ngx.req.get_headers() end`,
  "error messages, the VM full": `${fill} while true do keep[#keep + 1] = select(2, pcall(error, "e" .. #keep)) end`,
  "timers, the VM full": `${fill} while true do assert(ngx.timer.at(100, function() end)) end`,
  "captures, the VM full": `${fill} while true do keep[#keep + 1] = ngx.location.capture("/after") end`,
  "a regex, the VM full": `${fill} while true do keep[#keep + 1] = ngx.re.match("hello" .. #keep, "(l+)(o)", "jo") end`,
};

for (const [name, code] of Object.entries(greedy)) {
  test(name, async (t) => {
    const s = await startMoonwire(t, { http, server: `location / { content_by_lua_block { ${code} } } ${after}` });
    for (let i = 0; i < 3; ++i) {
      t.is((await s.get("/")).status, 500);
      t.is((await s.get("/after")).body, "ok\n");
    }
    t.regex(s.log(), /\[error\] .*lua entry thread aborted: (runtime error: .*)?(not enough memory|too many)/);
    t.true(Number((await s.get("/used")).body) < 14 * 1024, "the garbage is gone");
  });
}

test("what a captured subrequest has left behind is garbage to its handler", async (t) => {
  const s = await startMoonwire(t, {
    http,
    server: `${after}
      location /sub { content_by_lua_block { local t = {} for i = 1, 148 do t[i] = ("x"):rep(100000) .. i end ngx.print(#t) } }
      location / { content_by_lua_block {
        for _ = 1, 4 do local n = ngx.location.capture("/sub").body assert(n == "148" and #("x"):rep(5000000) > 0) end
        ngx.say("ok") } }`,
  });
  t.is((await s.get("/")).body, "ok\n");
});

test("garbage alone does not meet the limit", async (t) => {
  const s = await startMoonwire(t, {
    http,
    server: `location / { content_by_lua_block {
      local live = {} for i = 1, 9000 do live[i] = ("x"):rep(1000) .. i end
      for i = 1, 200000 do local _ = ("y"):rep(1000) .. i end ngx.say(#live) } } ${after}`,
  });
  for (let i = 0; i < 3; ++i) t.is((await s.get("/")).body, "9000\n");
});

test("a VM that stays tight gives way: what it holds ends in it, new requests have a new one", async (t) => {
  const s = await startMoonwire(t, {
    http: `${http} init_by_lua_block { started = ngx.now() } init_worker_by_lua_block {
      ngx.shared.d:incr("starts", 1, 0) ngx.timer.every(0.05, function(premature)
        ngx.shared.d:incr(premature and "premature" or "ticks", 1, 0) end) }`,
    server: `location /leak { content_by_lua_block { leaked = {} for i = 1, 14600 do leaked[i] = ("x"):rep(1000) .. i end
        ngx.say(#leaked) } }
      location /wait { content_by_lua_block { mine = "old" waiting = true
        repeat ngx.sleep(0.01) until ngx.shared.d:get("go") ngx.say(mine, " ", leaked and #leaked) }
        log_by_lua_block { ngx.shared.d:set("log", mine) } }
      location /see { content_by_lua_block { ngx.say(ngx.shared.d:get("starts"), " ", tostring(waiting), " ", tostring(leaked)) } }
      location /get { content_by_lua_block { ngx.say(ngx.shared.d:get(ngx.var.arg_k)) } }
      location /go { content_by_lua_block { ngx.shared.d:set("go", true) } }`,
  });
  const waiting = s.get("/wait");
  await waitFor(async () => (await s.get("/see")).body === "1 true nil\n", "the request to wait");
  await new Promise((done) => setTimeout(done, 1100));
  t.is((await s.get("/leak")).body, "14600\n");
  await waitFor(async () => (await s.get("/see")).body === "2 nil nil\n", "another VM");
  await s.get("/go");
  t.is((await waiting).body, "old 14600\n");
  await waitFor(async () => (await s.get("/get?k=log")).body === "old\n", "the log handler, in the old VM");
  await waitFor(async () => (await s.get("/get?k=premature")).body === "1\n", "the old VM's timer");
  t.regex(
    s.log(),
    /\[warn\] .*lua VM takes \d+ bytes after a full collection, lua_vm_memory_limit is 16777216: another/,
  );
});
