// SPDX-License-Identifier: MIT
// What answers without Lua: return, error_page, try_files, index, root, alias, add_header, types, internal, conditions.
import { wireCase } from "../helpers/wire.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");

wireCase("return: text, code, redirects", {
  server: `default_type text/x-own; location /text { return 201 "made $uri"; } location /code { return 410; }
    location /url { return "http://x.test/$arg_a"; } location /to { return 301 /there?$args; }
    location /303 { return 303 http://y.test/; } location /308 { return 308 /x; } location /nothing { return 204; }
    location /empty { return 200; } location /own { return 404 "own text"; }`,
  send: ["/text", "/code", "/url?a=1", "/to?b=2", "/303", "/308", "/nothing", "/empty", "/own"]
    .map((p) => get(p))
    .join(""),
  answers: [
    { status: 201, body: "made /text", headers: { "Content-Type": "text/x-own" } },
    { status: 410, body: /<title>410 Gone<\/title>/, headers: { "Content-Type": "text/html" } },
    { status: 302, body: /<title>302 Found<\/title>/, headers: { Location: "http://x.test/1" } },
    { status: 301, headers: { Location: "http://h.test:__PORT__/there?b=2" } },
    { status: 303, headers: { Location: "http://y.test/" } },
    { status: 308, headers: { Location: "http://h.test:__PORT__/x" } },
    { status: 204, headers: { "Content-Length": null, "Transfer-Encoding": null } },
    { status: 200, body: "", headers: { "Content-Length": "0" } },
    { status: 404, body: "own text", headers: { "Content-Type": "text/x-own" } },
  ],
});

wireCase("return 444 closes without an answer", {
  server: "return 444;",
  send: get("/"),
  answers: [],
  closes: true,
});

wireCase("return in the server comes before locations", {
  server: `return 200 server; location / { return 200 location; }`,
  send: get("/"),
  answers: { body: "server" },
});

wireCase("absolute_redirect, port_in_redirect, server_name_in_redirect", {
  server: `server_name n.test; location /a { absolute_redirect off; return 301 /x; } location /b { port_in_redirect off; return 301 /x; }
    location /c { server_name_in_redirect on; return 301 /x; }`,
  send: get("/a") + get("/b") + get("/c"),
  answers: [
    { status: 301, headers: { Location: "/x" } },
    { status: 301, headers: { Location: "http://h.test/x" } },
    { status: 301, headers: { Location: "http://n.test:__PORT__/x" } },
  ],
});

wireCase("error_page: page, other status, the page's own, named, redirect, arguments", {
  server: `location /plain { error_page 404 /e; return 404; } location /other { error_page 404 =200 /e; return 404; }
    location /its { error_page 404 = /own; return 404; } location /named { error_page 403 404 @named; return 404; }
    location /redirect { error_page 404 http://x.test$uri; return 404; } location /r301 { error_page 404 =301 http://x.test/; return 404; }
    location /args { error_page 404 /e?from=$uri; return 404; } location /none { error_page 500 /e; return 404; }
    location = /e { internal; content_by_lua_block { ngx.print("page ", ngx.var.args or "", " ", ngx.var.request_uri, " ", ngx.var.uri) } }
    location = /own { return 202 own; } location @named { return 402 "named $uri"; }`,
  send: ["/plain?q", "/other", "/its", "/named", "/redirect", "/r301", "/args", "/none", "/e"]
    .map((p) => get(p))
    .join(""),
  answers: [
    { status: 404, body: "page  /plain?q /e" },
    { status: 200, body: "page  /other /e" },
    { status: 202, body: "own" },
    { status: 404, body: "named /named" },
    { status: 302, headers: { Location: "http://x.test/redirect" } },
    { status: 301, headers: { Location: "http://x.test/" } },
    { status: 404, body: "page from=/args /args" + " /e" },
    { status: 404, body: /404 Not Found/ },
    { status: 404, body: /404 Not Found/ },
  ],
});

wireCase("error_page for a missing file; a missing page is answered with the built-in one", {
  files: { "html/404.html": "mine" },
  server: `root __PREFIX__/html; error_page 404 /404.html; location /x { error_page 404 /gone.html; }`,
  send: get("/none") + get("/x") + get("/404.html"),
  answers: [
    { status: 404, body: "mine" },
    { status: 404, body: /<center><h1>404 Not Found/ },
    { status: 200, body: "mine" },
  ],
});

wireCase("error_page turns POST into GET, and keeps it for a named location", {
  server: `location /a { error_page 405 =200 /page; return 405; } location /b { error_page 405 =200 @page; return 405; }
    location /page { content_by_lua_block { ngx.print(ngx.req.get_method()) } }
    location @page { content_by_lua_block { ngx.print(ngx.req.get_method()) } }`,
  send: ["/a", "/b"].map((p) => `POST ${p} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy`).join(""),
  answers: [{ body: "GET" }, { body: "POST" }],
});

wireCase("error_page is inherited until a level has its own", {
  http: "error_page 404 /h;",
  server: `location /a { return 404; } location /b { error_page 403 /h; return 404; } location /h { return 200 h; }`,
  send: get("/a") + get("/b"),
  answers: [
    { status: 404, body: "h" },
    { status: 404, body: /404 Not Found/ },
  ],
});

const tree = {
  "html/a.txt": "a",
  "html/dir/index.html": "index",
  "html/dir/two.html": "two",
  "html/empty/x": "",
  "html/fallback.html": "fallback",
  "other/b.txt": "b",
};

