// SPDX-License-Identifier: MIT
// set_by_lua: in the order of the rewrite directives, ngx.arg, what it returns, errors, waiting.
import test from "ava";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

const get = (path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;

const server = `
  location = /order { set $a 1; set_by_lua $b 'return ngx.var.a + 1'; set $a "$b!"; set_by_lua_block $c { return ngx.var.a .. "?" } return 200 "$a$b$c"; }
  location = /args { set $x 7; set_by_lua $sum 'return ngx.arg[1] + ngx.arg[2] ' $x 3; set_by_lua $n 'return tostring(ngx.arg[4])' a; return 200 "$sum $n"; }
  location = /kinds { set_by_lua $a 'return nil'; set_by_lua $b 'return true'; set_by_lua $c 'return {}'; set_by_lua $d 'local x = 1'; set_by_lua $e 'return 3.5, 4'; return 200 "[$a$b$c$d$e]"; }
  location = /if { set_by_lua $ok 'return ngx.var.arg_a == "1" and "yes" or ""'; if ($ok) { set_by_lua $r 'return "in"'; return 200 $r; } return 200 out; }
  location = /write { set $w old; set_by_lua $v 'ngx.var.w = "new" return ngx.get_phase()'; return 200 "$w $v"; }
  location = /file { set_by_lua_file $v __PREFIX__/set.lua a b; return 200 $v; }
  location = /fail { set_by_lua $v 'error("no luck")'; return 200 never; }
  location = /say { set_by_lua $v 'ngx.say("x")'; return 200 never; }
  location = /rewritten { set_by_lua $v 'return "/order"'; rewrite ^ $v last; }`;
const files = { "set.lua": "return ngx.arg[2] .. ngx.arg[1]" };

test("order, arguments, values, errors", async (t) => {
  const s = await startServer(t, { server, files });
  const table = [
    ["/order", "2!22!?"],
    ["/args", "10 nil"],
    ["/kinds", "[3.5]"],
    ["/if?a=1", "in"],
    ["/if", "out"],
    ["/write", "new set"],
    ["/file", "ba"],
    ["/rewritten", "2!22!?"],
    ["/fail", 500],
    ["/say", 500],
  ];
  for (const [path, expected] of table) {
    const answer = await openWire(t, s).send(get(path)).response();
    t.is(answer.status === 200 ? answer.body : answer.status, expected, path);
  }
  t.regex(s.log(), /failed to run set_by_lua\*: set_by_lua(\([^)]*\))?:1: no luck\nstack traceback:/);
  t.regex(s.log(), /API disabled in the context of set_by_lua\*/);
});

wireCase("it may wait, and the instructions go on behind it", {
  ours: "OpenResty refuses to wait there",
  server: `set $s 1; set_by_lua_block $s { ngx.sleep(0.01) return ngx.var.s + 1 }
    location / { set $a 1; set_by_lua_block $b { ngx.sleep(0.01) local t = ngx.thread.spawn(function() ngx.sleep(0.01) return "t" end)
        local _, v = ngx.thread.wait(t) return v .. ngx.var.a }
      set $a 2; set_by_lua_block $c { ngx.sleep(0.01) return ngx.var.b .. ngx.var.a } return 200 "$s $b $c"; }
    location /fail { set_by_lua_block $c { ngx.sleep(0.01) error("late") } return 200 never; }`,
  send: [get("/"), get("/"), get("/fail")],
  answers: [{ body: "2 t1 t12" }, { body: "2 t1 t12" }, 500],
  closes: true,
  log: /failed to run set_by_lua\*: .*late/,
});
