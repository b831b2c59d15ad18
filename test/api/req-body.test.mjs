// SPDX-License-Identifier: MIT
// ngx.req.read_body and what reads, replaces or builds the request body.
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";
import { openWire } from "../helpers/wire.js";

const post = (body, headers = {}) => ({
  method: "POST",
  body,
  headers: { "content-length": Buffer.byteLength(body), ...headers },
});

apiCase("read_body and get_body_data", {
  request: post("hello, body"),
  content: `
    ngx.print(ngx.req.get_body_data(), " ")
    ngx.req.read_body()
    ngx.req.read_body()
    ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_body_file(), " ", ngx.var.request_body)`,
  body: "nil hello, body nil hello, body\n",
});

apiCase("no body, an empty body", {
  content: `ngx.req.read_body() ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_body_file(), " ", next(ngx.req.get_post_args()))`,
  body: "nil nil nil\n",
});

apiCase("a chunked body", {
  request: { method: "POST", body: "in chunks", headers: { "transfer-encoding": "chunked" } },
  content: `ngx.req.read_body() ngx.say(ngx.req.get_body_data(), " ", ngx.var.http_content_length)`,
  body: /^in chunks/,
});

apiCase("a large body is in a file", {
  request: post("x".repeat(40_000)),
  server: `location /t { client_body_buffer_size 8k; content_by_lua_block {
    ngx.req.read_body()
    local file = io.open(ngx.req.get_body_file())
    ngx.say(ngx.req.get_body_data(), " ", #file:read("*a"), " ", ngx.req.get_post_args())
    file:close() } }`,
  body: "nil 40000 nilrequest body in temp file not supported\n",
  log: /\[warn\] .*a client request body is buffered to a temporary file/,
});

apiCase("get_post_args", {
  request: post("a=1&a=2&b&c=x%20y+z"),
  content: `
    ngx.req.read_body()
    local a, err = ngx.req.get_post_args()
    ngx.say(a.a[1], a.a[2], " ", tostring(a.b), " ", a.c, " ", err)
    local _, err2 = ngx.req.get_post_args(2)
    ngx.say(err2)`,
  body: "12 true x y z nil\ntruncated\n",
});

apiCase("get_post_args before the body was read", {
  request: post("a=1"),
  content: `ngx.say(pcall(ngx.req.get_post_args))`,
  body: /^false.*no request body found; maybe you should turn on lua_need_request_body\?\n$/,
});

apiCase("lua_need_request_body reads it first", {
  request: post("abc"),
  server: `location /t { lua_need_request_body on; rewrite_by_lua_block { ngx.ctx.b = ngx.req.get_body_data() }
           content_by_lua_block { ngx.say(ngx.ctx.b, " ", ngx.req.get_body_data()) } }`,
  body: "abc abc\n",
});

apiCase("set_body_data replaces it, and Content-Length", {
  request: post("old"),
  content: `
    ngx.req.read_body()
    ngx.req.set_body_data("much longer")
    ngx.say(ngx.req.get_body_data(), " ", ngx.var.content_length, " ", ngx.req.get_headers()["content-length"])`,
  body: "much longer 11 11\n",
});

apiCase("set_body_data before read_body", {
  request: post("old"),
  content: `ngx.say(pcall(ngx.req.set_body_data, "x"))`,
  body: /^false.*request body not read yet\n$/,
});

apiCase("set_body_file", {
  request: post("old"),
  files: { "a.txt": "from the file" },
  content: `
    ngx.req.read_body()
    ngx.req.set_body_file(ngx.config.prefix() .. "/a.txt")
    ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_body_file():match("[^/]*$"), " ", ngx.var.content_length)
    ngx.say(pcall(ngx.req.set_body_file, "/no/such/file"))`,
  body: /^nil a\.txt 13\nfalse.*(open|stat)\(\) "?\/no\/such\/file"? failed/,
});

apiCase("init_body, append_body, finish_body", {
  request: post("old"),
  content: `
    ngx.req.read_body()
    ngx.req.init_body(100)
    ngx.req.append_body("hello ")
    ngx.req.append_body("world")
    ngx.req.finish_body()
    ngx.say(ngx.req.get_body_data(), " ", ngx.var.content_length)`,
  body: "hello world 11\n",
});

apiCase("a body built past its buffer is in a file", {
  request: post("old"),
  content: `
    ngx.req.read_body()
    ngx.req.init_body(4)
    ngx.req.append_body("hello")
    ngx.req.finish_body()
    local file = io.open(ngx.req.get_body_file())
    ngx.say(ngx.req.get_body_data(), " ", file:read("*a"))
    file:close()`,
  body: "nil hello\n",
});

