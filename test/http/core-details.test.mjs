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

wireCase("return 204 for an error_page has the error's status, and a length", {
  server: "location /a { error_page 405 /b; return 405; } location /b { return 204; }",
  send: get("/a"),
  answers: [{ status: 405, body: "", headers: { "Content-Length": "0" } }],
});

wireCase("a redirect to a client that names no host names the address; one to a proxied folder is escaped", {
  server: `location /r { return 301 /to; } location "/a b/" { proxy_pass http://127.0.0.1:1; }`,
  send: `GET /r HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${get("/a%20b?c=d")}`,
  answers: [
    { status: 301, headers: { Location: "http://127.0.0.1:__PORT__/to" } },
    { status: 301, headers: { Location: "http://h.test:__PORT__/a%20b/?c=d" } },
  ],
});

wireCase("control bytes of add_header go out as they are, what ends a line does not", {
  server: 'location / { add_header X "<$uri>"; return 204; }',
  send: get("/%02%0d%0aY:%20z"),
  answers: [{ status: 204, headers: { X: "</\x02%0D%0AY: z>", Y: null } }],
});

wireCase("add_header has one ETag and one Last-Modified, empty ones take them away", {
  files: { "html/a": "a", "html/b": "b" },
  server: `location /a { add_header ETag '"x"'; add_header Last-Modified "Mon, 28 Sep 1970 06:00:00 GMT"; }
    location /b { add_header ETag ""; add_header Last-Modified ""; }`,
  send: get("/a") + get("/b"),
  answers: [
    { body: "a", headers: { ETag: '"x"', "Last-Modified": "Mon, 28 Sep 1970 06:00:00 GMT" } },
    { body: "b", headers: { ETag: null, "Last-Modified": null } },
  ],
});

wireCase("parts of a response have a Content-Range each, and it has none", {
  files: { "html/f": "SEE-THIS" },
  server: "location / { add_header Content-Range stub; }",
  send: get("/f", "Range: bytes=0-2,4-"),
  answers: [{ status: 206, body: /Content-Range: bytes 0-2\/8/, headers: { "Content-Range": null } }],
});

wireCase("variables: $arg_ alone, $content_type of several, $sent_trailer_NAME of several", {
  server: `location /v { return 200 "<$arg_><$arg_a><$content_type>"; }
    location /t { add_trailer Foo a; add_trailer Foo b; add_trailer Own "<$sent_trailer_own>"; add_trailer All $sent_trailer_foo; return 200 ""; }`,
  send: get("/v?=x&a=b", "Content-Type: c", "Content-Type: d") + get("/t", "Connection: close"),
  answers: [{ body: "<><b><c, d>" }, { body: "" }],
  closes: true,
});

test("$sent_trailer_NAME in a trailer: what stands before it, and of its own name what does not ask again", async (t) => {
  const s = await startServer(t, {
    server:
      'location / { add_trailer Foo a; add_trailer Foo "$sent_trailer_foo"; add_trailer Foo b; add_trailer All $sent_trailer_foo; return 200 ""; }',
  });
  const text = String(await s.raw(get("/", "Connection: close")));
  t.true(text.endsWith("\r\n\r\n0\r\nFoo: a\r\nFoo: a, b\r\nFoo: b\r\nAll: a, b\r\n\r\n"), text);
});

wireCase("try_files with alias: in a regex location behind it, in one inside in its place", {
  files: { "d/re.html": "regex", "d/in.html": "inner", "d/sub/x": "" },
  server: `location ~ /re.html { alias __PREFIX__/d; try_files $uri =404; }
    location /in/ { alias __PREFIX__/d/; location ~ html { try_files $uri =404; } try_files other $uri =404; }
    location /name/ { alias __PREFIX__/d/; try_files in.html =404; }`,
  send: get("/re.html") + get("/in/in.html") + get("/in/none.html") + get("/name/x"),
  answers: [{ body: "regex" }, { body: "inner" }, { status: 404 }, { body: "inner" }],
});

wireCase("try_files with alias: a name without variables stands behind the alias as a whole", {
  files: { "d/sub/f.txt": "inner", "d/own/f.txt": "whole" },
  server: `location /own/ { alias __PREFIX__/d/; try_files $uri /own/f.txt =404; }
    location /sub/ { alias __PREFIX__/d/; try_files /sub/none.txt $uri =404; }
    location /gone/ { alias __PREFIX__/d/sub/; try_files $uri /gone/f.txt =404; }
    location /made/ { alias __PREFIX__/d/sub/; try_files $uri /made/$arg_q =404; }
    location ~ ^/bare/(.*) { alias __PREFIX__/d/sub/; try_files $1 f.txt =404; }`,
  send:
    get("/own/x") +
    get("/own/sub/f.txt") +
    get("/sub/none.txt") +
    get("/gone/x") +
    get("/made/x?q=f.txt") +
    get("/bare/x"),
  answers: [
    { body: "whole" },
    { body: "inner" },
    { status: 404 },
    { status: 404 },
    { body: "inner" },
    { body: "inner" },
  ],
});

wireCase("folders behind a regex location's alias: the first index file there is, a list, 403", {
  files: { "d/both/b": "the b", "d/list/x": "x", "d/html/index.html": "html" },
  server: `location ~ ^/b/(.*)$ { alias __PREFIX__/d/$1; index a b; } location ~ ^/no/(.*)$ { alias __PREFIX__/d/$1; }
    location ~ ^/list/(.*)$ { alias __PREFIX__/d/$1; autoindex on; }`,
  send: ["/b/both/", "/b/list/", "/no/html/", "/no/list/", "/no/none/", "/list/list/", "/list/html/", "/list/list/x"]
    .map((path) => get(path))
    .join(""),
  answers: [
    { body: "the b" },
    { status: 403 },
    { body: "html" },
    { status: 403 },
    { status: 404 },
    { body: /<h1>Index of \/list\/list\/<\/h1>[^]*<a href="x">x<\/a>/ },
    { body: "html" },
    { body: "x" },
  ],
});

wireCase("msie_padding, msie_refresh", {
  server: `location / { return 404; } location /off { msie_padding off; return 404; }
    location /go { msie_refresh on; return 301 'a "b'; }`,
  send:
    get("/", "User-Agent: Mozilla/5.0 Chrome/1.0 Safari/1") +
    get("/", "User-Agent: curl") +
    get("/off", "User-Agent: x MSIE 7.0") +
    get("/go", "User-Agent: x MSIE 7.0") +
    get("/go"),
  answers: [
    { status: 404, body: /^[^]{512,}$/ },
    { status: 404, body: /^[^]{100,300}$/ },
    { status: 404, body: /^[^]{100,300}$/ },
    { body: /"Refresh" content="0; URL=a%20%22b"/, headers: { Location: null } },
    { status: 301, headers: { Location: 'a "b' } },
  ],
});

test("mirror sends a copy again after an internal redirect", async (t) => {
  const s = await startServer(t, {
    http: "log_format u $uri;",
    files: { "html/index.html": "" },
    server: "location / { mirror /mirror; } location /mirror { log_subrequest on; access_log logs/m.log u; }",
  });
  await s.get("/");
  await s.server.close?.();
  t.is(s.log("logs/m.log"), "/mirror\n/mirror\n");
});
