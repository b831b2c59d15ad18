// SPDX-License-Identifier: MIT
// ngx.socket.tcp, stream, connect: what they read, send, keep and say of failures, in every phase.
import { createServer } from "node:net";
import test from "ava";
import { apiCase } from "../helpers/api.js";
import { startRedis } from "../helpers/backend.js";
import { freePort, startMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

/** A server that says `text` to each connection, in pieces of `size` bytes, then closes it unless `stays`. */
const saying = (t, text, { size = text.length, stays = false } = {}) =>
  listening(
    t,
    createServer((socket) => {
      socket.on("error", () => {});
      socket.setNoDelay(true);
      let at = 0;
      const next = () => {
        if (socket.destroyed) return;
        if (at >= text.length) return stays ? undefined : socket.end();
        socket.write(text.slice(at, (at += size)));
        setTimeout(next, 2);
      };
      next();
    }),
  );

/** A server that answers each line with `reply(line)`. */
const echoing = (t, reply = (line) => `${line}\n`) =>
  listening(
    t,
    createServer((socket) => {
      let rest = "";
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("data", (data) => {
        const lines = (rest + data).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const answer = reply(line);
          if (answer === null) socket.destroy();
          else socket.write(answer);
        }
      });
    }),
  );

async function run(t, code, { port, http, server = "" } = {}) {
  const s = await startMoonwire(t, {
    http,
    server: `${server} location /t { content_by_lua_block {
      local port = ${port ?? 1}
      local function open(...) local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", port, ...)) return s end
      ${code} } }`,
  });
  return { s, body: (await s.get("/t")).body };
}

const bytewise = "one\r\ntwo\n\r\nabcdef--rest--tail";
for (const size of [1, 3, 1000])
  test(`receive: lines, sizes, until, all; in pieces of ${size}`, async (t) => {
    const port = await saying(t, bytewise, { size });
    const { body } = await run(
      t,
      `local s = open()
      ngx.say(s:receive()) ngx.say(s:receive("*l")) ngx.say("[", s:receive("*l"), "]") ngx.say(s:receive(3)) ngx.say(s:receive("1"))
      ngx.say("[", s:receive(0), "]")
      local r = s:receiveuntil("--")
      ngx.say(r()) ngx.say(r())
      ngx.say(s:receive("*a")) ngx.say(s:receive()) ngx.say(s:close())`,
      { port },
    );
    t.is(body, "one\ntwo\n[]\nabc\nd\n[]\nef\nrest\ntail\nnilclosed\n1\n");
  });

test("receiveuntil with a size, inclusive, a pattern that overlaps itself, an end that never comes", async (t) => {
  const port = await saying(t, "abcdefgh--ij-k--aabaabaac|xx", { size: 2 });
  const { body } = await run(
    t,
    `local s = open()
    local r = s:receiveuntil("--")
    for i = 1, 6 do ngx.say("[", r(4), "]") end
    ngx.say(r(4))
    ngx.say(s:receiveuntil("aabaac", { inclusive = true })())
    ngx.say(s:receive(1))
    local text, err, partial = s:receiveuntil("never")()
    ngx.say(text, " ", err, " ", partial)`,
    { port },
  );
  t.is(body, "[abcd]\n[efgh]\n[]\n[nil]\n[ij-k]\n[]\nnilnilnil\naabaabaac\n|\nnil closed xx\n");
});

test("receiveany takes what is there, at most so much", async (t) => {
  const port = await saying(t, "abcdefghij", { stays: true });
  const { body } = await run(
    t,
    `local s = open() ngx.sleep(0.05) ngx.say(s:receiveany(4)) ngx.say(s:receiveany(100))
    s:settimeout(30) ngx.say(s:receiveany(1))
    ngx.say(pcall(s.receiveany, s, 0)) ngx.say(pcall(s.receiveany, s))`,
    { port },
  );
  t.is(
    body,
    "abcd\nefghij\nniltimeout\nfalsebad argument #2 to '?' (bad max argument)\n" +
      "falseexpecting 2 arguments (including the object), but got 1\n",
  );
});

