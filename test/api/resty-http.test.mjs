// SPDX-License-Identifier: MIT
// resty.http against node's http server: requests and bodies of every form, pools, pipelines, proxies, refusals. Responses
// byte for byte are in resty-http-wire.test.mjs.
import test from "ava";
import { runHttp } from "../helpers/lua-code.js";
import { httpServer } from "../helpers/upstream.js";

/** A server that tells what it was sent. */
const echo = (t) =>
  httpServer(t, (req, res) => {
    let body = "";
    req.on("data", (part) => (body += part));
    req.on("end", () => {
      const { host, "content-length": length, "transfer-encoding": coding, "x-mine": mine } = req.headers;
      if (req.url === "/chunked") res.flushHeaders();
      res.end([req.method, req.url, host, length, coding, mine, body.length > 60 ? body.length : body].join("|"));
    });
  });

test("request_uri: methods, queries, bodies, headers", async (t) => {
  const port = await echo(t);
  const lines = await runHttp(
    t,
    `local function ask(path, params)
      local res, err = http.new():request_uri("http://127.0.0.1:${port}" .. path, params)
      show(res and res.status, res and res.body or err)
    end
    ask("") ask("/a?b=c#fragment") ask("?b=c") ask("/a", { query = "x=1" }) ask("/a", { query = { x = "a b" } }) ask("/a?b", { query = "?c" })
    ask("/a?b", { path = "/other", query = "" }) ask("/", { method = "delete" }) ask("/", { method = "POST", body = "text" })
    ask("/", { method = "PUT", body = { "a", "b", 3 } }) ask("/", { method = "POST", body = "" }) ask("/", { method = "POST", body = 42 })
    ask("/", { body = ("x"):rep(300000), method = "POST" }) ask("/", { headers = { ["x-mine"] = { 1, 2 }, hOsT = "other" } })
    ask("/", { version = 1.0 }) ask("/", { method = "POST" })`,
  );
  const host = `127.0.0.1:${port}`;
  t.deepEqual(lines, [
    `200 GET|/|${host}||||`,
    `200 GET|/a?b=c|${host}||||`,
    `200 GET|/?b=c|${host}||||`,
    `200 GET|/a?x=1|${host}||||`,
    `200 GET|/a?x=a%20b|${host}||||`,
    `200 GET|/a?c|${host}||||`,
    `200 GET|/other|${host}||||`,
    `200 DELETE|/|${host}||||`,
    `200 POST|/|${host}|4|||text`,
    `200 PUT|/|${host}|3|||ab3`,
    `200 POST|/|${host}|0|||`,
    `200 POST|/|${host}|2|||42`,
    `200 POST|/|${host}|300000|||300000`,
    "200 GET|/|other|||1, 2|",
    `200 GET|/|${host}||||`,
    'nil Request body is nil but POST method expects a body. Use an empty string "" if you want to send an empty body.',
  ]);
});

test("bodies from a function: with a length, in chunks of its own, another reader's", async (t) => {
  const port = await echo(t);
  const lines = await runHttp(
    t,
    `local function pieces(...) local list, i = { ... }, 0 return function() i = i + 1 return list[i] end end
    local function ask(headers, body)
      local c = open(${port})
      local res, err = c:request { method = "POST", headers = headers, body = body }
      show(res and res:read_body() or err, c:set_keepalive())
    end
    ask({ ["Content-Length"] = 5 }, pieces("ab", "", "cde")) ask({ ["transfer-encoding"] = "chunked" }, pieces("2\\r\\nab\\r\\n", "0\\r\\n\\r\\n"))
    ask(nil, pieces("a")) ask({ ["Content-Length"] = 2 }, pieces("a")) ask({ ["Content-Length"] = 2 }, pieces("ab", "c"))
    ask({ ["content-length"] = 3 }, "ab")
    ask({ ["Content-Length"] = 9, ["Transfer-Encoding"] = "chunked" }, "text")
    ask({ ["Content-Length"] = 2 }, function() return nil, "no more" end)
    local sock = ngx.socket.tcp() assert(sock:connect("127.0.0.1", ${port})) sock:send("GET /chunked HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    sock:receiveuntil("\\r\\n\\r\\n")() local c = open(${port})
    ask(nil, c:get_client_body_reader(7, sock, { ["Transfer-Encoding"] = "chunked" }))`,
  );
  const host = `127.0.0.1:${port}`;
  const other = 'nil Request body has another length than its "Content-Length"';
  t.deepEqual(lines, [
    `POST|/|${host}|5|||abcde 1`,
    `POST|/|${host}||chunked||ab 1`,
    "Request body is a function but a length or chunked encoding is not specified 1",
    `${other.slice(4)} nil closed`,
    `${other.slice(4)} nil closed`,
    `${other.slice(4)} 1`,
    `POST|/|${host}|4|||text 1`,
    "no more nil closed",
    lines.at(-1),
  ]);
  t.regex(lines.at(-1), /^POST\|\/\|127.0.0.1:\d+\|\|chunked\|\|GET\|\/chunked\|a\|\|\|\| 1$/);
});

