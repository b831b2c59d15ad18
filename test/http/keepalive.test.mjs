// SPDX-License-Identifier: MIT
// How long a connection lives: keep-alive in both versions, pipelining, HEAD, limits by count and by time.
import test from "ava";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

const server = `location / { return 200 "$uri"; } location /lua { content_by_lua_block { ngx.say("hi") } }
  location /wait { content_by_lua_block { ngx.sleep(0.05) ngx.print(ngx.var.uri) } }
  location /flush { content_by_lua_block { ngx.print("a") ngx.flush() ngx.print("b") } }`;
const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");
const get10 = (path, ...fields) => [`GET ${path} HTTP/1.0`, ...fields, "", ""].join("\r\n");

wireCase("HTTP/1.1 keeps the connection", {
  server,
  send: [get("/1"), 20, get("/2")],
  answers: [{ body: "/1", headers: { Connection: "keep-alive" } }, { body: "/2" }],
});

wireCase("Connection: close is honoured, in any case and among other tokens", {
  server,
  send: get("/1", "Connection: foo, CLOSE"),
  answers: { body: "/1", headers: { Connection: "close" } },
  closes: true,
});

wireCase("HTTP/1.0 closes by default and needs no Host", {
  server,
  send: get10("/1"),
  answers: { body: "/1", headers: { Connection: "close" } },
  closes: true,
});

wireCase("HTTP/1.0 with Connection: keep-alive stays", {
  server,
  send: [get10("/1", "Connection: keep-alive"), get10("/2", "Connection: Keep-Alive")],
  answers: [{ body: "/1", headers: { Connection: "keep-alive" } }, { body: "/2" }],
});

wireCase("HTTP/1.0 gets no chunks: a body of unknown length ends with the connection", {
  server: `lua_http10_buffering off; ${server}`,
  send: get10("/flush", "Connection: keep-alive"),
  answers: { body: "ab", headers: { "Transfer-Encoding": null, Connection: "close" } },
  closes: true,
});

wireCase("HTTP/1.1 gets chunks where the length is not known", {
  server,
  send: get("/flush"),
  answers: { body: "ab", headers: { "Transfer-Encoding": "chunked", "Content-Length": null } },
});

wireCase("pipelined requests are answered in order", {
  server,
  send: ["/1", "/wait", "/2", "/lua", "/flush", "/3"].map((p) => get(p)).join(""),
  answers: ["/1", "/wait", "/2", "hi\n", "ab", "/3"].map((body) => ({ body })),
});

wireCase("pipelined requests behind a close are not answered", {
  server,
  send: get("/1") + get("/2", "Connection: close") + get("/3"),
  answers: [{ body: "/1" }, { body: "/2" }],
  closes: true,
});

wireCase("HEAD has the header of GET and no body", {
  server,
  send: "HEAD /12345 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/2"),
  answers: [{ head: true, headers: { "Content-Length": "6" } }, { body: "/2" }],
});

wireCase("HEAD of an error page", {
  server: "location / { return 404; }",
  send: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/2"),
  answers: [{ head: true, status: 404, headers: { "Content-Length": /^\d+$/, "Content-Type": "text/html" } }, 404],
});

wireCase("HEAD of a handler that prints", {
  server,
  send: "HEAD /flush HTTP/1.1\r\nHost: a\r\n\r\n" + get("/2"),
  answers: [{ head: true }, { body: "/2" }],
});

wireCase("keepalive_requests", {
  server: `keepalive_requests 2; ${server}`,
  send: get("/1") + get("/2") + get("/3"),
  answers: [
    { body: "/1", headers: { Connection: "keep-alive" } },
    { body: "/2", headers: { Connection: "close" } },
  ],
  closes: true,
});

wireCase("keepalive_timeout 0 closes after each", {
  server: `keepalive_timeout 0; ${server}`,
  send: get("/1"),
  answers: { body: "/1", headers: { Connection: "close" } },
  closes: true,
});