test("a timeout gives what was read, is logged, and leaves the connection usable", async (t) => {
  const port = await echoing(t, (line) => (line === "half" ? "par" : `${line}\n`));
  const { s, body } = await run(
    t,
    `local s = open() s:send("half\\n") ngx.say(s:receive(1)) s:settimeouts(1000, 1000, 20)
    local text, err, partial = s:receive() ngx.say(text, " ", err, " ", partial)
    s:settimeouts(1000, 1000, 60000) s:send("whole\\n") ngx.say(s:receive())`,
    { port },
  );
  t.is(body, "p\nnil timeout ar\nwhole\n");
  t.regex(s.log(), /\[error\].*lua tcp socket read timed out, upstream: 127\.0\.0\.1:\d+\(127\.0\.0\.1\)/);
});

test("send: texts, numbers, nested tables; more than the socket takes at once; wrong ones", async (t) => {
  const port = await echoing(t, (line) => `${line.length}\n`);
  const { body } = await run(
    t,
    `local s = open()
    ngx.say(s:send({ "a", { 1, { "b", 2.5 } }, "\\n" })) ngx.say(s:receive())
    ngx.say(s:send(42), s:send(true), s:send(nil), s:send("\\n")) ngx.say(s:receive())
    local big = ("x"):rep(2000000)
    ngx.say(s:send({ big, "\\n" })) ngx.say(s:receive())
    for _, bad in ipairs { { "a", true }, { "a", nil, "b" }, { x = 1 }, print } do ngx.say((select(2, pcall(s.send, s, bad)))) end`,
    { port },
  );
  t.is(
    body,
    "7\n6\n2431\n9\n2000001\n2000000\n" +
      ["bad data type boolean found", "bad data type nil found", "non-array table found"]
        .map((text) => `bad argument #2 to '?' (${text})\n`)
        .join("") +
      "bad argument #2 to '?' (string, number, boolean, nil, or array table expected, got function)\n",
  );
});

test("pools: reuse, the default name, a name of one's own, size, unread data, a peer that went", async (t) => {
  const port = await echoing(t, (line) => (line === "bye" ? null : line === "two" ? "c\nd\n" : `${line}\n`));
  const { body } = await run(
    t,
    `local function ask(s, text) s:send(text .. "\\n") return s:receive() end
    local s = open() ngx.say(s:getreusedtimes(), ask(s, "a"), s:setkeepalive(), s:getreusedtimes())
    s = open() ngx.say(s:getreusedtimes(), ask(s, "b"), s:setkeepalive(10000, 1))
    s = open({ pool = "mine" }) ngx.say(s:getreusedtimes())
    s:send("two\\n") s:receive() ngx.say(s:setkeepalive()) s:close()
    local a, b = open({ pool = "two", pool_size = 1 }), open({ pool = "two" })
    ngx.say(a:setkeepalive(), b:setkeepalive())
    a, b = open({ pool = "two" }), open({ pool = "two" })
    ngx.say(a:getreusedtimes(), b:getreusedtimes())
    local other = open({ pool = "other" })
    local function wait() ask(other, "x") ask(other, "y") end -- the server has answered what was sent before
    a:send("bye\\n") wait() ngx.say(a:setkeepalive()) b:close()
    s = open() s:send("wait\\n") wait() ngx.say(s:setkeepalive())`,
    { port },
  );
  t.is(body, "0a1nilclosed\n1b1\n0\nnilunread data in buffer\n11\n10\nnilclosed\nnilconnection in dubious state\n");
});

test("a pool with a backlog: connects wait their turn, time out, or are too many", async (t) => {
  const port = await echoing(t);
  const { s, body } = await run(
    t,
    `local options = { pool = "p", pool_size = 1, backlog = 1 }
    local first = open(options)
    local function connect(ms)
      local s = ngx.socket.tcp() s:settimeout(ms)
      local ok, err = s:connect("127.0.0.1", port, options)
      return ok and "connected " .. s:getreusedtimes() or err
    end
    ngx.say(connect(30))
    local waiting = ngx.thread.spawn(connect, 2000)
    ngx.sleep(0.01)
    ngx.say(connect(30))
    first:setkeepalive()
    ngx.say(select(2, ngx.thread.wait(waiting)))`,
    { port },
  );
  t.is(body, "timeout\ntoo many waiting connect operations\nconnected 1\n");
  t.regex(s.log(), /lua tcp socket queued connect timed out, when trying to connect to 127\.0\.0\.1:\d+/);
});

