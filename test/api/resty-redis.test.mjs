// SPDX-License-Identifier: MIT
// resty.redis against a real Redis: replies of every kind, pipelines, transactions, channels, pools, failures.
import { createServer } from "node:net";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";
import { startRedis } from "../helpers/backend.js";
import { listening } from "../helpers/upstream.js";

/** The body of a location that runs `code`, with `red` connected to `port`. */
async function run(t, port, code) {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block {
      local redis, cjson = require "resty.redis", require "cjson"
      local function open(opts) local r = redis:new() r:set_timeouts(1000, 1000, 1000) assert(r:connect("127.0.0.1", ${port}, opts)) return r end
      local function show(...)
        local out = {}
        for i = 1, select("#", ...) do
          local v = select(i, ...)
          out[i] = v == nil and "nil" or v == ngx.null and "null" or type(v) == "table" and cjson.encode(v) or tostring(v)
        end
        ngx.say(table.concat(out, " "))
      end
      local red = open()
      ${code} } }`,
  });
  return (await s.get("/t")).body;
}

test("replies of every kind; arguments of every kind", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const body = await run(
    t,
    port,
    `show(red:set("dog", "an animal")) show(red:get("dog")) show(red:get("none"))
    show(red:set("number", 42.5), red:get("number"), red:set("empty", ""), "[" .. red:get("empty") .. "]")
    show(red:incr("n"), red:incrby("n", 9), red:decr("n"))
    show(red:set("lines", "a\\r\\n$-1\\r\\n\\0b"), red:get("lines") == "a\\r\\n$-1\\r\\n\\0b")
    local big = ("x"):rep(300000)
    show(red:set("big", big), red:get("big") == big)
    show(red:lpush("list", "a", "b", 3), red:lrange("list", 0, -1), red:lrange("nolist", 0, -1))
    show(red:mget("dog", "none", "number")) show(red:incr("dog")) show(red:nosuch("x"))
    show(red:ping(), red:exists("dog"), red:del("dog", "none"), red:dbsize())
    show(red:blpop("nolist", 0.01))
    show(red["client"](red, "setname", "me"), red:client("getname"))
    show(red:eval("return { 1, { 'two', { err = 'ERR mine' } } }", 0))`,
  );
  t.is(
    body,
    [
      "OK",
      "an animal",
      "null",
      "OK 42.5 OK []",
      "1 10 9",
      "OK true",
      "OK true",
      '3 ["3","b","a"] {}',
      '["an animal",null,"42.5"]',
      "false ERR value is not an integer or out of range",
      body.split("\n")[10],
      "PONG 1 1 6",
      "null",
      "OK me",
      '[1,["two",[false,"ERR mine"]]]',
      "",
    ].join("\n"),
  );
  t.regex(body.split("\n")[10], /^false ERR unknown command '?`?nosuch/i);
});

test("hmset, array_to_hash, add_commands, register_module_prefix", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const body = await run(
    t,
    port,
    `show(red:hmset("h", { a = 1, b = "two" })) show(red:hmset("h", "c", 3, "d", 4))
    local h = red:array_to_hash((red:hgetall("h")))
    show(h.a, h.b, h.c, h.d) show(red:hmget("h", "a", "none"))
    show(pcall(red.hmset, red, "h", 1))
    redis.add_commands("zcard", "lolwut") show(type(rawget(redis, "lolwut")), red:zcard("none"))
    redis.register_module_prefix("bf")
    local _, err = red:bf():add("k", 1) show(err:lower():match("bf%.add")) show(red:get("none"))`,
  );
  t.is(
    body,
    "OK\nOK\n1 two 3 4\n[\"1\",null]\nfalse bad argument #2 to 'hmset' (table expected, got number)\nfunction 0\nbf.add\nnull\n".replace(
      "false bad",
      `${/false .*?bad/.exec(body)?.[0]}`,
    ),
  );
});