wireCase("keepalive_timeout's second number is told", {
  server: `keepalive_timeout 9s 7s; ${server}`,
  send: get("/1"),
  answers: { body: "/1", headers: { Connection: "keep-alive", "Keep-Alive": "timeout=7" } },
});

wireCase("empty lines before a request are skipped", {
  server,
  send: "\r\n" + get("/1") + "\r\n" + get("/2"),
  answers: [{ body: "/1" }, { body: "/2" }],
});

test("keepalive_timeout closes an idle connection", async (t) => {
  const s = await startServer(t, { server: `keepalive_timeout 1s; ${server}` });
  const wire = openWire(t, s).send(get("/1"));
  await wire.response();
  const ms = await wire.closed();
  t.true(ms > 700 && ms < 1700, `${ms} ms`);
  t.is(wire.text, "");
});

test("a request in single bytes", async (t) => {
  const s = await startServer(t, { server });
  const wire = openWire(t, s);
  for (const byte of get("/1", "X: y")) {
    wire.send(byte);
    await new Promise((next) => setImmediate(next));
  }
  t.is((await wire.response()).body, "/1");
});

test("500 pipelined requests, written in uneven pieces", async (t) => {
  const s = await startServer(t, { server });
  const wire = openWire(t, s);
  const bytes = Array.from({ length: 500 }, (_, i) => get(`/${i}`)).join("");
  for (let at = 0; at < bytes.length; at += 1237) wire.send(bytes.slice(at, at + 1237));
  for (let i = 0; i < 500; i++) t.is((await wire.response()).body, `/${i}`);
});

test("keepalive_time ends a connection of that age with its next answer", async (t) => {
  const s = await startServer(t, { server: `keepalive_time 300ms; ${server}` });
  const wire = openWire(t, s).send(get("/1"));
  t.deepEqual((await wire.response()).headers.connection, ["keep-alive"]);
  await new Promise((next) => setTimeout(next, 500));
  wire.send(get("/2"));
  t.deepEqual((await wire.response()).headers.connection, ["close"]);
  await wire.closed();
});

const agents = {
  msie6: "Mozilla/4.0 (compatible; MSIE 6.0)",
  sv1: "Mozilla/4.0 (compatible; MSIE 6.0; SV1)",
  msie7: "MSIE 7.0",
  opera: "MSIE 5.0 Opera",
  safari: "Mac OS X Safari/7534.48.3",
  chrome: "Mac OS X Chrome/1 Safari/7534",
};
test("keepalive_disable: old browsers' POST by default, all of Safari, or none", async (t) => {
  const s = await startServer(t, {
    server: `location / { return 200; } location /safari { keepalive_disable safari; return 200; }
      location /none { keepalive_disable none; return 200; } location /both { keepalive_disable msie6 safari; return 200; }`,
  });
  const closed = async (method, path) => {
    const out = [];
    for (const [name, agent] of Object.entries(agents)) {
      const wire = openWire(t, s).send(`${method} ${path} HTTP/1.1\r\nHost: a\r\nUser-Agent: ${agent}\r\n\r\n`);
      if ((await wire.response()).headers.connection[0] === "close") out.push(name);
    }
    return out.join(" ");
  };
  t.is(await closed("POST", "/"), "msie6");
  t.is(await closed("GET", "/"), "");
  t.is(await closed("GET", "/safari"), "safari");
  t.is(await closed("POST", "/safari"), "safari");
  t.is(await closed("POST", "/none"), "");
  t.is(await closed("POST", "/both"), "msie6 safari");
});

test("a pipelined request whose body is cut off by the end of the stream ends with its connection, and nothing else", async (t) => {
  const s = await startServer(t, {
    server: `${server} location /body { content_by_lua_block { ngx.req.read_body() ngx.say("read") } }`,
  });
  const cut = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234";
  const wire = openWire(t, s).send(get("/wait") + cut);
  wire.half();
  t.is((await wire.response()).body, "/wait");
  await wire.closed();
  t.is((await s.get("/1")).body, "/1");
});