test("connects that wait for a pool and all fail at once, each in its turn", async (t) => {
  const port = await echoing(t);
  const { body } = await run(
    t,
    `local options = { pool = "p", pool_size = 1, backlog = 100000 }
    local first, failed, threads = open(options), 0, {}
    for i = 1, 20000 do
      threads[i] = ngx.thread.spawn(function()
        local ok, err = ngx.socket.tcp():connect("unix:/nowhere/to/be/found", options)
        if err == "no such file or directory" then failed = failed + 1 end
      end)
    end
    first:close()
    for i = 1, #threads do ngx.thread.wait(threads[i]) end
    ngx.say(failed)
    ngx.say(open(options):send("x"))`,
    { port },
  );
  t.is(body, "20000\n1\n");
});

test("a reading and a writing light thread on one socket; two readers", async (t) => {
  const port = await echoing(t);
  const { body } = await run(
    t,
    `local s = open()
    local reader = ngx.thread.spawn(function() return s:receive(), s:receive() end)
    ngx.say(s:receive())
    ngx.say(s:close()) ngx.say(s:setkeepalive())
    s:send("a\\n") ngx.sleep(0.01) s:send("b\\n")
    ngx.say(ngx.thread.wait(reader))`,
    { port },
  );
  t.is(body, "nilsocket busy reading\nnilsocket busy reading\nnilsocket busy reading\ntrueab\n");
});

test("a killed reader closes its socket; the next operation says so", async (t) => {
  const port = await echoing(t);
  const { body } = await run(
    t,
    `local s = open()
    local reader = ngx.thread.spawn(function() return s:receive() end)
    ngx.say(ngx.thread.kill(reader))
    ngx.say(s:send("x"))`,
    { port },
  );
  t.is(body, "1\nnilclosed\n");
});

