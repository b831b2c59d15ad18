// SPDX-License-Identifier: MIT
// ngx.header, ngx.resp.get_headers, ngx.status, ngx.headers_sent.
import { apiCase } from "../helpers/api.js";

apiCase("set, read, underscores, several values", {
  content: `
    local h = ngx.header
    h.X_My_Header = "blah"
    h["X-Two"] = { "a", "b" }
    h.x_num = 3.5
    ngx.say(h["X-My-Header"], " ", h.x_my_header, " ", type(h["X-Two"]), " ", h["X-Two"][2], " ", h.x_num, " ", h.none)`,
  body: "blah blah table b 3.5 nil\n",
  headers: { "X-My-Header": "blah", "X-Two": ["a", "b"], "X-Num": "3.5" },
});

apiCase("nil and an empty table remove a header", {
  content: `
    local h = ngx.header
    h["X-A"], h["X-B"], h["X-C"] = "1", { "1", "2" }, "3"
    h["X-A"], h["X-B"] = nil, {}
    h["X-C"] = "4"
    ngx.say(h["X-A"], " ", h["X-B"], " ", h["X-C"])`,
  body: "nil nil 4\n",
  headers: { "X-A": null, "X-B": null, "X-C": "4" },
});

apiCase("a single-valued header takes the last of a table", {
  content: `ngx.header["Content-Type"] = { "text/a", "text/b" } ngx.say(ngx.header.content_type)`,
  body: "text/b\n",
  headers: { "Content-Type": "text/b" },
});

apiCase("Content-Type is nil before it is set, the default on the wire", {
  server: `location /t { default_type text/x-def; content_by_lua_block { ngx.say(ngx.header.content_type) } }`,
  body: "nil\n",
  headers: { "Content-Type": "text/x-def" },
});

apiCase("Content-Type can be removed", {
  content: `ngx.header.content_type = nil ngx.say(ngx.header.content_type)`,
  body: "nil\n",
});

apiCase("Content-Length must be a number", {
  content: `
    ngx.say(pcall(function() ngx.header.content_length = "text" end))`,
  body: /^false.*failed to set header/,
  ours: "lua-nginx-module before 0.10.24 has no message for it",
});

apiCase("a relative Location goes out as it is", {
  content: `ngx.header.location = "/foo/bar" ngx.status = 201 ngx.say("x")`,
  status: 201,
  headers: { Location: "/foo/bar" },
});

apiCase("Last-Modified, Server and Date can be set and removed", {
  content: `
    ngx.header["Last-Modified"] = ngx.http_time(1290079655)
    ngx.header.server = "mine"
    ngx.say(ngx.header.last_modified)`,
  body: "Thu, 18 Nov 2010 11:27:35 GMT\n",
  headers: { "Last-Modified": "Thu, 18 Nov 2010 11:27:35 GMT", Server: "mine" },
});

apiCase("control bytes in a value are escaped", {
  content: `ngx.header.foo = "a\\r\\nbar: b" ngx.say("ok")`,
  headers: { foo: "a%0D%0Abar: b", bar: null },
});

apiCase("lua_transform_underscores_in_response_headers off keeps names", {
  server: `location /t { lua_transform_underscores_in_response_headers off; content_by_lua_block {
    ngx.header.foo_bar = "Hello"
    ngx.say(ngx.header.foo_bar, " ", ngx.header["foo-bar"]) } }`,
  body: "Hello nil\n",
  headers: { foo_bar: "Hello", "foo-bar": null },
});

apiCase("a header set too late is logged and dropped", {
  content: `ngx.print("x") ngx.flush(true) ngx.header.late = "1" ngx.say("y")`,
  body: "xy\n",
  headers: { late: null },
  log: /\[error\] [^\n]*: \*\d+ attempt to set ngx\.header\.HEADER after sending out response headers/,
});

apiCase("any other value goes out as tostring() shows it", {
  content: `ngx.header["X-A"] = setmetatable({}, { __tostring = function() return "me" end }) ngx.header["X-B"] = print
    ngx.say(ngx.header["X-A"], " ", ngx.header["X-B"])`,
  body: /^nil function: /,
});

apiCase("ngx.resp.get_headers: lower case, any spelling, several values, limit", {
  content: `
    ngx.header["X-Foo"] = { "a", "b" }
    ngx.header.content_type = "text/x"
    local h = ngx.resp.get_headers()
    local said = h["x-foo"][1] .. h["X-Foo"][2] .. " " .. h.x_foo[1] .. " " .. h["content-type"]
    for i = 1, 110 do ngx.header["Y-" .. i] = "1" end
    local _, err = ngx.resp.get_headers()
    local n = 0
    local all, err2 = ngx.resp.get_headers(0)
    for _ in pairs(all) do n = n + 1 end
    local raw = ngx.resp.get_headers(0, true)
    ngx.say(said, " ", err, " ", n >= 112, " ", err2, " ", raw["X-Foo"][1], " ", raw["x-foo"])`,
  body: "ab a text/x truncated true nil a nil\n",
});

apiCase("exactly as many headers as the limit are not truncated", {
  content: `
    for i = 1, 99 do ngx.header["Foo" .. i] = "Foo" end
    local headers, err = ngx.resp.get_headers()
    local n = 0
    for _ in pairs(headers) do n = n + 1 end
    ngx.say(n, " ", err)`,
  body: "100 nil\n",
});

apiCase("ngx.status: default, set, late", {
  content: `
    ngx.print(ngx.status, " ", ngx.headers_sent, " ")
    ngx.flush(true)
    ngx.print(ngx.status, " ", ngx.headers_sent)
    ngx.status = 404`,
  body: "0 false 200 true",
  log: /: \*\d+ attempt to set ngx\.status after sending out response headers/,
});

apiCase("ngx.status = 404 with a body of one's own", {
  content: `ngx.status = ngx.HTTP_NOT_FOUND ngx.say("mine ", ngx.status)`,
  status: 404,
  body: "mine 404\n",
});

apiCase("a status without a name, and as a string", {
  content: `ngx.status = "299" ngx.say(ngx.status)`,
  status: 299,
  body: "299\n",
});

apiCase("a status that is no number is refused", {
  content: `ngx.say(pcall(function() ngx.status = "blah" end))`,
  body: /^false.*number expected/,
  ours: "nginx shows the words of an FFI conversion",
});