test("HEAD, 204 and 304 have no body; fields are found in any case; the rest of a body", async (t) => {
  const port = await httpServer(t, (req, res) => {
    res.statusCode = Number(/\d+/.exec(req.url)?.[0] ?? 200);
    res.setHeader("X-Long", "y".repeat(20000));
    if (res.statusCode === 200) res.end("0123456789");
    else res.end();
  });
  const lines = await runHttp(
    t,
    `local c = open(${port})
    local res = c:request { method = "HEAD" } show(res.status, res.has_body, res.headers["content-LENGTH"], res.body_reader(), res:read_body())
    res = c:request { path = "/204" } show(res.status, res.reason, res.has_body, res.body_reader())
    res = c:request { path = "/304" } show(res.status, res.has_body, res:read_body(), res.headers.x_long, #res.headers["x-long"])
    res = c:request {} show(res.body_reader(4), res.body_reader(4), res.body_reader(4), res.body_reader(4), res.body_reader())
    res = c:request {} show(res.body_reader(4), res:read_body(), res:read_body())
    show(c:get_reused_times(), c:set_keepalive()) c = open(${port}) show(c:get_reused_times())
    res = c:request {} res.body_reader(4) show(c:request {}) show(res.body_reader()) show(c:set_keepalive())
    c = open(${port}) res = c:request {} res.body_reader(4) show(c:set_keepalive()) show(res.body_reader())
    c = open(${port}) show(c:get_reused_times())`,
  );
  t.deepEqual(lines, [
    "200 false nil nil ",
    "204 No Content false",
    "304 false  nil 20000",
    "0123 4567 89",
    "0123 456789 ",
    "0 1",
    "1",
    "nil the response before was not read",
    "nil closed",
    "nil closed",
    "2 connection must be closed",
    "nil closed",
    "0",
  ]);
});

test("pools are by scheme, host, port and proxy; close and Connection: close end a connection", async (t) => {
  const port = await httpServer(t, (req, res) => {
    if (req.url === "/close") res.setHeader("Connection", "close");
    res.end("x");
  });
  const lines = await runHttp(
    t,
    `local uri = "http://127.0.0.1:${port}"
    local function reused() local c = open(${port}) local n = c:get_reused_times() c:close() return n end
    local c = http.new() show(c:request_uri(uri).status, reused()) c:request_uri(uri, { keepalive = false }) show(reused())
    c:request_uri(uri .. "/close") show(reused()) c:request_uri(uri, { headers = { connection = "close" } }) show(reused())
    c:request_uri(uri, { version = 1.0 }) show(reused()) c:request_uri(uri, { keepalive_timeout = 1 }) ngx.sleep(0.1) show(reused())
    c:request_uri(uri, { pool = "mine" }) show(reused()) c:connect { scheme = "http", host = "127.0.0.1", port = ${port}, pool = "mine" }
    show(c:get_reused_times(), c:close(), c:close())
    c = http.new() show(c:connect("127.0.0.1", ${port})) show(c:request({ path = "/" }):read_body(), c:set_keepalive(1000, 5))
    show(c:connect("127.0.0.1", ${port}, { pool_size = 3 })) show(c:get_reused_times()) c:close()
    show(c:get_reused_times()) show(c:request {}) show(c:connect { host = "127.0.0.1", port = ${port} })
    show(http.new():request_uri("http://127.0.0.1:1/")) show(http.new():request {})
    show(http.new():request_uri("https://127.0.0.1:${port}/"))`,
  );
  t.deepEqual(lines, [
    "200 1",
    "0",
    "0",
    "0",
    "0",
    "0",
    "0",
    "1 1 nil closed",
    "1",
    "x 1",
    "1",
    "1",
    "nil closed",
    "nil closed",
    "nil 'scheme' is required when providing a port",
    "nil connection refused",
    "nil closed",
    lines.at(-1),
  ]);
  t.regex(lines.at(-1), /^nil ./);
});

test("pipelines: responses are read in order", async (t) => {
  const port = await httpServer(t, (req, res) => (req.url === "/2" ? res.write("chunks ") : 0, res.end(req.url)));
  const lines = await runHttp(
    t,
    `local c = open(${port})
    local list = c:request_pipeline { { path = "/1" }, { path = "/2" }, { path = "/3", method = "HEAD" }, { path = "/4" } }
    for _, res in ipairs(list) do show(res.status, res:read_body()) end show(c:set_keepalive())
    c = open(${port}) show(c:get_reused_times()) list = c:request_pipeline { { path = "/1" }, { path = "/2" } }
    show(list[1].status) show(list[2].status) show(list[1]:read_body())
    c = open(${port}) list = c:request_pipeline { { path = "/1" }, { path = "/2" } } show(list[1]:read_body(), c:set_keepalive())
    show(c:request_pipeline { { headers = { Expect = "100-continue" } } })`,
  );
  t.deepEqual(lines, [
    "200 /1",
    "200 chunks /2",
    "200 ",
    "200 /4",
    "1",
    "1",
    "200",
    "nil",
    "nil closed ",
    "/1 2 connection must be closed",
    "nil Cannot pipeline request specifying Expect: 100-continue",
  ]);
});

