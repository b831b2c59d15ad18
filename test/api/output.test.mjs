// SPDX-License-Identifier: MIT
// ngx.print, say, flush, eof, send_headers; ngx.arg in the body filter; ngx.ctx.
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";

apiCase("print and say: every printable type, nested arrays", {
  content: `
    ngx.print("a", 1, 2.5, true, nil, ngx.null, -0.5)
    ngx.say({ "x", { 1, true, { "y" } }, false })
    ngx.say()
    ngx.print()
    ngx.say(setmetatable({}, { __tostring = function() return "me" end }))`,
  body: "a12.5truenilnull-0.5x1trueyfalse\n\nme\n",
  ours: "lua-nginx-module 0.10.23 does not call __tostring here",
});

apiCase("print and say: a zero has no sign, compiled or not", {
  content: `
    local function show(x) ngx.print(x, { -x }, " ") end
    for i = 1, 200 do show(0) show(-i + i) end
    ngx.say(-0, " ", 0 * -1, { -0 }, " ", math.ceil(-0.5), " ", -1, 2^53, 0.5)`,
  body: `${"00 00 ".repeat(200)}0 00 0 -19.007199254741e+150.5\n`,
});

for (const [what, value] of [
  ["a table with names", "{ a = 1 }"],
  ["a function", "print"],
  ["a function in a table", "{ print }"],
])
  apiCase(`print refuses ${what}`, {
    content: `ngx.say(pcall(ngx.print, ${value}))`,
    body: /^false.*bad argument #1 to '/,
  });

apiCase("print and say return 1; after eof nil and why", {
  content: `
    local a, b = ngx.print("x"), ngx.say("y")
    ngx.print(a, b)
    ngx.eof()
    local ok, err = ngx.say("z")
    ngx.log(ngx.WARN, "say: ", ok, " ", err)
    ok, err = ngx.eof()
    ngx.log(ngx.WARN, "eof: ", ok, " ", err)`,
  body: "xy\n11",
  log: [/say: nil seen eof/, /eof: nil seen eof/],
});

apiCase("flush with nothing sent yet leaves the status open", {
  content: `local ok, err = ngx.flush() ngx.status = 404 ngx.say(ok, " ", err)`,
  status: 404,
  body: "nil nothing to flush\n",
});

test("flush(true) sends what there is while the handler goes on", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block { ngx.say("first") ngx.flush(true) ngx.sleep(1) ngx.say("second") } }`,
  });
  const part = await s.raw("GET /t HTTP/1.1\r\nHost: a\r\n\r\n", { until: /first/ });
  t.notRegex(part.toString(), /second/);
  t.is((await s.get("/t")).body, "first\nsecond\n");
});

test("HTTP/1.0: buffered with a Content-Length by default; flush says so", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block { ngx.print("ab") local ok, err = ngx.flush(true) ngx.print("c", ok, err) } }
             location /off { lua_http10_buffering off; content_by_lua_block { ngx.print("ab") ngx.print(ngx.flush(true)) } }`,
  });
  const text = (await s.raw("GET /t HTTP/1.0\r\n\r\n")).toString();
  t.regex(text, /Content-Length: 15\r\n[^]*\r\n\r\nabcnilbuffering$/);
  t.regex((await s.raw("GET /off HTTP/1.0\r\n\r\n")).toString(), /\r\n\r\nab1$/);
});

apiCase("send_headers: once, and output after it", {
  content: `
    ngx.status = 202
    ngx.header["X-A"] = "1"
    ngx.send_headers()
    ngx.header["X-B"] = "2"
    ngx.print(ngx.headers_sent, " ", ngx.send_headers())`,
  status: 202,
  body: "true 1",
  headers: { "X-A": "1", "X-B": null },
});

apiCase("HEAD has no body", { request: { method: "HEAD" }, content: `ngx.say("hello")`, body: "" });

for (const call of ["print", "say", "flush", "eof", "send_headers", "redirect", "exec"]) {
  const args = ["flush", "eof", "send_headers"].includes(call) ? "" : `, "/x"`;
  apiCase(`ngx.${call} is refused in header_filter, body_filter and log`, {
    server: `location /t { content_by_lua_block { ngx.say("ok") }
      header_filter_by_lua_block { ngx.log(ngx.WARN, "H ", select(2, pcall(ngx.${call}${args}))) }
      body_filter_by_lua_block { ngx.log(ngx.WARN, "B ", select(2, pcall(ngx.${call}${args}))) }
      log_by_lua_block { ngx.log(ngx.WARN, "L ", select(2, pcall(ngx.${call}${args}))) } }`,
    body: "ok\n",
    log: ["H header_filter", "B body_filter", "L log"].map((x) => {
      const [mark, phase] = x.split(" ");
      return new RegExp(`${mark} .*API disabled in the context of ${phase}_by_lua\\*`);
    }),
    ours: ["flush", "eof"].includes(call) && 'nginx may say "seen eof" first',
  });
}

