// SPDX-License-Identifier: MIT
// resty.lock and resty.limit.*, which keep their state in shared dictionaries.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const show = `local function show(...)
  local out = {}
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    out[i] = type(v) == "number" and ("%.4g"):format(v) or tostring(v)
  end
  ngx.say(table.concat(out, " "))
end `;

async function run(t, code) {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 1m;",
    server: `location /t { content_by_lua_block { local dict = ngx.shared.d ${show} ${code} } }`,
  });
  return (await s.get("/t")).body.trimEnd().split("\n");
}

test("lock: held, waited for, timed out, let go, expired, extended", async (t) => {
  const lines = await run(
    t,
    `local lock = require "resty.lock"
    show(lock:new("nosuch"))
    local a, b = lock:new("d"), lock:new("d", { timeout = 0.05 })
    show(a:lock("k")) show(a:lock("k")) show(a:lock()) show(b:lock("k")) show(b:unlock())
    show(lock:new("d", { timeout = 0 }):lock("k"))
    b = lock:new("d", { timeout = 10 })
    ngx.timer.at(0.02, function() a:unlock() end)
    local elapsed = b:lock("k") show(elapsed > 0) show(b:unlock()) show(b:unlock())
    local c = lock:new("d", { exptime = 0.02 }) show(c:lock("k")) ngx.sleep(0.03)
    show(b:lock("k")) show(c:unlock()) show(dict:get("k") ~= nil) show(b:unlock())
    show(c:lock("k"), c:expire(10)) ngx.sleep(0.03) show(c:unlock()) show(c:expire(1))
    show(c:lock("k"), c:expire(0.01)) ngx.sleep(0.02) show(c:expire(1)) show(c:unlock())
    do local d = lock:new("d") d:lock("collected") end
    collectgarbage() collectgarbage() show(dict:get("collected"))`,
  );
  t.deepEqual(lines, [
    "nil dictionary not found",
    "0",
    "nil locked",
    "nil nil key",
    "nil timeout",
    "nil unlocked",
    "nil timeout",
    "true",
    "1",
    "nil unlocked",
    "0",
    "0",
    "nil unlocked",
    "true",
    "1",
    "0 true",
    "1",
    "nil unlocked",
    "0 true",
    "nil unlocked",
    "nil unlocked",
    "nil",
  ]);
});

test("lock: one at a time among many requests and workers; one still held when the server stops", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 2; error_log logs/error.log notice; events {} http { lua_shared_dict d 1m; server { listen 127.0.0.1:0;
      location /t { content_by_lua_block {
        local l = require("resty.lock"):new("d", { step = 0.001, max_step = 0.005 })
        assert(l:lock("k"))
        local n = ngx.shared.d:get("n") or 0 ngx.sleep(0.002) ngx.shared.d:set("n", n + 1)
        assert(l:unlock()) ngx.say(ngx.shared.d:get("n")) } }
      location /n { content_by_lua_block { ngx.say(ngx.shared.d:get("n")) } }
      location /hold { content_by_lua_block {
        local l = require("resty.lock"):new("d") package.loaded.held = l ngx.say(l:lock("held")) } } } }`,
  });
  await Promise.all(Array.from({ length: 40 }, () => s.get("/t")));
  t.is((await s.get("/n")).body, "40\n");
  t.is((await s.get("/hold")).body, "0\n");
});

test("limit.req: a leaky bucket as nginx's", async (t) => {
  const lines = await run(
    t,
    `local limit = require "resty.limit.req"
    show(limit.new("nosuch", 1, 1)) show(pcall(limit.new, "d", 0, 1))
    local l = limit.new("d", 2, 2)
    show(l:incoming("k", true)) show(l:incoming("k", true)) show(l:incoming("k", false)) show(l:incoming("k", true))
    show(l:incoming("k", true)) show(l:uncommit("k")) show(l:incoming("k", true)) show(l:uncommit("none"))
    show(l:incoming("other", true)) l:set_burst(3) show(l:incoming("k", true)) l:set_rate(1000) ngx.sleep(0.01)
    show(limit.new("d", 100, 0):incoming("f", true)) show(limit.new("d", 100, 0):incoming("f", true))
    ngx.sleep(0.02) show(limit.new("d", 100, 0):incoming("f", true))`,
  );
  t.regex(lines.splice(1, 1)[0], /^false .*assertion failed/);
  t.deepEqual(lines, [
    "nil shared dict not found",
    "0 0",
    "0.5 1",
    "1 2",
    "1 2",
    "nil rejected",
    "true",
    "1 2",
    "nil not found",
    "0 0",
    "1.5 3",
    "0 0",
    "nil rejected",
    "0 0",
  ]);
});

test("limit.conn, limit.count, limit.traffic", async (t) => {
  const lines = await run(
    t,
    `local l = require("resty.limit.conn").new("d", 2, 1, 0.5)
    show(l:incoming("c", true)) show(l:is_committed()) show(l:incoming("c", true)) show(l:incoming("c", false)) show(l:is_committed())
    show(l:incoming("c", true)) show(l:incoming("c", true)) show(l:is_committed()) show(l:leaving("c", 1.5)) show(l:incoming("c", true))
    show(l:uncommit("c")) l:set_conn(1) l:set_burst(0) show(l:incoming("c", true)) show(dict:get("c"))
    local n = require("resty.limit.count").new("d", 2, 0.05)
    show(n:incoming("n", true)) show(n:incoming("n", false)) show(n:incoming("n", true)) show(n:incoming("n", true))
    ngx.sleep(0.06) show(n:incoming("n", true)) show(n:uncommit("n")) show(n:uncommit("none"))
    local req = require("resty.limit.req").new("d", 10, 5)
    local one = require("resty.limit.count").new("d", 1, 10)
    local states, combine = {}, require("resty.limit.traffic").combine
    show(combine({ req, one }, { "tr", "tn" }, states)) show(unpack(states))
    show(combine({ req, one }, { "tr", "tn" }, states)) show(req:incoming("tr", false))
    local two = require("resty.limit.conn").new("d", 1, 3, 0.7)
    show(combine({ two, req }, { "t2", "tr" })) show(combine({ two, req }, { "t2", "tr" }))`,
  );
  t.deepEqual(lines, [
    "0 1",
    "true",
    "0 2",
    "0.5 3",
    "false",
    "0.5 3",
    "nil rejected",
    "false",
    "2",
    "1 3",
    "2",
    "nil rejected",
    "2",
    "0 1",
    "0 0",
    "0 0",
    "nil rejected",
    "0 1",
    "2",
    "2",
    "0",
    "0 0",
    "nil rejected",
    lines[23],
    lines[24],
    "0.7",
  ]);
  t.true(Number(lines[23].split(" ")[1]) <= 1);
  t.true(Number(lines[24]) <= 0.1);
});
