// SPDX-License-Identifier: MIT
// ngx.req: line, headers, arguments. Bodies are in req-body.test.mjs.
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";

const headers = { "X-One": "1", "x-two": ["a", "b"], "Foo-Bar": "z" };

apiCase("get_headers: any spelling, several values, raw", {
  request: { headers },
  content: `
    local h = ngx.req.get_headers()
    ngx.say(h["x-one"], h["X-One"], h.x_one, h.X_ONE, " ", type(h.x_two), " ", h["x-two"][2], " ", h.none)
    local raw = ngx.req.get_headers(0, true)
    ngx.say(raw["X-One"], " ", raw["x-one"], " ", raw["Foo-Bar"])`,
  body: "1111 table b nil\n1 nil z\n",
});

apiCase("get_headers: at most 100 by default, max, all with 0", {
  request: { headers: Object.fromEntries(Array.from({ length: 110 }, (_, i) => [`H${i}`, String(i)])) },
  content: `
    local function count(...)
      local t, err = ngx.req.get_headers(...)
      local n = 0
      for _ in pairs(t) do n = n + 1 end
      return n, " ", err, " "
    end
    ngx.print(count()) ngx.print(count(3)) ngx.print(count(0))`,
  body: "100 truncated 3 truncated 112 nil ",
});

apiCase("set_header, clear_header, and what follows from them", {
  request: { headers: { ...headers, "content-type": "a/b" } },
  content: `
    local req, v = ngx.req, ngx.var
    req.set_header("X-One", "eins")
    req.set_header("X-New", { "p", "q" })
    req.set_header("content-type", "text/own")
    req.set_header("Host", "other.test:81")
    req.clear_header("foo-bar")
    req.set_header("X-Two", nil)
    local h = req.get_headers()
    ngx.say(h["x-one"], " ", h["x-new"][1], h["x-new"][2], " ", h["foo-bar"], " ", h["x-two"])
    ngx.say(v.http_x_one, " ", v.content_type, " ", v.http_host, " ", v.host, " ", v.http_foo_bar)`,
  body: "eins pq nil nil\neins text/own other.test:81 other.test nil\n",
});

apiCase("set_header with a number; an empty table removes", {
  request: { headers },
  content: `
    ngx.req.set_header("X-One", 5)
    ngx.req.set_header("X-Two", {})
    ngx.say(ngx.req.get_headers()["x-one"], " ", ngx.req.get_headers()["x-two"])`,
  body: "5 nil\n",
});

apiCase("get_uri_args: repeated, flags, empty, escaped, order of values", {
  path: "/t?a=1&a=2&b&c=&d%20e=f%2Bg+h&=x&%zz=1&a",
  content: `
    local a = ngx.req.get_uri_args()
    ngx.say(#a.a, a.a[1], a.a[2], tostring(a.a[3]), " ", tostring(a.b), " [", a.c, "] ", a["d e"], " ", tostring(a[""]), " ", a["%zz"])`,
  body: "312true true [] f+g h nil 1\n",
});

apiCase("limits that are no whole numbers, or out of range, are nginx's", {
  request: { path: "/t?a=1&b=2&c=3&d=4", method: "POST", body: "a=1&b=2&c=3&d=4", headers: { x: "1", y: "2" } },
  content: `
    ngx.req.read_body()
    local function count(t, err) local n = 0 for _ in pairs(t) do n = n + 1 end return n > 3 and "all" or n, err and " " .. err or "" end
    for _, max in ipairs { 1.5, 0.5, -1.5, 0 / 0, 1 / 0, -1 / 0, 1e300, 2 ^ 31, 2 ^ 31 - 1, 2.9 } do
      for _, f in ipairs { ngx.req.get_uri_args, ngx.req.get_post_args, ngx.req.get_headers } do
        ngx.print(max, " ", count(f(max))) ngx.print("; ")
      end
      ngx.say(count(ngx.decode_args("a&b&c&d", max)))
    end`,
  expect: (t, r) =>
    t.deepEqual(
      r.body.trimEnd().split("\n"),
      [
        "1.5 1 truncated",
        "0.5 all",
        "-1.5 all",
        "nan all",
        "inf all",
        "-inf all",
        "1e+300 all",
        "2147483648 all",
        "2147483647 all",
        "2.9 2 truncated",
      ].map((s) => `${s}; ${s}; ${s}; ${s.slice(s.indexOf(" ") + 1)}`),
    ),
});

