// SPDX-License-Identifier: MIT
// ngx.socket.udp: datagrams to and from real sockets, what it says of failures, whose a socket is, in every phase.
import { join } from "node:path";
import test from "ava";
import { udpServer, unixDatagramServer } from "../helpers/datagram.js";
import { freePort, startMoonwire, waitFor } from "../helpers/index.js";

async function run(t, code, { port = 1, main, http, server = "" } = {}) {
  const s = await startMoonwire(t, {
    main,
    http,
    server: `${server} location /t { content_by_lua_block {
      local port = ${port}
      local function open() local s = ngx.socket.udp() assert(s:setpeername("127.0.0.1", port)) return s end
      ${code} } }`,
  });
  return { s, body: (await s.get("/t")).body };
}

test("send takes texts, numbers, booleans, nil, nested tables; refuses others", async (t) => {
  const port = await udpServer(t);
  const { body } = await run(
    t,
    `local s = open()
    local function echo(data) ngx.say(s:send(data), " ", s:receive()) end
    echo("text") echo(12.5) echo(true) echo(nil) echo({ "a", { 1, { "b" } } }) echo("")
    ngx.say(pcall(s.send, s, print)) ngx.say(pcall(s.send, s, { a = 1 })) ngx.say(pcall(s.send, s))`,
    { port },
  );
  t.is(
    body,
    "1 text\n1 12.5\n1 true\n1 nil\n1 a1b\n1 \n" +
      "falsebad argument #2 to '?' (string, number, boolean, nil, or array table expected, got function)\n" +
      "falsebad argument #2 to '?' (non-array table found)\n" +
      "falseexpecting 2 arguments (including the object), but got 1\n",
  );
});

test("receive takes one datagram, and of it what the size allows", async (t) => {
  const port = await udpServer(t, () => ["abcdef", "ghi", "x".repeat(60_000), ""]);
  const { body } = await run(
    t,
    `local s = open() s:send("go")
    ngx.say(s:receive(4)) ngx.say(s:receive(100)) ngx.say(#s:receive()) ngx.say("[", s:receive(1e9), "]")
    ngx.say(pcall(s.receive, s, {}))`,
    { port },
  );
  t.is(body, "abcd\nghi\n60000\n[]\nfalsebad argument #2 to '?' (number expected, got table)\n");
});

test("a timeout leaves the socket usable and is logged with the peer", async (t) => {
  const port = await udpServer(t, (text) => (text === "mute" ? null : text));
  const { s, body } = await run(
    t,
    `local s = ngx.socket.udp() s:settimeout(20) assert(s:setpeername("localhost", port))
    s:send("mute") ngx.say(s:receive()) s:settimeout(5000) s:send("loud") ngx.say(s:receive())`,
    { port },
  );
  t.is(body, "niltimeout\nloud\n");
  t.regex(s.log(), /\[error\].*lua udp socket read timed out, upstream: localhost:\d+\(127\.0\.0\.1\), client: /);
});