wireCase("try_files: file, directory, status, named, uri", {
  files: tree,
  server: `root __PREFIX__/html; location / { try_files $uri $uri/ =404; } location /named { try_files $uri @n; }
    location @n { return 200 "named $uri"; } location /uri { try_files $uri /nowhere /fallback.html; }
    location /args { try_files /no /got?x=$uri&$args; } location /got { content_by_lua_block { ngx.print(ngx.var.args) } }
    location /first { try_files /a.txt =500; } location /status { try_files /no =403; }`,
  send: ["/a.txt", "/dir/", "/dir", "/none", "/named", "/uri", "/args?y=1", "/first", "/status", "/empty/"]
    .map((p) => get(p))
    .join(""),
  answers: [
    { body: "a" },
    { body: "index" },
    { status: 301, headers: { Location: "http://h.test:__PORT__/dir/" } },
    404,
    { body: "named /named" },
    { body: "fallback" },
    { body: "x=/args&y=1" },
    { body: "a" },
    403,
    403,
  ],
});

wireCase("index: the first that exists, an absolute one last, a folder without one", {
  files: tree,
  server: `root __PREFIX__/html; index none.html two.html; location /empty/ { index none /fallback.html; } location /none/ { index x; }`,
  send: get("/dir/") + get("/empty/") + get("/none/") + get("/"),
  answers: [{ body: "two" }, { body: "fallback" }, 404, 403],
  log: /\[error\] .* directory index of "\S*html\/" is forbidden, client: /,
});

wireCase("root and alias, with variables and captures; a folder is redirected with its arguments", {
  files: tree,
  server: `root __PREFIX__/html; location /al/ { alias __PREFIX__/other/; } location /file { alias __PREFIX__/html/a.txt; }
    location ~ ^/re/(.+)$ { alias __PREFIX__/other/$1; } location /other/ { root __PREFIX__; } location /v/ { alias __PREFIX__/$arg_d/; }
    location /ald/ { alias __PREFIX__/html/; }`,
  send: [
    "/al/b.txt",
    "/file",
    "/re/b.txt",
    "/other/b.txt",
    "/v/a.txt?d=html",
    "/dir?q=1",
    "/al/none",
    "/ald/dir/",
    "/ald/dir",
  ]
    .map((p) => get(p))
    .join(""),
  answers: [
    { body: "b" },
    { body: "a" },
    { body: "b" },
    { body: "b" },
    { body: "a" },
    { status: 301, headers: { Location: "http://h.test:__PORT__/dir/?q=1" } },
    404,
    { body: "index" },
    { status: 301, headers: { Location: "http://h.test:__PORT__/ald/dir/" } },
  ],
});

wireCase("methods of static files", {
  files: tree,
  server: "root __PREFIX__/html;",
  send: ["POST /a.txt", "PUT /a.txt", "DELETE /dir/", "POST /dir/", "OPTIONS /a.txt"]
    .map((p) => get("").replace("GET ", p))
    .join(""),
  answers: [405, 405, 405, 405, 405],
});

wireCase("types, default_type, upper case extensions", {
  files: {
    "html/a.html": "",
    "html/a.CSS": "",
    "html/a.own": "",
    "html/a": "",
    "html/x.d/a": "",
    "html/a.t/b.html": "",
  },
  http: "types { text/html html; text/css css; } default_type application/x-default;",
  server: `root __PREFIX__/html; location /a.t/ { types { text/own html; } }`,
  send: ["/a.html", "/a.CSS", "/a.own", "/a", "/x.d/a", "/a.t/b.html"].map((p) => get(p)).join(""),
  answers: [
    "text/html",
    "text/css",
    "application/x-default",
    "application/x-default",
    "application/x-default",
    "text/own",
  ].map((type) => ({ headers: { "Content-Type": type } })),
});

wireCase("add_header: statuses, always, inheritance, empty values, repeated names", {
  server: `add_header A server; location /ok { return 200 x; } location /no { return 404; }
    location /always { add_header B $uri always; add_header B two always; add_header C "$arg_none"; return 404; }
    location /own { add_header B b; return 200 x; }`,
  send: ["/ok", "/no", "/always", "/own"].map((p) => get(p)).join(""),
  answers: [
    { headers: { A: "server" } },
    { status: 404, headers: { A: null } },
    { status: 404, headers: { A: null, B: ["/always", "two"], C: null } },
    { headers: { A: null, B: "b" } },
  ],
});

wireCase("server_tokens off", {
  server: "server_tokens off; return 404;",
  send: get("/"),
  answers: { status: 404, body: /<center>(moonwire|nginx)<\/center>/, headers: { Server: /^(moonwire|nginx)$/ } },
});

wireCase("conditions: If-Modified-Since, If-None-Match, ETag", {
  files: tree,
  server: `root __PREFIX__/html; location /dir/ { etag off; if_modified_since off; }`,
  send: [
    get("/a.txt"),
    get("/a.txt", "If-None-Match: *"),
    get("/a.txt", 'If-None-Match: "other"'),
    get("/a.txt", "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"),
    get("/dir/two.html", "If-None-Match: *"),
    get("/a.txt"),
  ].join(""),
  answers: [
    { headers: { ETag: /^"[0-9a-f]+-1"$/, "Last-Modified": /GMT$/, "Content-Length": "1" } },
    { status: 304, headers: { "Content-Length": null, "Content-Type": null, ETag: /-1"$/ } },
    { body: "a" },
    { body: "a" },
    { status: 304, headers: { ETag: null } },
    { body: "a" },
  ],
});