apiCase("get_uri_args: limit and truncation", {
  path: `/t?${Array.from({ length: 101 }, (_, i) => `k${i}=${i}`).join("&")}`,
  content: `
    local function count(...)
      local t, err = ngx.req.get_uri_args(...)
      local n = 0
      for _ in pairs(t) do n = n + 1 end
      return n, " ", err, " "
    end
    ngx.print(count()) ngx.print(count(2)) ngx.print(count(101)) ngx.print(count(0))`,
  body: "100 truncated 2 truncated 101 nil 101 nil ",
});

apiCase("set_uri_args escapes control bytes and blanks of a string", {
  content: `ngx.req.set_uri_args("a=1 2&b=\\r\\nX: y\\0\\127%20\\195\\164") ngx.say(ngx.var.args)`,
  body: "a=1%202&b=%0D%0AX:%20y%00%7F%20\u00e4\n",
});

apiCase("set_uri_args with a string, a table, a number", {
  path: "/t?x=1",
  content: `
    local function show() ngx.say(ngx.var.args, " ", ngx.var.is_args) end
    ngx.req.set_uri_args("a=3&b=5") show()
    ngx.req.set_uri_args({ a = { "1", "2 3" } }) show()
    ngx.req.set_uri_args({ flag = true }) show()
    ngx.req.set_uri_args(32) show()
    ngx.req.set_uri_args("") show()
    ngx.say(pcall(ngx.req.set_uri_args, true))`,
  body: /^a=3&b=5 \?\na=1&a=2%203 \?\nflag \?\n32 \?\n(nil)? ?\nfalse.*bad argument #1 to '[a-z_?]+' \(string, number, or table expected, but got boolean\)\n$/,
});

apiCase("get_method and set_method", {
  request: { method: "DELETE" },
  content: `
    ngx.print(ngx.req.get_method(), " ")
    ngx.req.set_method(ngx.HTTP_PUT)
    ngx.print(ngx.req.get_method(), " ", ngx.var.request_method, " ")
    ngx.say(pcall(ngx.req.set_method, 1024 * 1024))`,
  body: /^DELETE PUT PUT false.*unsupported HTTP method: 1048576\n$/,
  ours: "nginx's $request_method follows set_method only in newer versions",
});

apiCase("http_version, start_time, is_internal, is_subrequest", {
  content: `
    local req = ngx.req
    ngx.say(req.http_version(), " ", math.abs(ngx.now() - req.start_time()) < 5, " ", req.is_internal(), " ", ngx.is_subrequest)`,
  body: "1.1 true false false\n",
});

test("raw_header with and without the request line, HTTP/1.0", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block {
      ngx.print(ngx.req.raw_header(), "|", ngx.req.raw_header(true), "|", ngx.req.http_version()) } }`,
  });
  const head = "GET /t?x HTTP/1.0\r\nHost: a\r\nFoo:  bar\r\n\r\n";
  const text = (await s.raw(head)).toString();
  t.is(text.slice(text.indexOf("\r\n\r\n") + 4), `${head}|${head.slice(head.indexOf("\n") + 1)}|1`);
});

test("an HTTP/0.9 request: no header either way", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block {
      ngx.req.set_header("X-Foo", "a")
      ngx.say(ngx.req.http_version(), ngx.var.server_protocol, ngx.status, ngx.req.get_headers()["X-Foo"]) } }`,
  });
  t.is((await s.raw("GET /t\r\n")).toString(), "0.9HTTP/0.99nil\n");
  t.is((await s.raw("GET /t\r\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n")).toString(), "0.9HTTP/0.99nil\n");
});

