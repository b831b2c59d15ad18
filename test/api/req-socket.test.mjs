// SPDX-License-Identifier: MIT
// ngx.req.socket(): the request body as a stream; what it refuses; how its ends and the connection's go together.
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";
import { openWire, wireCase } from "../helpers/wire.js";
import { waitFor } from "../helpers/index.js";

const location = (code, more = "") => `location /t { ${more} content_by_lua_block { ${code} } }`;
const post = (body, more = "") => `POST /t HTTP/1.1\r\nHost: a\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
const get = "GET /t HTTP/1.1\r\nHost: a\r\n\r\n";

apiCase("sizes, lines, until, any; then the body's end", {
  content: `local s = assert(ngx.req.socket())
    ngx.say(s:receive(3)) ngx.say(s:receive()) ngx.say(s:receiveuntil("--")()) ngx.say(s:receiveany(2))
    ngx.say(s:receive(10)) ngx.say(s:receive(1))`,
  request: { method: "POST", body: "abcde\r\nfgh--ijkl" },
  body: "abc\nde\nfgh\nij\nnilclosedkl\nnilclosed\n",
});

apiCase("all of a body", {
  content: `ngx.say(ngx.req.socket():receive("*a"))`,
  request: { method: "POST", body: "x".repeat(100_000) },
  body: `${"x".repeat(100_000)}\n`,
});

wireCase("a body that comes slowly; the next request on the connection is none of its business", {
  server: location(`local s = ngx.req.socket() ngx.say(s:receive(4), " ", s:receive("*a"))`),
  send: ["POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab", 20, "cd", 20, `ef${post("123456")}`],
  answers: [{ body: "abcd ef\n" }, { body: "1234 56\n" }],
});

wireCase("what is left of a body is thrown away", {
  server: location(`local s = ngx.req.socket() ngx.say(s:receive(2))`),
  send: [post("abcdef") + post("123456"), 20, post("xy")],
  answers: [{ body: "ab\n" }, { body: "12\n" }, { body: "xy\n" }],
});

wireCase("100 Continue", {
  server: location(`ngx.say(ngx.req.socket():receive(5))`),
  send: ["POST /t HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 50, "hello"],
  answers: [{ status: 100 }, { body: "hello\n" }],
});

wireCase("what it refuses", {
  server: location(`local what = ngx.var.http_what
    if what == "read" then ngx.req.read_body() elseif what == "discard" then ngx.req.discard_body()
    elseif what == "twice" then ngx.req.socket() end
    local s, err = ngx.req.socket() ngx.say(tostring(s), " ", err)`),
  send: [
    get +
      post("") +
      post("a", "What: read\r\n") +
      post("a", "What: discard\r\n") +
      post("a", "What: twice\r\n") +
      "POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  answers: [
    { body: "nil no body\n" },
    { body: "nil no body\n" },
    { body: "nil request body already exists\n" },
    { body: "nil request body discarded\n" },
    { body: "nil request body already exists\n" },
    { body: "nil chunked request bodies not supported yet\n" },
  ],
});

apiCase("read_body and get_body_data beside it find nothing; init_body replaces what was read", {
  content: `local s = ngx.req.socket() s:receive(3) ngx.req.read_body() ngx.say(ngx.req.get_body_data())
    ngx.req.init_body() ngx.req.append_body(s:receive(3)) ngx.req.finish_body() ngx.say(ngx.req.get_body_data())`,
  request: { method: "POST", body: "abcdef" },
  body: "nil\ndef\n",
});

apiCase("misuse", {
  server: `location /sub { content_by_lua_block { ngx.print(select(2, pcall(ngx.req.socket))) } }
    location /t { content_by_lua_block { local s = ngx.req.socket()
      ngx.say(select(2, pcall(ngx.req.socket, 1, 2)))
      ngx.say(type(s.send), type(s.connect), type(s.close), type(s.setkeepalive), type(s:getfd()))
      ngx.say(ngx.location.capture("/sub").body) }
      log_by_lua_block { ngx.log(ngx.WARN, "log: ", select(2, pcall(ngx.req.socket))) } }`,
  request: { method: "POST", body: "abcdef" },
  body: "expecting 0 or 1 argument, but got 2\nnilnilnilnilnumber\nattempt to read the request body in a subrequest\n",
  log: /log: API disabled in the context of log_by_lua\*/,
});

for (const phase of ["rewrite", "access"])
  apiCase(`in ${phase}_by_lua, used up there`, {
    server: `location /t { ${phase}_by_lua_block { ngx.ctx.s = ngx.req.socket():receive(3) }
      content_by_lua_block { ngx.say(ngx.ctx.s) } }`,
    request: { method: "POST", body: "abcdef" },
    body: "abc\n",
  });

test("a timeout gives what was read, and the next read goes on", async (t) => {
  const s = await startServer(t, {
    server: location(`local s = ngx.req.socket() s:settimeout(30)
      ngx.say(s:receive(4)) s:settimeout(20000) ngx.say(s:receive(4))`),
  });
  const wire = openWire(t, s);
  wire.send("POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
  await waitFor(() => /lua tcp socket read timed out/.test(s.log()), "the timeout");
  wire.send("cdef");
  t.is((await wire.response()).body, "niltimeoutab\ncdef\n");
});

wireCase("one light thread reads while another answers", {
  server: location(`local s = ngx.req.socket()
    local t = ngx.thread.spawn(function() return s:receive("*a") end)
    ngx.say("first") ngx.flush(true)
    ngx.say(select(2, s:receive(1))) ngx.say(select(2, ngx.thread.wait(t)))`),
  send: ["POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab", 50, "cd"],
  answers: [{ body: "first\nsocket busy reading\nabcd\n" }],
});

test("a client that goes in mid-body", async (t) => {
  const s = await startServer(t, {
    server: location(`local s = ngx.req.socket() ngx.log(ngx.WARN, "got: ", s:receive(10))
      ngx.log(ngx.WARN, "then: ", s:receive(1))`),
  });
  for (const how of ["half", "destroy"]) {
    const before = s.log().length;
    const wire = openWire(t, s);
    wire.send("POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    await new Promise((next) => setTimeout(next, 50));
    wire[how]();
    await waitFor(() => /then: nilclosed/.test(s.log().slice(before)), how);
    t.regex(s.log().slice(before), /got: nilclient abortedabc/);
  }
});

test("a socket kept past its request is closed", async (t) => {
  const s = await startServer(t, {
    http: "init_by_lua_block { kept = {} }",
    server: location(`if kept.s then ngx.say(kept.s:receive(1)) else kept.s = ngx.req.socket() ngx.say("kept") end`),
  });
  t.is((await s.get("/t", { method: "POST", body: "abc" })).body, "kept\n");
  t.is((await s.get("/t", { method: "POST", body: "abc" })).body, "nilclosed\n");
});

wireCase("a socket that Lua collects lets the connection go on", {
  server: location(`do ngx.req.socket():receive(1) end collectgarbage() collectgarbage() ngx.say("done")`),
  send: post("abc") + post("def"),
  answers: [{ body: "done\n" }, { body: "done\n" }],
});