test("pipelines and transactions", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const body = await run(
    t,
    port,
    `show(red:commit_pipeline()) red:init_pipeline(4)
    show(red:set("a", "1"), red:incr("a")) red:set("b", "x") red:incr("b") red:get("none") red:mget("a", "b")
    show(red:commit_pipeline()) show(red:commit_pipeline())
    red:init_pipeline() red:set("a", "lost") red:cancel_pipeline() show(red:get("a"))
    red:init_pipeline() show(red:commit_pipeline())
    show(red:multi(), red:set("a", 5), red:lpop("a"), red:get("a")) show(red:exec())
    show(red:multi(), red:set("a", 6), red:discard(), red:get("a")) show(red:exec())
    red:init_pipeline() for i = 1, 1000 do red:set("k" .. i, i) end
    local replies = red:commit_pipeline() show(#replies, replies[1000], red:get("k1000"))`,
  );
  t.is(
    body,
    [
      "nil no pipeline",
      "nil nil",
      '["OK",2,"OK",[false,"ERR value is not an integer or out of range"],null,["2","x"]]',
      "nil no pipeline",
      "2",
      "{}",
      "OK QUEUED QUEUED QUEUED",
      '["OK",[false,"WRONGTYPE Operation against a key holding the wrong kind of value"],"5"]',
      "OK QUEUED OK 5",
      "false ERR EXEC without MULTI",
      "1000 OK 1000",
      "",
    ].join("\n"),
  );
});

test("channels: messages, patterns, a timeout between them, messages that come before a confirmation", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const body = await run(
    t,
    port,
    `local pub = open()
    show(red:read_reply()) show(red:subscribe("a")) show(red:set_keepalive())
    red:set_timeout(20) show(red:read_reply()) red:set_timeout(1000)
    show(red:psubscribe("p*", "q*"))
    show(pub:publish("a", "one"), pub:publish("pp", "two")) show(red:read_reply()) show(red:read_reply())
    pub:publish("a", "three") show(red:unsubscribe("a")) show(red:read_reply())
    show(red:punsubscribe()) show(red:read_reply()) show(red:get("none")) show(red:set_keepalive())`,
  );
  t.is(
    body,
    [
      "nil not subscribed",
      '["subscribe","a",1]',
      "nil subscribed state",
      "nil timeout",
      '[["psubscribe","p*",2],["psubscribe","q*",3]]',
      "1 1",
      '["message","a","one"]',
      '["pmessage","p*","pp","two"]',
      '["unsubscribe","a",2]',
      '["message","a","three"]',
      body.split("\n")[10],
      "nil not subscribed",
      "null",
      "1",
      "",
    ].join("\n"),
  );
  t.is((body.split("\n")[10].match(/"punsubscribe"/g) ?? []).length, 2);
});

test("pools, a unix socket, failures, timeouts", async (t) => {
  const path = `/tmp/moonwire-redis-${process.pid}.sock`;
  const port = await startRedis(t, "--unixsocket", path);
  if (!port) return t.pass();
  const mute = await listening(
    t,
    createServer((socket) => socket.on("error", () => {}).write("$10\r\nhalf")),
  );
  const body = await run(
    t,
    port,
    `show(red:get_reused_times(), red:set_keepalive(10000, 10)) show(red:get("x"))
    red = open() show(red:get_reused_times(), red:ping(), red:close()) show(red:close())
    red = open({ pool = "mine", pool_size = 2 }) show(red:get_reused_times(), red:set_keepalive())
    red = redis:new() show(red:connect("unix:${path}")) show(red:ping(), red:set_keepalive())
    red = redis:new() show(red:connect("unix:${path}", { pool = "u" })) show(red:ping(), red:get_reused_times())
    red = redis:new() show(red:connect("127.0.0.1", 1))
    red:set_timeout(30) show(red:connect("127.0.0.1", ${mute})) show(red:get("x")) show(red:get("x"))
    show(pcall(redis.set_timeout, {}, 1))`,
  );
  t.is(
    body,
    [
      "0 1",
      "nil closed",
      "1 PONG 1",
      "nil closed",
      "0 1",
      "1",
      "PONG 1",
      "1",
      "PONG 0",
      "nil connection refused",
      "1",
      "nil timeout",
      "nil closed",
      body.split("\n")[13],
      "",
    ].join("\n"),
  );
  t.regex(body.split("\n")[13], /^false .*not initialized$/);
});

