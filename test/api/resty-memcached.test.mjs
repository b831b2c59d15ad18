// SPDX-License-Identifier: MIT
// resty.memcached against a real memcached: storage, retrieval, counters, the server's own commands, pools, failures.
import { createServer } from "node:net";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";
import { startMemcached } from "../helpers/backend.js";
import { listening } from "../helpers/upstream.js";

/** The lines that `code` says, with `memc` connected to `port`. */
async function run(t, port, code) {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block {
      local memcached = require "resty.memcached"
      local function open(opts) local m = assert(memcached:new(opts)) m:set_timeout(1000) assert(m:connect("127.0.0.1", ${port})) return m end
      local function show(...)
        local out = {}
        for i = 1, select("#", ...) do out[i] = tostring((select(i, ...))) end
        ngx.say(table.concat(out, " "))
      end
      local memc = open()
      ${code} } }`,
  });
  return (await s.get("/t")).body.trimEnd().split("\n");
}

test("storage and retrieval", async (t) => {
  const port = await startMemcached(t);
  if (!port) return t.pass();
  const lines = await run(
    t,
    port,
    `show(memc:get("dog")) show(memc:set("dog", 32)) show(memc:get("dog"))
    show(memc:set("dog", { "a ", "kind", " of animal" }, 0, 501)) show(memc:get("dog"))
    show(memc:add("dog", 1)) show(memc:add("cat", "")) show(memc:get("cat"))
    show(memc:replace("cat", "x"), memc:replace("none", "x"))
    show(memc:append("cat", "b"), memc:prepend("cat", "a"), (memc:get("cat")))
    show(memc:delete("cat")) show(memc:delete("cat"))
    show(memc:set("a key\\r\\n", "odd\\r\\nEND\\r\\n")) show((memc:get("a key\\r\\n")) == "odd\\r\\nEND\\r\\n")
    show(memc:set(("k"):rep(251), "flush_all")) show((memc:get("dog")))
    show(memc:set("exp", "version", "x")) show(memc:get("dog")) memc = open()
    show(memc:set("short", "x", 1), memc:touch("short", 100), memc:touch("none", 1))
    local big = ("x"):rep(500000) show(memc:set("big", big), (memc:get("big")) == big)`,
  );
  t.deepEqual(lines, [
    "nil nil nil",
    "1",
    "32 0 nil",
    "1",
    "a kind of animal 501 nil",
    "nil NOT_STORED",
    "1",
    " 0 nil",
    "1 nil NOT_STORED",
    "1 1 axb",
    "1",
    "nil NOT_FOUND",
    "1",
    "true",
    "nil bad key",
    "a kind of animal",
    "nil CLIENT_ERROR bad command line format",
    "nil nil closed",
    "1 1 nil NOT_FOUND",
    "1 true",
  ]);
});

test("a nested list is joined; no value is a mistake", async (t) => {
  const port = await startMemcached(t);
  if (!port) return t.pass();
  const lines = await run(
    t,
    port,
    `show(memc:set("list", { "a", { 1, { "b" } }, true })) show((memc:get("list")))
    show(select(2, pcall(memc.set, memc, "none", nil))) show((memc:get("none")))`,
  );
  t.deepEqual(lines.slice(0, 2), ["1", "a1btrue"]);
  t.regex(lines[2], /bad argument #2 to 'set' \(value expected\)$/);
  t.is(lines[3], "nil");
});

test("several keys, gets and cas, counters, key_transform", async (t) => {
  const port = await startMemcached(t);
  if (!port) return t.pass();
  const lines = await run(
    t,
    port,
    `memc:set("a b", "1", 0, 7) memc:set("c", "2")
    local all = memc:get { "a b", "none", "c" }
    show(all["a b"][1], all["a b"][2], all.none, all.c[1], #all.c)
    all = memc:gets { "a b", "c" } show(all.c[1], all.c[2], all.c[3] ~= nil) show(next(memc:get {}))
    local value, flags, cas, err = memc:gets("c") show(value, flags, type(cas), err)
    show(memc:cas("c", "3", cas, 0, 5)) show(memc:get("c")) show(memc:cas("c", "4", cas)) show(memc:cas("none", "4", cas))
    show(memc:gets("none"))
    show(memc:incr("c", 40), memc:decr("c", 1), memc:incr("none", 1)) memc:set("w", "word") show(memc:incr("w", 1))
    local plain = open { key_transform = { function(k) return "p-" .. k end, function(k) return k:sub(3) end } }
    show(plain:set("k", "v"), (plain:get { "k" }).k[1]) show((memc:get("p-k")))
    show(memcached:new { key_transform = {} })`,
  );
  t.deepEqual(
    lines,
    [
      "1 7 nil 2 2",
      "2 0 true",
      "nil",
      "2 0 string nil",
      "1",
      "3 5 nil",
      "nil EXISTS",
      "nil NOT_FOUND",
      "nil",
      "43 42 nil NOT_FOUND",
      "nil CLIENT_ERROR cannot increment or decrement non-numeric value",
      "1 v",
      "v",
      "nil expecting key_transform = { escape, unescape } table",
    ].map((line, i) => (i === 8 ? lines[8] : line)),
  );
  t.regex(lines[8], /^nil( nil)*$/);
});

test("the server's commands, pools, failures", async (t) => {
  const port = await startMemcached(t);
  if (!port) return t.pass();
  const mute = await listening(
    t,
    createServer((socket) => socket.on("error", () => {}).write("VALUE x 0 10\r\nhalf")),
  );
  const lines = await run(
    t,
    port,
    `show((memc:version()):match("^%d+%.%d+")) show(memc:verbosity(1)) show(memc:stats()[1]:match("^STAT pid")) show(memc:stats("nosuch stats"))
    memc:set("x", 1) show(memc:flush_all()) show((memc:get("x"))) show(memc:flush_all(3))
    show(memc:get_reused_times(), memc:set_keepalive(10000, 10)) show(memc:get("x"))
    memc = open() show(memc:get_reused_times(), memc:close()) show(memc:set("x", 1))
    memc = open() show(memc:quit()) show(memc:version())
    memc = memcached:new() memc:set_timeouts(1000, 1000, 30) show(memc:connect("127.0.0.1", 1))
    show(memc:connect("127.0.0.1", ${mute})) show(memc:get("x")) show(memc:get("x"))`,
  );
  t.regex(lines.shift(), /^\d+\.\d+$/);
  t.regex(lines.splice(2, 1)[0], /^table|^nil/);
  t.deepEqual(lines, [
    "1",
    "STAT pid",
    "1",
    "nil",
    "1",
    "0 1",
    "nil nil closed",
    "1 1",
    "nil closed",
    "1",
    "nil closed",
    "nil connection refused",
    "1",
    "nil nil timeout",
    "nil nil closed",
  ]);
});

test("a length that memcached never says closes the connection", async (t) => {
  const odd = await listening(
    t,
    createServer((socket) =>
      socket.on("error", () => {}).once("data", () => socket.write("VALUE x 0 99999999999\r\n")),
    ),
  );
  const lines = await run(t, odd, `show(memc:get("x")) show(memc:get("x"))`);
  t.deepEqual(lines, ["nil nil VALUE x 0 99999999999", "nil nil closed"]);
});