apiCase("append_body without init_body", {
  request: post("old"),
  content: `ngx.req.read_body() ngx.say(pcall(ngx.req.append_body, "x"))`,
  body: /^false.*request_body not initialized\n$/,
});

apiCase("read_body in rewrite and access; refused in the filters and log", {
  request: post("b"),
  server: `location /t { rewrite_by_lua_block { ngx.req.read_body() } access_by_lua_block { ngx.req.read_body() }
    content_by_lua_block { ngx.say(ngx.req.get_body_data()) }
    log_by_lua_block { ngx.log(ngx.WARN, "body in log: ", ngx.req.get_body_data()) } }`,
  body: "b\n",
  log: /body in log: b/,
});

test("keep-alive goes on after discard_body and after an unread body", async (t) => {
  const s = await startServer(t, {
    server: `location /d { content_by_lua_block { ngx.req.discard_body() ngx.say("discarded") } }
             location /u { content_by_lua_block { ngx.say("unread") } }`,
  });
  const one = (path) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345`;
  const text = (await s.raw(one("/d") + one("/u") + one("/d"), { until: /(discarded[^]*){2}/ })).toString();
  t.regex(text, /discarded\n[^]*unread\n[^]*discarded\n/);
});

test("a client that goes away while its body is read ends the handler", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block { ngx.req.read_body() ngx.log(ngx.ERR, "never") } }`,
  });
  await s.raw("POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12", { half: true, timeout: 300 });
  t.notRegex(s.log(), /never/);
});

apiCase("set_body_data, append_body and set_body_file take strings and numbers alone", {
  content: `
    local req = ngx.req
    req.read_body()
    local function say(f, ...)
      local ok, err = pcall(f, ...)
      ngx.say(ok and "ok" or (err:gsub("'[%w_?]+'", "it")))
    end
    for _, f in ipairs { req.set_body_data, req.append_body } do
      if f == req.append_body then ngx.say(req.get_body_data()) req.init_body() end
      say(f) say(f, nil) say(f, true) say(f, { 1 }) say(f, "a", "b") say(f, 12)
    end
    req.finish_body()
    ngx.say(req.get_body_data())
    say(req.set_body_file, {}) say(req.set_body_file, true)`,
  request: { method: "POST", body: "old" },
  body: (() => {
    const bad = (kind) => `bad argument #1 to it (string expected, got ${kind})\n`;
    const count = (n) => `expecting 1 arguments but seen ${n}\n`;
    const each = count(0) + bad("nil") + bad("boolean") + bad("table") + count(2) + "ok\n12\n";
    return each + each + bad("table") + bad("boolean");
  })(),
});

const sizes = `local function sizes() return tostring(ngx.var.content_length) .. " [" .. tostring(ngx.var.request_body) .. "] " end
  local before = sizes() ngx.req.read_body() ngx.say(before, sizes(), tostring(ngx.req.get_body_data()))`;

apiCase("$content_length and $request_body of a chunked body, once it has been read", {
  content: sizes,
  request: { method: "POST", headers: { "Transfer-Encoding": "chunked" }, body: "hello" },
  body: "nil [nil] 5 [hello] hello\n",
});

apiCase("$request_body of an empty body is empty, of none nothing", {
  server: `location /t { content_by_lua_block {
      ${sizes} ngx.req.set_body_data("") ngx.say(tostring(ngx.var.request_body)) } }`,
  request: { method: "POST", headers: { "Content-Length": "0" } },
  body: "0 [nil] 0 [] nil\nnil\n",
});

apiCase("$request_body and $content_length without a body", { content: sizes, body: "nil [nil] nil [nil] nil\n" });

test("several light threads wait for one body; one of them is killed meanwhile, or the only one", async (t) => {
  const s = await startServer(t, {
    server: `location /all { content_by_lua_block {
        local function read() ngx.req.read_body() return ngx.req.get_body_data() end
        local threads = {}
        for i = 1, 4 do threads[i] = ngx.thread.spawn(read) end
        ngx.thread.kill(threads[2])
        for i = 1, 4 do ngx.print(select(2, ngx.thread.wait(threads[i])), " ") end } }
      location /again { content_by_lua_block {
        ngx.thread.kill(ngx.thread.spawn(ngx.req.read_body))
        ngx.req.read_body() ngx.print(ngx.req.get_body_data()) } }`,
  });
  for (const [path, body] of [
    ["/all", "abcde already waited or killed abcde abcde "],
    ["/again", "abcde"],
  ]) {
    const wire = await openWire(t, s);
    wire.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    wire.send("cde");
    t.is((await wire.response()).body.toString(), body);
  }
});
