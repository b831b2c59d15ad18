// SPDX-License-Identifier: MIT
// ngx.req.socket(true): the client's connection itself, both ways; the response is the handler's, and so is the end.
import test from "ava";
import { startServer } from "../helpers/api.js";
import { openWire, wireCase } from "../helpers/wire.js";
import { waitFor } from "../helpers/index.js";

const location = (code, more = "") => `location /t { ${more} content_by_lua_block { ${code} } }`;
const post = (body, more = "") => `POST /t HTTP/1.1\r\nHost: a\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
const get = "GET /t HTTP/1.1\r\nHost: a\r\n\r\n";
const pause = (ms) => new Promise((next) => setTimeout(next, ms));

wireCase("a response of the handler's own; the body, and what follows it, are there to be read", {
  server: location(`local s = assert(ngx.req.socket(true))
    local text = s:receive(5) .. s:receive("*l")
    ngx.say(s:send({ "HTTP/1.1 200 OK\\r\\nContent-Length: ", #text, "\\r\\n\\r\\n", { text } }))`),
  send: [`${post("hello")} and`, 20, " more\n"],
  answers: [{ body: "hello and more" }],
  closes: true,
});

wireCase("after a header that ngx.send_headers wrote, without a flush", {
  server: location(`ngx.status = 101 ngx.header.Upgrade = "own" ngx.send_headers()
    local s = assert(ngx.req.socket(true))
    local line = s:receive()
    s:send("HTTP/1.1 200 OK\\r\\nContent-Length: " .. #line .. "\\r\\n\\r\\n" .. line)`),
  send: [get, 30, "over to you\n"],
  answers: [{ status: 101, headers: { Upgrade: "own" } }, { body: "over to you" }],
  closes: true,
});

wireCase("the answers before it on a pipelined connection come first", {
  server: `location /a { content_by_lua_block { ngx.say("a") } }
    ${location(`local s = assert(ngx.req.socket(true)) s:send("HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\nt")`)}`,
  send: `GET /a HTTP/1.1\r\nHost: a\r\n\r\n${get}GET /a HTTP/1.1\r\nHost: a\r\n\r\n`,
  answers: [{ body: "a\n" }, { body: "t" }],
  closes: true,
});

wireCase("the response API is closed then, and so is a second call", {
  server: location(`local s = assert(ngx.req.socket(true))
    local said = {}
    for i, f in ipairs { ngx.say, ngx.print, ngx.flush, ngx.eof, ngx.send_headers } do
      local ok, err = f() said[i] = tostring(ok) .. " " .. tostring(err)
    end
    said[6] = select(2, ngx.req.socket(true)) said[7] = select(2, ngx.req.socket())
    said[8] = type(s.close) .. type(s.connect) .. type(s:getfd()) said[9] = tostring(ngx.headers_sent)
    local text = table.concat(said, ",")
    s:send("HTTP/1.1 200 OK\\r\\nContent-Length: " .. #text .. "\\r\\n\\r\\n" .. text)`),
  send: get,
  answers: [
    {
      body:
        `${"nil raw request socket acquired,".repeat(4)}1 nil,duplicate call,request body already exists,` +
        "nilnilnumber,true",
    },
  ],
  closes: true,
});

test("refused while somebody reads the body; HTTP/1.0 output is buffered", async (t) => {
  const s = await startServer(t, {
    server: location(`if ngx.req.http_version() == 1.0 then ngx.say("buffered")
      else ngx.thread.spawn(ngx.var.http_how and function() ngx.req.socket():receive("*a") end or ngx.req.read_body) end
      ngx.log(ngx.WARN, "refusal: ", select(2, ngx.req.socket(true)), ".") ngx.exit(444)`),
  });
  const half = "Host: a\r\nContent-Length: 10\r\n\r\nab";
  for (const [head, text] of [
    [`POST /t HTTP/1.1\r\n${half}`, "pending request body reading in some other thread"],
    [`POST /t HTTP/1.1\r\nHow: stream\r\n${half}`, "pending request body reading in some other thread"],
    [`GET /t HTTP/1.0\r\nHost: a\r\n\r\n`, "http 1.0 buffering"],
  ]) {
    const before = s.log().length;
    const wire = openWire(t, s);
    wire.send(head);
    await wire.closed();
    t.true(s.log().slice(before).includes(`refusal: ${text}.`), s.log().slice(before));
  }
});

test("full duplex: one light thread reads, another writes", async (t) => {
  const s = await startServer(t, {
    server: location(`ngx.status = 101 ngx.send_headers() ngx.flush(true)
      local s = assert(ngx.req.socket(true))
      local writer = ngx.thread.spawn(function() for i = 1, 3 do s:send("tick " .. i .. "\\n") ngx.sleep(0.02) end end)
      while true do
        local line, err = s:receive()
        if not line then s:send("end: " .. err .. "\\n") break end
        s:send("> " .. line .. "\\n")
      end
      ngx.thread.wait(writer)`),
  });
  const wire = openWire(t, s);
  wire.send(get);
  await wire.response();
  for (const word of ["one", "two"]) {
    wire.send(`${word}\n`);
    await waitFor(() => wire.text.includes(`> ${word}\n`), word);
  }
  await waitFor(() => wire.text.includes("tick 3\n"), "the writer");
  wire.half();
  await waitFor(() => wire.text.includes("end: closed\n"), "the end of the stream");
  await wire.closed();
  t.is(wire.text.split("\n").length, 7);
});

test("a megabyte each way at once", async (t) => {
  const s = await startServer(t, {
    server: location(`local s = assert(ngx.req.socket(true))
      local writer = ngx.thread.spawn(function() return s:send(("o"):rep(1048576)) end)
      local n = 0
      while n < 1048576 do n = n + #assert(s:receiveany(65536)) end
      local _, sent = ngx.thread.wait(writer)
      s:send(" in " .. n .. " out " .. sent)`),
  });
  const wire = openWire(t, s);
  wire.send(get).send("i".repeat(1048576));
  await wire.closed();
  t.is(wire.text.length, 1048576 + " in 1048576 out 1048576".length);
  t.true(wire.text.endsWith("o in 1048576 out 1048576"));
});

test("a client that takes nothing: the send times out, the socket is closed for writing, the connection ends", async (t) => {
  const s = await startServer(t, {
    server: location(`local s = assert(ngx.req.socket(true)) s:settimeouts(0, 100, 0)
      ngx.log(ngx.WARN, "send: ", s:send(("x"):rep(20000000))) ngx.log(ngx.WARN, "again: ", s:send("x"))`),
  });
  const wire = openWire(t, s);
  wire.socket.pause();
  wire.send(get);
  await waitFor(() => /again: nilclosed/.test(s.log()), "the log");
  t.regex(s.log(), /lua tcp socket write timed out[^]*send: niltimeout/);
  t.regex(s.log(), /attempt to send data on a closed socket/);
  wire.socket.resume();
  await wire.closed();
});

test("a client that goes: what a reader, a writer and a sleeper learn", async (t) => {
  const s = await startServer(t, {
    server: `location /read { content_by_lua_block { local s = assert(ngx.req.socket(true))
        ngx.log(ngx.WARN, "read: ", s:receive()) } }
      location /reset { content_by_lua_block { local s = assert(ngx.req.socket(true)) s:send("go")
        ngx.log(ngx.WARN, "reset: ", s:receive()) ngx.log(ngx.WARN, "sent: ", s:send("x")) } }
      location /told { lua_check_client_abort on; content_by_lua_block {
        ngx.on_abort(function() ngx.log(ngx.WARN, "aborted") end)
        local s = assert(ngx.req.socket(true)) ngx.log(ngx.WARN, "told: ", s:receive()) } }
      location /sleep { lua_check_client_abort on; content_by_lua_block { local s = assert(ngx.req.socket(true))
        ngx.on_abort(function() ngx.log(ngx.WARN, "woken by abort") ngx.exit(499) end) ngx.sleep(100) } }`,
  });
  const run = async (path, how, seen) => {
    const wire = openWire(t, s);
    wire.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\npart`);
    await pause(50);
    await how(wire);
    await t.notThrowsAsync(
      waitFor(() => seen.test(s.log()), String(seen)),
      s.log(),
    );
  };
  await run("/read", (wire) => wire.half(), /read: nilclosedpart/);
  await run(
    "/reset",
    async (wire) => {
      await waitFor(() => wire.text === "go", "go"); // a reset before the request is read is no request
      wire.socket.resetAndDestroy();
    },
    /reset: nilconnection reset by peerpart[^]*sent: nilbroken pipe/,
  );
  await run("/told", (wire) => wire.half(), /told: nilclient abortedpart/);
  await run("/sleep", (wire) => wire.half(), /woken by abort/);
});

for (const [how, code] of [
  ["ngx.exit(444)", "ngx.exit(444)"],
  ["an error", `error("oh")`],
  ["the end of the handler", ""],
])
  test(`ends with ${how}, whoever still waits`, async (t) => {
    const s = await startServer(t, {
      server: location(`local s = assert(ngx.req.socket(true)) s:send("hello")
        local t = ngx.thread.spawn(function() s:receive("*a") end)
        ${code === "" ? "ngx.thread.kill(t)" : ""} ${code}`),
    });
    const wire = openWire(t, s);
    wire.send(get);
    await waitFor(() => wire.text === "hello", "hello");
    await wire.closed();
    t.is(wire.text, "hello");
  });
