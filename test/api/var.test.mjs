// SPDX-License-Identifier: MIT
// ngx.var: built-in variables, families, variables of `set`, captures, unknown names.
import { apiCase } from "../helpers/api.js";

apiCase("built-in variables of the request", {
  path: "/t/x%20y?a=1&b=2",
  content: `
    local v = ngx.var
    ngx.say(v.request_method, " ", v.uri, " ", v.request_uri, " ", v.args, " ", v.query_string, " ", v.is_args)
    ngx.say(v.scheme, " ", v.server_protocol, " ", v.remote_addr, " ", v.server_addr, " ", v.document_uri)
    ngx.say(v.request, " ", v.https == "" , " ", tonumber(v.server_port) > 0, " ", tonumber(v.remote_port) > 0)`,
  body:
    "GET /t/x y /t/x%20y?a=1&b=2 a=1&b=2 a=1&b=2 ?\nhttp HTTP/1.1 127.0.0.1 127.0.0.1 /t/x y\n" +
    "GET /t/x%20y?a=1&b=2 HTTP/1.1 true true true\n",
});

apiCase("no query string: args is nil and is_args empty", {
  content: `ngx.say(ngx.var.args, " [", ngx.var.is_args, "]")`,
  body: "nil []\n",
});

apiCase("a bare question mark is no query string", {
  path: "/t?",
  content: `ngx.say("[", ngx.var.args, "] [", ngx.var.is_args, "]")`,
  body: "[nil] []\n",
});

apiCase("families: arg_ http_ cookie_", {
  path: "/t?a=1&A=2&e=&b%20c=x%20y&flag",
  request: { headers: { "X-One": "uno", cookie: "k=v; other=1", "user-agent": "ua" } },
  content: `
    local v = ngx.var
    ngx.say(v.arg_a, " [", v.arg_e, "] ", v.arg_flag, " ", v.arg_none)
    ngx.say(v.http_x_one, " ", v.http_user_agent, " ", v.http_none)
    ngx.say(v.cookie_k, " ", v.cookie_other, " ", v.cookie_none)`,
  body: "1 [] nil nil\nuno ua nil\nv 1 nil\n",
});

apiCase("a name is looked up without case", {
  path: "/t?a=1",
  content: `ngx.say(ngx.var.ARGS, " ", ngx.var.Arg_a, " ", ngx.var.URI)`,
  body: "a=1 1 /t\n",
});

apiCase("sent_http_ sees what was set", {
  content: `
    ngx.header["X-Two"] = "dos"
    ngx.header.content_type = "text/x-own"
    ngx.say(ngx.var.sent_http_x_two, " ", ngx.var.sent_http_content_type, " ", ngx.var.sent_http_none)`,
  body: "dos text/x-own nil\n",
});

apiCase("variables of set: read, written, cleared", {
  server: `location /t { set $foo 32; set $bar ""; content_by_lua_block {
    ngx.say(ngx.var.foo, " [", ngx.var.bar, "]")
    ngx.var.foo = 33
    ngx.say(ngx.var.foo, " ", type(ngx.var.foo))
    ngx.var.foo = true
    ngx.say(ngx.var.foo)
    ngx.var.foo = nil
    ngx.say(ngx.var.foo)
    ngx.var.bar = ""
    ngx.say("[", ngx.var.bar, "]")
  } }`,
  body: "32 []\n33 string\ntrue\nnil\n[]\n",
});

apiCase("a variable that another location sets is empty here", {
  server: `location /other { set $foo 1; return 200; }
           location /t { content_by_lua_block { ngx.say("[", ngx.var.foo, "]") } }`,
  body: "[]\n",
});

apiCase("setting args changes the query string; nil removes it", {
  path: "/t?a=1",
  content: `
    ngx.var.args = "b=2"
    ngx.say(ngx.var.args, " ", ngx.var.arg_b, " ", ngx.var.arg_a, " ", ngx.req.get_uri_args().b)
    ngx.var.args = nil
    ngx.say(ngx.var.args)`,
  body: "b=2 2 nil 2\nnil\n",
});

apiCase("an unknown variable is nil to read and an error to write", {
  content: `
    ngx.say(ngx.var.no_such_thing)
    local ok, err = pcall(function() ngx.var.no_such_thing = 1 end)
    ngx.say(ok, " ", err)`,
  body: /^nil\nfalse .*variable "no_such_thing" not found for writing; maybe it is a built-in variable that is not changeable or you forgot to use "set \$no_such_thing '';" in the config file to define it first\n$/,
});

apiCase("a built-in variable cannot be written", {
  content: `ngx.say(select(2, pcall(function() ngx.var.request_uri = "/x" end)))`,
  body: /variable "request_uri" not changeable/,
});

apiCase("captures of a regex location", {
  path: "/abc-123",
  server: `location ~ ^/([a-z]+)-([0-9]+)(x?)$ { content_by_lua_block {
    ngx.say(ngx.var[0], " ", ngx.var[1], " ", ngx.var[2], " [", ngx.var[3], "] ", ngx.var[4]) } }`,
  body: "nil abc 123 [] nil\n",
});

apiCase("other key types are refused", {
  content: `ngx.say(pcall(function() return ngx.var[{}] end))`,
  body: /^false.*bad variable name\n$/,
});

apiCase("no request in a timer", {
  content: `
    local said
    ngx.timer.at(0, function() said = select(2, pcall(function() return ngx.var.uri end)) end)
    ngx.sleep(0.05)
    ngx.say(said)`,
  body: /API disabled in the current context\n$/,
});