apiCase("a large body in many pieces", {
  content: `for i = 1, 3000 do ngx.print(("x"):rep(100)) end`,
  body: /^x{300000}$/,
});

// --- ngx.arg

apiCase("the body filter changes, drops and ends the body", {
  server: `location /up { content_by_lua_block { ngx.print("ab") ngx.flush() ngx.print("cd") }
             body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() } }
           location /nil { content_by_lua_block { ngx.print("ab") ngx.flush() ngx.print("cd") }
             body_filter_by_lua_block { if ngx.arg[1] == "ab" then ngx.arg[1] = nil end } }
           location /t { content_by_lua_block { ngx.print("ab") ngx.flush() ngx.print("cd") }
             body_filter_by_lua_block { if ngx.arg[1] == "ab" then ngx.arg[2] = true end } }`,
  body: "ab",
});

apiCase("ngx.arg[1] takes an array of strings; eof comes once", {
  server: `location /t { content_by_lua_block { ngx.print("x") }
    body_filter_by_lua_block { ngx.arg[1] = { "<", ngx.arg[1], { ">", 1 } } if ngx.arg[2] then ngx.log(ngx.WARN, "the end") end } }`,
  body: /^<x>1/,
  log: /the end/,
});

apiCase("the body of a static file goes through the body filter", {
  files: { "html/a.txt": "static" },
  server: `location / { root html; header_filter_by_lua_block { ngx.header.content_length = nil }
    body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() } }`,
  path: "/a.txt",
  body: "STATIC",
});

apiCase("ngx.arg is refused elsewhere", {
  content: `ngx.say(pcall(function() return ngx.arg[1] end))`,
  body: /^false.*API disabled in the current context\n$/,
});

test("an error in the body filter breaks the response and is logged", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block { ngx.print("x") ngx.flush(true) ngx.print("y") }
      body_filter_by_lua_block { if ngx.arg[1] == "y" then error("bad filter") end } }`,
  });
  const text = (await s.raw("GET /t HTTP/1.1\r\nHost: a\r\n\r\n")).toString();
  t.notRegex(text, /0\r\n\r\n$/, "the client must see that the body is incomplete");
  t.regex(
    s.log(),
    /failed to run body_filter_by_lua\*: body_filter_by_lua\(nginx\.conf:\d+\):1: bad filter\nstack traceback:/,
  );
});

// --- ngx.ctx

apiCase("ngx.ctx is one table for all phases of a request", {
  server: `location /t { rewrite_by_lua_block { ngx.ctx.n = 1 } access_by_lua_block { ngx.ctx.n = ngx.ctx.n + 1 }
    content_by_lua_block { ngx.say(ngx.ctx.n, ngx.ctx.none) ngx.ctx.n = ngx.ctx.n + 1 }
    header_filter_by_lua_block { ngx.ctx.h = true } log_by_lua_block { ngx.log(ngx.WARN, "ctx ", ngx.ctx.n, ngx.ctx.h) } }`,
  body: "2nil\n",
  log: /ctx 3true/,
});

apiCase("ngx.ctx can be replaced by a table only", {
  content: `ngx.ctx = { a = 1 } ngx.print(ngx.ctx.a, " ") ngx.say(pcall(function() ngx.ctx = 5 end))`,
  body: /^1 false.*ctx should be a table while getting a number\n$/,
});

apiCase("ngx.ctx ends at ngx.exec, set_uri with jump and error_page", {
  server: `location /t { content_by_lua_block { ngx.ctx.a = 1 ngx.exec("/two") } }
    location /two { rewrite_by_lua_block { ngx.print(ngx.ctx.a) ngx.ctx.a = 2 ngx.exit(200) } }`,
  body: "nil",
});

apiCase("a timer has a ctx of its own", {
  content: `
    ngx.ctx.a = 1
    local seen
    ngx.timer.at(0, function() seen = ngx.ctx.a == nil ngx.ctx.a = 2 seen = seen and ngx.ctx.a == 2 end)
    ngx.sleep(0.05)
    ngx.say(seen, ngx.ctx.a)`,
  body: "true1\n",
});

apiCase("HEAD: once the header is out there is nothing to print to", {
  request: { method: "HEAD" },
  content: `assert(ngx.say("one")) ngx.log(ngx.ERR, "say: ", select(2, ngx.say("two")), ", flush: ", select(2, ngx.flush()))`,
  body: "",
  log: /say: header only, flush: header only/,
});
