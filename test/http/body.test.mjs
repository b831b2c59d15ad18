// SPDX-License-Identifier: MIT
// Request bodies: framing, where they are kept, what becomes of those nobody reads, limits and timeouts.
import test from "ava";
import { readFileSync, readdirSync } from "node:fs";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

const server = `location /read { content_by_lua_block { ngx.req.read_body()
    local data, file = ngx.req.get_body_data(), ngx.req.get_body_file()
    ngx.print(file and "file " or "memory ", file and #io.open(file):read("*a") or data or "nothing") } }
  location /echo { content_by_lua_block { ngx.req.read_body() ngx.print(io.open(ngx.req.get_body_file()):read("*a")) } }
  location / { return 200 "$uri"; }
  location /refuse { return 403; }
  location /late { content_by_lua_block { ngx.sleep(0.1) ngx.req.read_body() ngx.print(ngx.req.get_body_data()) } }`;
const post = (path, body, ...fields) =>
  ["POST " + path + " HTTP/1.1", "Host: a", `Content-Length: ${body.length}`, ...fields, "", body].join("\r\n");
const chunks = (path, body, ...fields) =>
  ["POST " + path + " HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", ...fields, "", body].join("\r\n");
const get = (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const big = "0123456789".repeat(3000);

wireCase("a body in memory, and what follows it in the same write", {
  server,
  send: post("/read", "hello") + get("/2"),
  answers: [{ body: "memory hello" }, { body: "/2" }],
});

wireCase("a body in three writes", {
  server,
  send: [post("/read", "0123456789").slice(0, -7), 30, "345", 30, "6789" + get("/2")],
  answers: [{ body: "memory 0123456789" }, { body: "/2" }],
});

wireCase("a chunked body with extensions and trailers, cut anywhere", {
  server,
  send: [...chunks("/read", "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\nZ: z\r\n\r\n"), get("/2")],
  answers: [{ body: "memory abcde" }, { body: "/2" }],
});

wireCase("an empty chunked body", {
  server,
  send: chunks("/read", "0\r\n\r\n") + get("/2"),
  answers: [{ body: "memory nothing" }, { body: "/2" }],
});

for (const [kind, bytes] of [
  ["sized", post("/read", big)],
  ["chunked", chunks("/read", `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`)],
])
  wireCase(`a ${kind} body past client_body_buffer_size is in a file`, {
    server: `client_body_buffer_size 8k; ${server}`,
    send: bytes + get("/2"),
    answers: [{ body: "file 30000" }, { body: "/2" }],
    log: /\[warn\] .*: \*\d+ a client request body is buffered to a temporary file \S+, client: 127\.0\.0\.1/,
  });

test.serial("small chunks are collected before they are written to the body's file", async (t) => {
  const s = await startServer(t, { server: `client_body_buffer_size 1k; ${server}` });
  const writes = () => Number(/^syscw: (\d+)$/m.exec(readFileSync("/proc/self/io", "latin1"))[1]);
  const before = writes();
  const sent = big + "x".repeat(20000);
  const bytes = `${big.length.toString(16)}\r\n${big}\r\n${"1\r\nx\r\n".repeat(20000)}0\r\n\r\n`;
  const wire = openWire(t, s).send(chunks("/read", bytes).replace("/read", "/echo"));
  t.is((await wire.response()).body, sent);
  t.true(writes() - before < 5000, `${writes() - before} writes`);
});

test("the body's file is gone with its request", async (t) => {
  const s = await startServer(t, {
    files: { "body/keep": "" },
    server: `client_body_temp_path __PREFIX__/body; client_body_buffer_size 1k; ${server}`,
  });
  const wire = openWire(t, s).send(post("/read", big) + get("/2"));
  t.is((await wire.response()).body, "file 30000");
  await wire.response();
  t.deepEqual(readdirSync(`${s.prefix}/body`), ["keep"]);
});

test("client_body_temp_path: the folders of locations are made, too", async (t) => {
  const handler = "content_by_lua_block { ngx.req.read_body() ngx.print(ngx.req.get_body_file()) }";
  const s = await startServer(t, {
    server: `client_body_buffer_size 1k;
      location /outer { client_body_temp_path __PREFIX__/of/outer; ${handler}
        location /outer/inner { client_body_temp_path __PREFIX__/of/inner; ${handler} } }`,
  });
  for (const [path, folder] of [
    ["/outer", "outer"],
    ["/outer/inner", "inner"],
  ]) {
    const { status, body } = await openWire(t, s).send(post(path, big)).response();
    t.is(status, 200, path);
    t.true(body.startsWith(`${s.prefix}/of/${folder}/`), body);
  }
});

for (const [kind, bytes] of [
  ["sized", post("/1", "GET /never HTTP/1.1\r\nHost: a\r\n\r\n")],
  ["chunked", chunks("/1", "5\r\nGET /\r\n0\r\n\r\n")],
])
  wireCase(`a ${kind} body that nobody reads is thrown away, and the connection goes on`, {
    server,
    send: [bytes.slice(0, -8), 40, bytes.slice(-8) + get("/2")],
    answers: [{ body: "/1" }, { body: "/2" }],
  });

wireCase("a refused request's body is thrown away too", {
  server,
  send: post("/refuse", big) + get("/2"),
  answers: [403, { body: "/2" }],
});

wireCase("a body that arrives before its reader", {
  server,
  send: [post("/late", "hello") + get("/2")],
  answers: [{ body: "hello" }, { body: "/2" }],
});

test("Expect: 100-continue is answered when the body is asked for", async (t) => {
  const s = await startServer(t, { server });
  const wire = openWire(t, s).send(post("/read", "hello", "Expect: 100-continue").slice(0, -5));
  const first = await wire.response();
  t.is(first.status, 100);
  t.deepEqual(first.fields, []);
  wire.send("hello" + get("/2"));
  t.is((await wire.response()).body, "memory hello");
  t.is((await wire.response()).body, "/2");
});

wireCase("no 100 when the body is there already", {
  server,
  send: post("/read", "hello", "Expect: 100-continue"),
  answers: { body: "memory hello" },
  ours: "nginx sends it all the same",
});

wireCase("no 100 for HTTP/1.0", {
  server,
  send: ["POST /read HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 40, "hello"],
  answers: { body: "memory hello" },
  closes: true,
});

wireCase("a final answer instead of 100 closes, since the body may come or not", {
  server,
  send: post("/refuse", "", "Expect: 100-continue").replace("Length: 0", "Length: 5"),
  answers: { status: 403, headers: { Connection: "close" } },
  closes: true,
  ours: "nginx reads on as if the body came",
});

wireCase("413 for a Content-Length past client_max_body_size, before the body", {
  server: `client_max_body_size 10; ${server}`,
  send: "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
  answers: { status: 413, body: /413 Request Entity Too Large/, headers: { Connection: "close" } },
  closes: true,
  log: /\[error\] .* client intended to send too large body: 11 bytes, client: /,
});

wireCase("413 for chunks past client_max_body_size", {
  server: `client_max_body_size 10; ${server}`,
  send: chunks("/read", "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n") + get("/never"),
  answers: { status: 413, headers: { Connection: "close" } },
  closes: true,
  log: /client intended to send too large chunked body: /,
});

wireCase("client_max_body_size 0 is no limit; a location has its own", {
  server: `client_max_body_size 3; location /a { client_max_body_size 0; ${"content_by_lua_block { ngx.req.read_body() ngx.print(#ngx.req.get_body_data()) }"} }
    location /b { client_max_body_size 5; return 200 ok; }`,
  send: post("/a", "0123456789") + post("/b", "01234") + post("/b", "012345"),
  answers: [{ body: "10" }, { body: "ok" }, 413],
  closes: true,
});

wireCase("client_body_timeout closes in silence", {
  server: `client_body_timeout 300ms; ${server}`,
  send: post("/read", "hello").slice(0, -1),
  answers: [],
  closes: true,
});

wireCase("client_body_timeout counts between two reads", {
  server: `client_body_timeout 300ms; ${server}`,
  send: [post("/read", "01234").slice(0, -5), 150, "0", 150, "1", 150, "2", 150, "34"],
  answers: { body: "memory 01234" },
  ours: "nginx leaves a timer alone that moves by less than 300 ms",
});

wireCase("client_body_min_rate ends a body that dribbles", {
  server: `client_body_timeout 200ms; client_body_min_rate 1000; ${server}`,
  send: [post("/read", big).slice(0, 80), 100, "1", 100, "1", 100, "1", 100, "1", 100, "1"],
  answers: [],
  closes: true,
  ours: "a directive of our own",
});

wireCase("a client that ends within its body", {
  server,
  send: post("/read", "hello").slice(0, -1),
  half: true,
  answers: [],
  closes: true,
  log: /client prematurely closed connection/,
});

wireCase("an answer while the body still comes: it can be read, and the rest is dropped", {
  server: `client_max_body_size 1k; lingering_time 5s; ${server}`,
  send: [post("/read", "x".repeat(500_000))],
  answers: 413,
  closes: true,
});

for (const [how, read] of [
  ["read", "ngx.req.read_body()"],
  ["taken as a stream", "ngx.req.socket():receive(5)"],
])
  wireCase(`no 100 Continue within a response: a body that is ${how} late`, {
    ours: "nginx writes it between the chunks",
    server: `location / { content_by_lua_block { ngx.print("a") ngx.flush(true) ${read} ngx.print("b") } }`,
    send: [post("/", "hello", "Expect: 100-continue").slice(0, -5), 100, "hello"],
    answers: { body: "ab" },
  });

wireCase("a handler that sets Content-Length: 0 waits for no body, and what comes is no request", {
  ours: "nginx takes the body for the next request",
  server: `location / { content_by_lua_block { ngx.req.set_header("Content-Length", 0) ngx.req.read_body()
    ngx.say(ngx.req.get_body_data()) } }`,
  send: [post("/", "hello").slice(0, -5), 300, "hello"],
  answers: { body: "nil\n" },
  closes: true,
});

test("and is answered before that body comes", async (t) => {
  const s = await startServer(t, {
    server: `location / { content_by_lua_block { ngx.req.set_header("Content-Length", 0) ngx.req.read_body() } }`,
  });
  t.is((await openWire(t, s).send(post("/", "hello").slice(0, -5)).response({ timeout: 2000 })).status, 200);
});