test("failures: refused, closed, addresses and ports that are none, names that nobody knows", async (t) => {
  const closed = await freePort();
  const { s, body } = await run(
    t,
    `local s = ngx.socket.udp()
    ngx.say(s:send("x")) ngx.say(s:receive()) ngx.say(s:close())
    ngx.say(s:setpeername("127.0.0.1", 65536)) ngx.say(s:setpeername("127.0.0.1", -1)) ngx.say(s:bind("127.0.0.1000"))
    ngx.say(s:setpeername("unix:/nonexistent.sock"))
    s:setpeername("127.0.0.1", port) s:send("x") ngx.say(s:receive())
    ngx.say(s:close()) ngx.say(s:close())
    ngx.say(s:setpeername("nowhere.invalid", 80))
    ngx.say(s:bind("192.0.2.1")) ngx.say(s:setpeername("127.0.0.1", port))
    ngx.say(pcall(s.setpeername, s)) ngx.say(pcall(s.setpeername, s, {}, 1)) ngx.say(pcall(s.settimeout, s))
    ngx.say(pcall(ngx.socket.udp, 1)) ngx.say(pcall(s.close))`,
    { port: closed },
  );
  const lines = body.split("\n");
  t.deepEqual(lines.slice(0, 10), [
    "nilclosed",
    "nilclosed",
    "nilclosed",
    "nilbad port number: 65536",
    "nilbad port number: -1",
    "nilbad address",
    "nilno such file or directory",
    "nilconnection refused",
    "1",
    "nilclosed",
  ]);
  t.regex(lines[10], /^nilnowhere\.invalid could not be resolved \(\d+: .*\)$/);
  t.deepEqual(lines.slice(11, 13), ["1", "nilcannot assign requested address"]);
  t.regex(
    lines[13],
    /^falsengx\.socket\.udp setpeername: expecting 2 or 3 arguments \(including the object\), but seen 1$/,
  );
  t.regex(lines[14], /^falsebad argument #\d to '\?' \(string expected, got table\)$/);
  t.regex(lines[15], /expecting at least 2 arguments \(including the object\) but seen 1$/);
  t.is(lines[16], "falseexpecting zero arguments, but got 1");
  t.is(lines[17], "falsebad argument #1 to 'close' (table expected, got nil)");
  const log = s.log();
  t.regex(log, /recv\(\) failed \(111: Connection refused\), upstream: 127\.0\.0\.1:\d+\(127\.0\.0\.1\), client: /);
  t.regex(log, /attempt to send data on a closed socket: u:0x[0-9a-f]+, c:/);
  t.regex(log, /attempt to receive data on a closed socket: u:0x[0-9a-f]+, c:/);
  t.regex(log, /\[crit\].*connect\(\) failed \(2: No such file or directory\)/);
  t.regex(log, /\[crit\].*bind\(192\.0\.2\.1\) failed \(99: Cannot assign requested address\)/);
});

test("lua_socket_log_errors off, lua_socket_read_timeout of a location; lua_strict_phases", async (t) => {
  const port = await udpServer(t, () => null);
  const { s, body } = await run(t, `local s = open() ngx.say(s:receive()) s:close() ngx.say(s:send("x"))`, {
    port,
    http: "lua_strict_phases on;",
    server: `lua_socket_log_errors off; lua_socket_read_timeout 20ms;
      location /log { return 200 "log\\n"; log_by_lua_block { ngx.socket.udp() } }`,
  });
  t.is(body, "niltimeout\nnilclosed\n");
  t.notRegex(s.log(), /\[error\]/);
  await s.get("/log");
  await waitFor(() => /API disabled in the context of log_by_lua\*/.test(s.log()));
  t.pass();
});

test("IPv6, a local address, a new peer in place of the old", async (t) => {
  const v6 = await udpServer(t, (text) => `6 ${text}`, { host: "::1" });
  const v4 = await udpServer(t, (text, address) => `${address} ${text}`);
  const { body } = await run(
    t,
    `local s = ngx.socket.udp()
    ngx.say(s:setpeername("::1", ${v6}), s:send("a"), s:receive()) ngx.say(s:setpeername("[::1]", "${v6}"), s:send("b"), s:receive())
    s:bind("127.0.0.9") ngx.say(s:setpeername("127.0.0.1", port), s:send("c"), s:receive())`,
    { port: v4 },
  );
  t.is(body, "116 a\n116 b\n11127.0.0.9 c\n");
});

test("unix datagram sockets", async (t) => {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block {
      local s = ngx.socket.udp() ngx.say(s:setpeername("unix:__PREFIX__/d.sock"))
      s:send("one") s:send({ "t", "wo" }) ngx.say(s:receive()) ngx.say(s:receive()) ngx.say(s:close()) } }`,
  });
  await unixDatagramServer(t, join(s.prefix, "d.sock"));
  t.is((await s.get("/t")).body, "1\nre: one\nre: two\n1\n");
});

test("one light thread waits at a time; one that is killed loses no datagram", async (t) => {
  const port = await udpServer(t);
  const { body } = await run(
    t,
    `local s = open()
    local reader = ngx.thread.spawn(function() return s:receive() end)
    ngx.say(s:receive()) ngx.say(s:send("x")) ngx.say(s:close()) ngx.say(s:setpeername("127.0.0.1", port))
    ngx.say(ngx.thread.kill(reader))
    s:send("y") ngx.say(s:receive())
    s:send("late") ngx.thread.kill(ngx.thread.spawn(function() return s:receive() end)) ngx.say(s:receive())`,
    { port },
  );
  t.is(body, `${"nilsocket busy\n".repeat(4)}1\ny\nlate\n`);
});

test("a killed lookup, and one that ends with its request", async (t) => {
  const dead = await freePort();
  const { s, body } = await run(
    t,
    `local s = ngx.socket.udp()
    local asks = ngx.thread.spawn(function() return s:setpeername("example.test", 80) end)
    ngx.say(s:setpeername("127.0.0.1", 1)) ngx.say(ngx.thread.kill(asks)) ngx.say(s:setpeername("127.0.0.1", 1))
    ngx.thread.spawn(function() return ngx.socket.udp():setpeername("example.test", 80) end) ngx.exit(200)`,
    { server: `resolver 127.0.0.1:${dead} ipv6=off; resolver_timeout 10s;` },
  );
  t.is(body, "nilsocket busy\n1\n1\n");
  t.notRegex(s.log(), /\[(alert|emerg)\]/);
});

test("a socket does not outlive its request; another request's is refused", async (t) => {
  const port = await udpServer(t);
  const { s } = await run(t, "", {
    port,
    http: "init_by_lua_block { package.loaded.kept = {} }",
    server: `
      location /keep { content_by_lua_block {
        local s = ngx.socket.udp() s:setpeername("127.0.0.1", ${port}) require("kept").s = s
        if ngx.var.arg_wait then ngx.say(s:receive()) end ngx.say("kept") } }
      location /use { content_by_lua_block {
        local s = require("kept").s
        for _, use in ipairs {
          function() return s:send("x") end, function() return s:receive() end, function() return s:close() end,
          function() return s:setpeername("127.0.0.1", 1) end } do ngx.say(pcall(use)) end } }`,
  });
  t.is((await s.get("/keep")).body, "kept\n");
  t.is((await s.get("/use")).body, "truenilclosed\ntruenilclosed\ntruenilclosed\ntrue1\n");
  const waiting = s.get("/keep?wait=1").catch(() => {});
  await waitFor(async () => /^(false.*bad request\n){4}$/.test((await s.get("/use")).body));
  await s.server.close({ drainMs: 0 });
  await waiting;
  t.pass();
});

test("every phase", async (t) => {
  const port = await udpServer(t, (text) => `<${text}>`);
  const call = (name) => `local s = ngx.socket.udp() assert(s:setpeername("127.0.0.1", ${port}))
    s:send("${name}") local line = s:receive()`;
  const s = await startMoonwire(t, {
    http: `init_by_lua_block { ${call("init")} from_init = line }
      init_worker_by_lua_block { ${call("init_worker")} from_worker = line }`,
    server: `location /t {
      set_by_lua_block $set { ${call("set")} return line }
      rewrite_by_lua_block { ${call("rewrite")} ngx.ctx.a = line } access_by_lua_block { ${call("access")} ngx.ctx.b = line }
      content_by_lua_block { ${call("content")}
        ngx.timer.at(0, function() ${call("timer")} ngx.log(ngx.ERR, "timer ", line) end)
        ngx.say(from_init, from_worker, ngx.var.set, ngx.ctx.a, ngx.ctx.b, line) }
      header_filter_by_lua_block { ${call("header")} ngx.header["X-Udp"] = line }
      body_filter_by_lua_block { if not ngx.arg[2] then ${call("body")} ngx.arg[1] = line .. ngx.arg[1] end }
      log_by_lua_block { ${call("log")} ngx.log(ngx.ERR, "log ", line) } }`,
  });
  const answer = await s.get("/t");
  t.is(answer.headers["x-udp"], "<header>");
  t.is(answer.body, "<body><init><init_worker><set><rewrite><access><content>\n");
  await waitFor(() => /timer <timer>/.test(s.log()) && /log <log>/.test(s.log()));
});
