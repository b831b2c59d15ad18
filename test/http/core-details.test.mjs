// SPDX-License-Identifier: MIT
// The http core's small print: bodies, hosts, redirects, headers and variables as nginx has them.
import { existsSync, readFileSync } from "node:fs";
import test from "ava";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

const get = (target, ...fields) => [`GET ${target} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");

test("client_body_in_file_only: the file stays with on, and goes with clean", async (t) => {
  const say = "content_by_lua_block { ngx.req.read_body() ngx.print(ngx.req.get_body_file() or '') }";
  const s = await startServer(t, {
    server: `location /on { client_body_in_file_only on; ${say} } location /clean { client_body_in_file_only clean; ${say} }`,
  });
  const post = async (path) => (await s.get(path, { method: "POST", body: "text" })).body;
  t.is(readFileSync(await post("/on"), "utf8"), "text");
  const gone = await post("/clean");
  t.regex(gone, /\/\d{10}$/);
  t.false(existsSync(gone));
});

test("Expect: 100-continue is answered, body or not, where the body is asked for", async (t) => {
  const s = await startServer(t, {
    server: 'location / { content_by_lua_block { ngx.req.read_body() ngx.print("x") } } location /no { return 200 n; }',
  });
  const wire = openWire(t, s).send(get("/", "Expect: 100-Continue", "Content-Length: 0"));
  t.is((await wire.response()).status, 100);
  t.is((await wire.response()).body, "x");
  wire.send(get("/no", "Expect: 100-continue", "Content-Length: 0"));
  t.is((await wire.response()).body, "n");
  wire.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na");
  t.is((await wire.response()).body, "x");
});

test("a body that nobody reads is thrown away before the answer, and while it goes out", async (t) => {
  const s = await startServer(t, { files: { "html/f": "file" }, server: "location = /r { return 200 r; }" });
  const wire = openWire(t, s);
  for (const [path, body] of [
    ["/r", "r"],
    ["/f", "file"],
  ]) {
    wire.send(`GET ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234`);
    t.is((await wire.response()).body, body);
    wire.send(`56789${get("/r")}`);
    t.is((await wire.response()).body, "r");
  }
});

wireCase("a redirect to a client that names no host names the address; one to a proxied folder is escaped", {
  server: `location /r { return 301 /to; } location "/a b/" { proxy_pass http://127.0.0.1:1; }`,
  send: `GET /r HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${get("/a%20b?c=d")}`,
  answers: [
    { status: 301, headers: { Location: "http://127.0.0.1:__PORT__/to" } },
    { status: 301, headers: { Location: "http://h.test:__PORT__/a%20b/?c=d" } },
  ],
});

