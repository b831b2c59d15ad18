// SPDX-License-Identifier: MIT
// set_by_lua*: the value of a variable, in the order of the rewrite directives, arguments, waiting, errors.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const server = `
  set $a 1;
  set_by_lua_block $server { return ngx.var.a + 1 }
  location / {
    location /forms {
      set_by_lua $b "return ngx.arg[1] .. ngx.arg[2]" $server $arg_x;
      set_by_lua_block $c { return ngx.var.b .. "c" }
      set_by_lua_file $d html/d.lua $c;
      return 200 "$b $c $d";
    }
    location /values {
      set_by_lua_block $n { return 1.5, 2 }
      set_by_lua_block $nil { return nil }
      set_by_lua_block $none { }
      set_by_lua_block $bool { return true }
      return 200 "[$n][$nil][$none][$bool]";
    }
    location /waits {
      set_by_lua_block $w { ngx.sleep(0.01) return ngx.get_phase() }
      set $after "after $w";
      content_by_lua_block { ngx.say(ngx.var.after) }
    }
    location /fails { set_by_lua_block $e { error("oh") } return 200 no; }
    location /none { set_by_lua_file $e none.lua; return 200 no; }
    location /say { set_by_lua_block $e { ngx.say("x") } return 200 no; }
    location /off { lua_code_cache off; set_by_lua_block $o { return "fresh" } return 200 $o; }
  }`;
const files = { "html/d.lua": `return "<" .. ngx.arg[1] .. ">"` };

for (const [path, status, body] of [
  ["/forms?x=y", 200, "2y 2yc <2yc>"],
  ["/values", 200, "[1.5][][][]"],
  ["/waits", 200, "after set\n"],
  ["/off", 200, "fresh"],
  ["/fails", 500, /500 Internal/],
  ["/none", 500, /500 Internal/],
  ["/say", 500, /500 Internal/],
])
  test(`GET ${path}`, async (t) => {
    const s = await startMoonwire(t, { server, files });
    const r = await s.get(path);
    t.is(r.status, status);
    if (typeof body === "string") t.is(r.body, body);
    else t.regex(r.body, body);
    if (path === "/fails")
      t.regex(s.log(), /\[error\] .*failed to run set_by_lua\*: set_by_lua\(nginx\.conf:\d+\):1: oh\n/);
    if (path === "/say") t.regex(s.log(), /API disabled in the context of set_by_lua\*/);
  });