test("what would make two requests of one is not sent", async (t) => {
  const port = await echo(t);
  const lines = await runHttp(
    t,
    `local c = open(${port})
    show(c:request { path = "/a b" }) show(c:request { path = "/\\r\\nX: y" }) show(c:request { query = "a\\nb" }) show(c:request { method = "A B" })
    show(c:request { headers = { ["X:"] = 1 } }) show(c:request { headers = { [""] = 1 } }) show(c:request { headers = { X = { "a", "b\\r\\nc" } } })
    show(c:request { headers = { Host = "a\\nb" } }) show(c:request { version = 2 }) show(c:request({}):read_body())`,
  );
  t.deepEqual(lines.join("\n").replaceAll("\r\n", "<end>").replaceAll("a\nb", "a<lf>b").split("\n"), [
    "nil bad request target: /a b",
    "nil bad request target: /<end>X: y",
    "nil bad request target: /?a<lf>b",
    "nil bad request method: A B",
    "nil bad request header name: X:",
    "nil bad request header name: ",
    "nil bad value of request header X",
    "nil bad value of request header Host",
    "nil bad HTTP version: 2",
    `GET|/|127.0.0.1:${port}||||`,
  ]);
});

test("a proxy: absolute targets, authorization, no_proxy; a tunnel for https", async (t) => {
  const port = await httpServer(t, (req, res) => {
    res.end(`${req.method} ${req.url} ${req.headers.host} ${req.headers["proxy-authorization"]}`);
  });
  const lines = await runHttp(
    t,
    `local opts = { http_proxy = "http://127.0.0.1:${port}/", http_proxy_authorization = "Basic x", no_proxy = "no.test,.127.0.0.1" }
    local function ask(uri, params) local c = http.new() c:set_proxy_options(opts) local res, err = c:request_uri(uri, params) show(res and res.body or err) end
    ask("http://a.test/b?c") ask("http://a.test:81/b", { headers = { ["Proxy-Authorization"] = "own" } }) ask("http://127.0.0.1:${port}/direct")
    local c = http.new() c:set_proxy_options(opts) show(c:get_proxy_uri("http", "a.test"), c:get_proxy_uri("http", "x.no.test"), c:get_proxy_uri("https", "a.test"))
    show(c:get_proxy_uri("http", "notno.test"))
    opts.https_proxy = "http://127.0.0.1:${port}" ask("https://a.test/")
    opts.https_proxy = "https://127.0.0.1:${port}" ask("https://a.test/") opts.no_proxy = "*" opts.http_proxy = "http://127.0.0.1:1" ask("http://127.0.0.1:${port}/all")
    show(http.new():connect_proxy("http://127.0.0.1:${port}", "http", "a.test", 80))`,
  );
  t.deepEqual(lines, [
    "GET http://a.test/b?c a.test Basic x",
    "GET http://a.test:81/b a.test:81 own",
    `GET /direct 127.0.0.1:${port} undefined`,
    `http://127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}/`,
    "failed to issue CONNECT to proxy: closed",
    "protocol https not supported for proxy connections",
    `GET /all 127.0.0.1:${port} undefined`,
    "1",
  ]);
});

test("URIs", async (t) => {
  const lines = await runHttp(
    t,
    `local function parse(...) local m, err = http:parse_uri(...) show(m and table.concat(m, " ") or err) end
    parse("http://example.com") parse("https://example.com/a/b?c=d") parse("HTTP://example.com:8080/a?b", false) parse("http://[::1]:81/x") parse("//example.com?a")
    parse("http:///a") parse("ftp://a/") parse("http://a b/") parse("http://user@a/") parse("http://a:x/") parse("http://a:/") parse("http://a:65536/") parse("/a")
    parse("http://a\\r\\nb/")`,
  );
  t.deepEqual(lines.join("\n").replace("\r\n", "<end>").split("\n"), [
    "http example.com 80 /",
    "https example.com 443 /a/b?c=d",
    "http example.com 8080 /a b",
    "http [::1] 81 /x",
    "http example.com 80 /?a",
    "bad uri: http:///a",
    "bad uri: ftp://a/",
    "bad uri: http://a b/",
    "bad uri: http://user@a/",
    "bad uri: http://a:x/",
    "bad uri: http://a:/",
    "bad uri: http://a:65536/",
    "bad uri: /a",
    "bad uri: http://a<end>b/",
  ]);
});