apiCase("set_header of Host moves $host", {
  content: `ngx.req.set_header("Host", "Other.TEST:81") ngx.say(ngx.var.host, " ", ngx.var.http_host)`,
  body: "other.test Other.TEST:81\n",
});

test("set_header of Content-Length cuts the body, and the connection ends", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block {
      ngx.req.set_header("Content-Length", 3) ngx.req.read_body() ngx.say(ngx.req.get_body_data()) } }`,
  });
  const rest = "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n";
  const text = (
    await s.raw(`POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: ${3 + rest.length}\r\n\r\nabc${rest}`)
  ).toString();
  t.regex(text, /Connection: close\r\n(.*\r\n)*\r\n(4\r\n)?abc\n(\r\n0\r\n\r\n)?$/);
  t.is(text.split("HTTP/1.1 ").length, 2);
});

apiCase("set_header escapes what no field name may hold", {
  content: `ngx.req.set_header("Foo\\195 :", "v") ngx.say(ngx.req.get_headers()["Foo%C3%20%3A"])`,
  body: "v\n",
});

apiCase("a uri of set_uri is escaped on its way to a proxied server", {
  server: `location /t { rewrite_by_lua_block { ngx.req.set_uri("/to/\\tb c\\r\\n", false, true) } proxy_pass http://127.0.0.1:$server_port; }
    location /to { return 200 "$request_uri"; }`,
  body: "/to/%09b%20c%0D%0A",
});

test("a bad request reaches a handler that is its error_page", async (t) => {
  const s = await startServer(t, {
    server: `error_page 400 = /bad;
      location = /bad { content_by_lua_block { ngx.req.set_header("A", "b") ngx.say("bad", ngx.var.cookie_a) } }`,
  });
  t.regex((await s.raw("GeT / HTTP/1.1\r\n")).toString(), /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*\r\nbadnil\n$/);
});

apiCase("set_uri: bad values", {
  content: `
    ngx.say(pcall(ngx.req.set_uri, ""))
    ngx.say(pcall(ngx.req.set_uri, "/a\\rb"))`,
  body: /^false.*attempt to use zero-length uri\nfalse.*unsafe byte "0x0d" in uri "\/a\\x0Db" \(maybe you want to set the 'binary' argument\?\)\n$/,
});

apiCase("set_uri with binary takes any byte", {
  content: `ngx.req.set_uri("/a\\tb", false, true) ngx.say(#ngx.var.uri)`,
  body: "4\n",
});

for (const call of ["get_headers", "get_uri_args", "get_method", "http_version", "raw_header", "start_time"])
  apiCase(`ngx.req.${call} in header_filter, body_filter and log`, {
    server: `location /t { content_by_lua_block { ngx.say("ok") }
      header_filter_by_lua_block { ngx.req.${call}() } body_filter_by_lua_block { ngx.req.${call}() }
      log_by_lua_block { ngx.req.${call}() ngx.log(ngx.WARN, "log done") } }`,
    body: "ok\n",
    log: /log done/,
    noLog: /\[error\]/,
  });

apiCase("ngx.req.set_header: an empty value removes the header, and is none of several", {
  content: `
    ngx.req.set_header("X-A", "")
    ngx.req.set_header("X-B", "v") ngx.req.set_header("X-B", "")
    ngx.req.set_header("X-C", { "", "c", "" })
    ngx.req.set_header("X-D", { "" })
    local h = ngx.req.get_headers()
    ngx.say(tostring(ngx.var.http_x_a), tostring(h["X-A"]), tostring(h["X-B"]), h["X-C"], tostring(h["X-D"]))`,
  request: { headers: { "X-A": "1", "X-D": "2" } },
  body: "nilnilnilcnil\n",
});