test("what is no reply closes the connection; ssl is refused", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const answers = ["$x\r\n", "*\r\n", "HTTP/1.1 400\r\n", "\r\n", "*2\r\n+a\r\n!b\r\n", "$3\r\nab"];
  const odd = await listening(
    t,
    createServer((socket) => socket.on("error", () => {}).once("data", () => socket.end(answers.shift() ?? ""))),
  );
  const body = await run(
    t,
    port,
    `for i = 1, 7 do
      local r = redis:new() r:set_timeout(1000) assert(r:connect("127.0.0.1", ${odd}))
      show(r:get("x")) if i < 6 then show(r:set_keepalive()) end
    end
    show(redis:new():connect("127.0.0.1", ${port}, { ssl = true }))
    red:init_pipeline() red:get("x") red:close() show(red:commit_pipeline())`,
  );
  const closed = "nil closed";
  t.deepEqual(body.trimEnd().split("\n"), [
    "nil bad bulk length: $x",
    closed,
    "nil bad array length: *",
    closed,
    'nil unknown prefix: "H"',
    closed,
    'nil unknown prefix: ""',
    closed,
    'nil unknown prefix: "!"',
    closed,
    closed,
    closed,
    "nil failed to do ssl handshake: TLS is not supported yet",
    closed,
  ]);
});

/** Replies that no Redis sends, and what is said of them. */
const malformed = [
  [":abc", "bad integer: :abc"],
  [":", "bad integer: :"],
  [":0x10", "bad integer: :0x10"],
  [":nan", "bad integer: :nan"],
  ["$nan", "bad bulk length: $nan"],
  ["$inf", "bad bulk length: $inf"],
  ["$1e3", "bad bulk length: $1e3"],
  ["$ 1", "bad bulk length: $ 1"],
  ["$536870913", "bad bulk length: $536870913"],
  ["$-", "bad bulk length: $-"],
  [`$${"9".repeat(400)}`, `bad bulk length: $${"9".repeat(400)}`],
  ["*0x1", "bad array length: *0x1"],
  ["*inf", "bad array length: *inf"],
  ["*4294967297", "bad array length: *4294967297"],
  ["*1\r\n".repeat(200000), "arrays nested too deep"],
];

test("lengths and numbers that no Redis sends, depth and length of arrays", async (t) => {
  const deep = "*1\r\n".repeat(128);
  const answers = [
    ...malformed.map(([line]) => line),
    `${deep}:-42`,
    "*-1",
    ":-9007199254740991",
    "*2\r\n*0\r\n$0\r\n",
  ];
  let next = 0;
  const odd = await listening(
    t,
    createServer((socket) => socket.on("error", () => {}).once("data", () => socket.write(`${answers[next++]}\r\n`))),
  );
  const long = await listening(
    t,
    createServer((socket) => socket.on("error", () => {}).once("data", () => socket.end("*100000000\r\n"))),
  );
  const body = await run(
    t,
    odd,
    `for i = 1, ${malformed.length} do show(red:get("x")) show(red:set_keepalive()) red = open() end
    local value, depth = red:get("x"), 0
    while type(value) == "table" do value, depth = value[1], depth + 1 end
    show(depth, value) for i = 1, 3 do red = open() show(red:get("x")) end
    collectgarbage() local before = collectgarbage("count")
    red = redis:new() assert(red:connect("127.0.0.1", ${long}))
    show(red:get("x")) show(collectgarbage("count") - before < 1024)`,
  );
  t.deepEqual(body.trimEnd().split("\n"), [
    ...malformed.flatMap(([, err]) => [`nil ${err}`, "nil closed"]),
    "128 -42",
    "null",
    "-9.007199254741e+15",
    '[{},""]',
    "nil closed",
    "true",
  ]);
});

test("nils at the end are no arguments", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const body = await run(
    t,
    port,
    `show(red:set("k", nil)) show(red:eval("return #ARGV", 0, "a", nil, "c", nil)) show(red:ping(nil)) show(red:echo(nil, nil))`,
  );
  t.is(
    body,
    "false ERR wrong number of arguments for 'set' command\n3\nPONG\nfalse ERR wrong number of arguments for 'echo' command\n",
  );
});