test("failures to connect, and what is not connected", async (t) => {
  const { s, body } = await run(
    t,
    `local s = ngx.socket.tcp()
    ngx.say(s:connect("127.0.0.1", 1)) ngx.say(s:connect("127.0.0.1")) ngx.say(s:connect("127.0.0.1", 70000))
    ngx.say(s:connect("unix:/nonexistent.sock")) ngx.say(s:connect("nowhere.invalid", 80))
    ngx.say(s:send("x")) ngx.say(s:receive()) ngx.say(s:close()) ngx.say(s:setkeepalive()) ngx.say(s:getreusedtimes())
    ngx.say(s:sslhandshake())
    ngx.say(pcall(s.connect, s)) ngx.say(pcall(s.settimeout, s, -1)) ngx.say(pcall(ngx.socket.tcp, 1))`,
  );
  const lines = body.split("\n");
  t.deepEqual(lines.slice(0, 4), [
    "nilconnection refused",
    "nilmissing the port number",
    "nilbad port number: 70000",
    "nilno such file or directory",
  ]);
  t.regex(lines[4], /^nilnowhere\.invalid could not be resolved \(\d+: .*\)$/);
  t.deepEqual(lines.slice(5, 10), Array(5).fill("nilclosed"));
  t.is(lines[10], "nilTLS is not supported yet");
  t.regex(lines[11], /^falsebad argument #1 to 'connect' \(string expected, got nil\)|expecting 2, 3, or 4 arguments/);
  t.regex(lines[12], /bad timeout value/);
  t.regex(lines[13], /expecting zero arguments, but got 1/);
  t.regex(s.log(), /connect\(\) failed \(111: Connection refused\), upstream: 127\.0\.0\.1:1\(127\.0\.0\.1\), client/);
  t.regex(s.log(), /\[crit\].*connect\(\) to unix:\/nonexistent\.sock failed \(2: No such file or directory\)/);
  t.regex(s.log(), /attempt to send data on a closed socket: u:/);
});

test("lua_socket_log_errors off, lua_socket_read_timeout and lua_socket_connect_timeout of a location", async (t) => {
  const port = await saying(t, "", { stays: true });
  const { s, body } = await run(
    t,
    `local s = open() ngx.say(s:receive()) ngx.say(ngx.socket.tcp():connect("127.0.0.1", 1))`,
    {
      port,
      server: "lua_socket_log_errors off; lua_socket_read_timeout 20ms;",
    },
  );
  t.is(body, "niltimeout\nnilconnection refused\n");
  t.notRegex(s.log(), /\[error\]/);
});

test("names: /etc/hosts without a resolver; one that does not answer", async (t) => {
  const port = await echoing(t);
  const dead = await freePort();
  const { s, body } = await run(t, `local s = ngx.socket.tcp() ngx.say(s:connect("localhost", port))`, {
    port,
    server: `location /dead { resolver 127.0.0.1:${dead} ipv6=off; resolver_timeout 50ms;
      content_by_lua_block { ngx.say(ngx.socket.tcp():connect("example.test", 80)) } }`,
  });
  t.is(body, "1\n");
  t.is((await s.get("/dead")).body, "nilexample.test could not be resolved (110: Operation timed out)\n");
});

test("a socket does not outlive its request; another request's is refused", async (t) => {
  const port = await echoing(t);
  const { s } = await run(t, "", {
    port,
    http: "init_by_lua_block { package.loaded.kept = {} }",
    server: `
      location /keep { content_by_lua_block {
        local s = ngx.socket.tcp() s:connect("127.0.0.1", ${port}) require("kept").s = s
        while ngx.var.arg_wait and not require("kept").go do ngx.sleep(0.01) end ngx.say("kept") } }
      location /go { content_by_lua_block { require("kept").go = true } }
      location /use { content_by_lua_block { ngx.say(pcall(function() return require("kept").s:send("x\\n") end)) } }`,
  });
  t.is((await s.get("/keep")).body, "kept\n");
  t.is((await s.get("/use")).body, "truenilclosed\n");
  const waiting = s.get("/keep?wait=1");
  await waitFor(async () => /^false.*bad request\n$/.test((await s.get("/use")).body));
  await s.get("/go");
  t.is((await waiting).body, "kept\n");
});

test("a socket kept beyond its request connects anew, with its timeouts, and nobody else's socket is touched", async (t) => {
  const port = await echoing(t);
  const { s } = await run(t, "", {
    port,
    http: "init_by_lua_block { package.loaded.kept = {} }",
    server: `
      location /keep { content_by_lua_block {
        local s = ngx.socket.tcp() s:settimeout(300) s:connect("127.0.0.1", ${port}) require("kept").s = s ngx.say("kept") } }
      location /many { content_by_lua_block {
        local socks, kept, n = {}, require("kept").s, 0
        for i = 1, 40 do socks[i] = ngx.socket.tcp() assert(socks[i]:connect("127.0.0.1", ${port})) end
        ngx.say(kept:getfd(), kept:receive())
        for i = 1, 40 do assert(socks[i]:send(i .. "\\n")) end
        for i = 1, 40 do n = n + assert(socks[i]:receive()) end
        assert(kept:connect("127.0.0.1", ${port}))
        assert(kept:send("again\\n"))
        ngx.say(n, " ", kept:receive(), " ", select(2, kept:receive())) } }`,
  });
  for (let i = 0; i < 3; i++) {
    t.is((await s.get("/keep")).body, "kept\n");
    t.is((await s.get("/many")).body, "nilnilclosed\n820 again timeout\n");
  }
});

test("a real Redis in every phase", async (t) => {
  const port = await startRedis(t);
  if (!port) return;
  const call = (command) => `local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", ${port}))
    s:send("${command}\\r\\n") local line = s:receive() s:setkeepalive()`;
  const incr = (name) => call(`INCR ${name}`);
  const s = await startMoonwire(t, {
    http: `init_by_lua_block { ${incr("init")} from_init = line }
      init_worker_by_lua_block { ${incr("init_worker")} }`,
    server: `location /t {
      set_by_lua_block $set { ${incr("set")} return line }
      rewrite_by_lua_block { ${incr("rewrite")} } access_by_lua_block { ${incr("access")} }
      content_by_lua_block { ${incr("content")} ngx.timer.at(0, function() ${incr("timer")} end) ngx.say(ngx.var.set, from_init) }
      header_filter_by_lua_block { ${incr("header")} ngx.header["X-Count"] = line }
      body_filter_by_lua_block { if not ngx.arg[2] then ${incr("body")} ngx.arg[1] = line .. ngx.arg[1] end }
      log_by_lua_block { ${incr("log")} } }
      location /get { content_by_lua_block {
        local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", ${port}))
        s:send("MGET init init_worker set rewrite access content timer header body log\\r\\n")
        local n, out = tonumber(s:receive():sub(2)), {}
        for i = 1, n do out[i] = s:receive() == "$-1" and "-" or s:receive() end
        s:setkeepalive() ngx.print(table.concat(out, " ")) } }`,
  });
  for (let i = 1; i <= 50; i++) {
    const answer = await s.get("/t");
    t.is(answer.headers["x-count"], `:${i}`);
    t.is(answer.body, `:${i}:${i}:1\n`);
  }
  await waitFor(async () => (await s.get("/get")).body === "1 1 50 50 50 50 50 50 50 50");
  t.pass();
});

test("without a request: what the http block says; in a timer, what holds where it was made", async (t) => {
  const port = await saying(t, "", { stays: true });
  const read = `local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", ${port})) local _, err = s:receive()`;
  const s = await startMoonwire(t, {
    http: `lua_socket_read_timeout 30ms; lua_socket_log_errors off;
      init_worker_by_lua_block { ${read} ngx.log(ngx.ERR, "init_worker: ", err) }`,
    server: `lua_socket_read_timeout 1h;
      location /t { lua_socket_read_timeout 20ms; content_by_lua_block {
        ngx.timer.at(0, function()
          ngx.timer.at(0, function() ${read} ngx.log(ngx.ERR, "timer: ", err) end)
        end) } }`,
  });
  await s.get("/t");
  await waitFor(() => /init_worker: timeout/.test(s.log()) && /timer: timeout/.test(s.log()));
  t.notRegex(s.log(), /timed out/);
});

/**
 * What a reader that was woken returns, and what a rival that runs before it gets from `call`, on a socket whose peer sends
 * "right", or a reset. Each connection says its word after a while; the worker is busy until all have, and so finds them in
 * the order of arrival.
 */
async function contested(t, { call, word = "right" }) {
  const port = await listening(
    t,
    createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (line) => {
        const [ms, text] = line.toString().trim().split(" ");
        setTimeout(() => (text === "reset" ? socket.resetAndDestroy() : socket.write(text)), Number(ms));
      });
    }),
  );
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block {
      local function open(ms, word) local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", ${port}))
        s:settimeout(5000) assert(s:send(ms .. " " .. word .. "\\n")) return s end
      local sock, first, other = open(400, "${word}"), open(150, "first"), open(10, "wrong")
      local reader = ngx.thread.spawn(function() local text, err = sock:receive(5) return text or err end)
      local rival = ngx.thread.spawn(function()
        first:receive(5)
        local ok, err = sock:${call}(5)
        return tostring(ok) .. " " .. tostring(err) .. " " .. other:receive(5)
      end)
      local till = os.time() + 2 while os.time() < till do end
      local _, said = ngx.thread.wait(reader)
      local _, answered = ngx.thread.wait(rival)
      ngx.print(said, ", ", answered)
    } }`,
  });
  return (await s.get("/")).body;
}

for (const call of ["close", "setkeepalive", "receive", "receiveany"])
  test(`a reader that was woken gets its own bytes: ${call} by another light thread before it runs`, async (t) =>
    // A machine that is slow enough lets the reader run first: then the rival has what it asked for.
    t.regex(await contested(t, { call }), /^right, (nil socket busy reading|1 nil|nil timeout|nil closed) wrong$/));

test("a reader that was woken gets its own error, whatever else fails before it runs", async (t) =>
  // A reset that comes late is told to whoever asks first; the other finds the connection closed.
  t.regex(
    await contested(t, { call: "send", word: "reset" }),
    /^(connection reset by peer, (nil broken pipe|1 nil)|closed, nil connection reset by peer) wrong$/,
  ));

apiCase("setkeepalive of a closed cosocket is refused, and not logged", {
  content: `
    local sock = ngx.socket.tcp()
    ngx.say(select(2, sock:setkeepalive()))
    ngx.say((select(2, pcall(ngx.say, print)):gsub("'[%w?]+'", "it")))`,
  body:
    "closed\nbad argument #1 to it " +
    "(string, number, boolean, nil, ngx.null, or array table expected, but got function)\n",
  noLog: /closed socket/,
});

test("receiveuntil keeps its place over a timeout, and a pattern that only began is no part of what it gives", async (t) => {
  const port = await listening(
    t,
    createServer((socket) => {
      socket.on("error", () => {}).setNoDelay(true);
      socket.write("hello\nabcd-");
      socket.once("data", () => {
        socket.write("-gh-");
        socket.once("data", () => socket.end());
      });
    }),
  );
  const code = `local s = open() assert(s:receive() == "hello") s:settimeout(50)
    local read = s:receiveuntil("--")
    ngx.say(read())
    s:send("1") s:settimeout(5000) ngx.say("[", read(), "]") s:send("2") ngx.say(read())`;
  const { body } = await run(t, code, { port });
  t.is(body, "niltimeoutabcd\n[]\nnilclosedgh\n");
});

test("receiveuntil inclusive with a size gives pieces of that size, then the pattern", async (t) => {
  const port = await saying(t, "abcd--x", { stays: true });
  const code = `local read = open():receiveuntil("--", { inclusive = true }) ngx.say(read(4), " ", read(4), " ", (read(4)))
    read = open():receiveuntil("--", { inclusive = true }) ngx.say(read(5), " ", (read(5)))`;
  t.is((await run(t, code, { port })).body, "abcd -- nil\nabcd-- nil\n");
});

test('behind "*a" the end is told: closed and nothing, again and again "" for "*a"', async (t) => {
  const port = await saying(t, "ab");
  const code = `local s = open() ngx.say(s:receive("*a"), "[", s:receive("*a"), "]")
    ngx.say(s:receive(3)) ngx.say(s:receive(3)) local _, _, rest = open():receive(3) ngx.say(rest)`;
  t.is((await run(t, code, { port })).body, "ab[]\nnilclosed\nnilclosed\nab\n");
  const partial = `local s = open() s:receive("*a") local _, err, part = s:receive(3) ngx.say(err, "[", part, "]")`;
  t.is((await run(t, partial, { port })).body, "closed[]\n");
});

test("numbers that are none, too large ones and texts of numbers", async (t) => {
  const port = await saying(t, "abcdefgh", { stays: true });
  const code = `local s = open() s:settimeout(1000)
    local function try(f, ...) return select(2, pcall(s[f], s, ...)) end
    for _, n in ipairs { 0/0, 1e300, -1, "99999999999999999999" } do
      ngx.say(try("receive", n), "; ", try("receiveany", n), "; ", try("settimeout", n))
      ngx.say((select(2, pcall(s:receiveuntil("--"), n))))
    end
    ngx.say(s:receive("0x2"), s:receive(" 2"), s:receive("2.5"))
    ngx.say(ngx.socket.tcp():connect("127.0.0.1", port, { pool_size = "3", backlog = "1" }), ngx.socket.tcp():connect("127.0.0.1", port, 1))
    ngx.say(select(2, pcall(s.connect, s, "127.0.0.1", port, { pool_size = 0/0 })))
    ngx.say(s:connect("127.0.0.1", 0/0)) ngx.say((select(2, pcall(s.connect, s)))) ngx.say(s:bind(1))`;
  const { body } = await run(t, code, { port });
  const bad = [
    "bad argument #1 to '?' (bad pattern argument); bad argument #2 to '?' (bad max argument); bad timeout value",
    "bad argument #1 to '?' (bad size argument)",
  ];
  const lines = body.split("\n").map((line) => line.replace(/'receive'/g, "'?'").replace(/[^ ;]*:\d+: /g, ""));
  for (let i = 0; i < 8; i++) t.is(lines[i], bad[i % 2], body);
  t.deepEqual(lines.slice(8, 10), ["abcdef", "11"]);
  t.regex(lines[10], /bad "pool_size" option value: -?nan/);
  t.regex(lines[11], /^nilbad port number: -?nan$/);
  t.regex(lines[12], /expecting 2, 3, or 4 arguments \(including the object\), but seen 1$/);
  t.is(lines[13], "nilbad address");
});

test("methods of a socket do not take the request's socket for one of their own", async (t) => {
  const s = await startMoonwire(t, {
    server: `location /t { content_by_lua_block {
      ngx.req.read_body()
      local tcp, raw = ngx.socket.tcp(), assert(ngx.req.socket(true))
      local text = table.concat({ select(2, tcp.setkeepalive(raw)), select(2, tcp.connect(raw, "127.0.0.1", 1)) }, "; ")
      raw:send("HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n" .. text) } }`,
  });
  t.is((await s.get("/t")).body, "request socket; request socket");
});
