// SPDX-License-Identifier: MIT
// set, if, rewrite, return, break and set_by_lua*. What is expected was read off nginx with lua-nginx-module and the echo
// module, which answered these requests under this configuration.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const server = `
  set $base 1;
  rewrite ^/old/(.*)$ /new/$1?x=1 last;
  rewrite ^/sredir/(.*) /new/$1 redirect;
  if ($http_x_stop) { return 403; }
  if ($arg_sv ~* ^(A+)$) { set $base "sv$1"; }
  location /new/ { echo "$uri $args $base"; }
  location = /if { set $a 0; if ($arg_x = yes) { set $a 1; add_header X-If 1; } if ($arg_y ~ ^(\\d+)$) { set $b "num $1"; return 200 $b; } if (-f /etc/passwd) { set $f file; } if (!-d /etc) { set $f nodir; } echo "a=$a f=$f"; }
  location = /ifecho { set $v "<$arg_x>"; if ($arg_x) { echo "in if $v"; } echo "out $v"; }
  location = /ifhdr { if ($arg_x != 1) { add_header X-A not1; } add_header X-B b; echo hi; }
  location = /ifneg { set $m none; if ($arg_x !~ ^a) { set $m "no a"; } if ($arg_x !~* ^a) { set $m "$m, no A"; } if (!-e /nonexistent) { set $m "$m, no file"; } if (-x /bin/sh) { set $m "$m, x"; } echo $m; }
  location = /zero { if ($arg_x) { return 200 yes; } return 200 no; }
  location = /lua { set $x 5; set_by_lua $res 'return ngx.arg[1] + ngx.arg[2] * ngx.var.x' 2 $arg_n; set_by_lua_block $w { return 7 } set $after "$res!"; echo "$res $w $after"; }
  location = /err { set_by_lua $r 'error("boom")'; echo $r; }
  location = /nilv { set_by_lua $r 'return nil'; set_by_lua $q 'ngx.var.base = "changed"'; echo "[$r][$q][$base]"; }
  location = /r { rewrite ^ /lua?n=3; }
  location = /redir { rewrite ^/(re)dir$ http://x/$1 permanent; }
  location = /redirq { rewrite ^/(re)dirq$ http://x/$1? permanent; }
  location = /scheme { rewrite ^ $scheme://y/z; }
  location = /brk { rewrite ^ /new/brk break; set $z 1; echo "uri $uri"; }
  location = /q { rewrite ^ /new/q? last; }
  location = /multi { rewrite ^/multi$ /m2; rewrite ^/m2$ /new/m3?k=v; rewrite ^/never /x; }
  location = /loop { rewrite ^ /loop last; }
  location = /named { rewrite ^/(?<who>na)med$ /new/$who last; }
  location = /brk2 { set $n 1; break; set $n 2; echo $n; }
  location = /ret1 { return 404; } location = /ret2 { return 301 /new/$arg_x; } location = /ret3 { return http://a/b; } location = /ret4 { return 200; } location = /ret5 { return 418 "tea $uri"; }
  location ~ ^/re/(\\w+)/(\\w+)$ { set $two $2; if ($two ~ (.)x) { echo "two $1 in"; } echo "$1-$2"; }
  location = /intern { rewrite ^ /priv last; } location = /priv { internal; echo "private $uri"; }
  location = /args { set $args "new=1"; echo "$args $query_string $is_args"; }
  location = /luarw { rewrite ^ /new/x; rewrite_by_lua_block { ngx.var.base = "lua:" .. ngx.var.uri } }
  location = /iflua { if ($arg_x) { content_by_lua_block { ngx.say("lua in if") } } content_by_lua_block { ngx.say("lua out") } }
  location = /iflua2 { set $k 1; if ($arg_x) { set $k 2; } content_by_lua_block { ngx.say("k ", ngx.var.k) } }
`;

// Path, status, then the Location header or the body (null: a built-in page), and the header X-A.
const cases = [
  ["/old/a?b=2", 200, "/new/a x=1&b=2 1\n", ""],
  ["/sredir/k?z=1", 302, "http://h:19095/new/k?z=1", ""],
  ["/if", 200, "a=0 f=file\n", ""],
  ["/if?x=yes", 200, "a=1 f=file\n", ""],
  ["/if?y=12", 200, "num 12", ""],
  ["/ifecho", 200, "out <>\n", ""],
  ["/ifecho?x=1", 200, "in if <1>\n", ""],
  ["/ifhdr", 200, "hi\n", "not1"],
  ["/ifhdr?x=1", 200, "hi\n", ""],
  ["/ifneg?x=abc", 200, "none, no file, x\n", ""],
  ["/ifneg?x=ABC", 200, "no a, no file, x\n", ""],
  ["/ifneg?x=b", 200, "no a, no A, no file, x\n", ""],
  ["/zero?x=0", 200, "no", ""],
  ["/zero?x=", 200, "no", ""],
  ["/zero?x=1", 200, "yes", ""],
  ["/lua?n=4", 200, "22 7 22!\n", ""],
  ["/err", 500, null, ""],
  ["/nilv", 200, "[][][changed]\n", ""],
  ["/r", 200, "17 7 17!\n", ""],
  ["/r?a=b", 200, "17 7 17!\n", ""],
  ["/redir?q=1", 301, "http://x/re?q=1", ""],
  ["/redirq?q=1", 301, "http://x/re", ""],
  ["/scheme", 302, "http://y/z", ""],
  ["/brk?a=1", 200, "uri /new/brk\n", ""],
  ["/q?a=1", 200, "/new/q  1\n", ""],
  ["/multi?o=1", 200, "/new/m3 k=v&o=1 1\n", ""],
  ["/loop", 500, null, ""],
  ["/named", 200, "/new/na  1\n", ""],
  ["/brk2", 200, "1\n", ""],
  ["/ret1", 404, null, ""],
  ["/ret2?x=%0d%0aSet-Cookie:a", 301, "http://h:19095/new/%0d%0aSet-Cookie:a", ""],
  ["/ret3", 302, "http://a/b", ""],
  ["/ret4", 200, "", ""],
  ["/ret5", 418, "tea /ret5", ""],
  ["/re/ab/cx", 200, "two c in\n", ""],
  ["/intern", 200, "private /priv\n", ""],
  ["/priv", 404, null, ""],
  ["/args?o=1", 200, "new=1 new=1 ?\n", ""],
  ["/luarw", 200, "/new/x  1\n", ""],
  ["/iflua", 200, "lua out\n", ""],
  ["/iflua?x=1", 200, "lua in if\n", ""],
  ["/iflua2", 200, "k 1\n", ""],
  ["/iflua2?x=1", 200, "k 2\n", ""],
  ["/new/a?sv=aaa", 200, "/new/a sv=aaa svaaa\n", ""],
];

test("as nginx answers", async (t) => {
  const s = await startMoonwire(t, { server });
  for (const [path, status, text, xa] of cases) {
    const r = await s.get(path, { headers: { host: "h" } });
    const location = r.headers.location;
    t.is(r.status, status, path);
    if (text !== null) t.is(location?.replace(String(s.port), "19095") ?? r.body, text, path);
    t.is(r.headers["x-a"] ?? "", xa, path);
  }
  t.is((await s.get("/if", { headers: { "x-stop": "1" } })).status, 403);
});

test("set_by_lua may wait, for many requests at once, and its errors are the request's", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      set_by_lua_block $server { ngx.sleep(0.001) return "s" }
      location /rest { if ($arg_n) { set_by_lua_block $a { ngx.sleep(0.001) return ngx.var.arg_n } } set $b 1; return 200 "$a$b"; }
      location /else { if ($arg_n) { rewrite ^ /elsewhere; set_by_lua_block $a { ngx.sleep(0.001) return 1 } } }
      location /elsewhere { set $a p; set $b q; return 200 "$a$b"; }
      location /w { set_by_lua_block $a { ngx.sleep(0.01) return ngx.var.arg_n } set $b "$a$server";
        if ($arg_n) { set_by_lua_block $c { ngx.sleep(0.001) return ngx.var.b .. "c" } } echo "$a $b $c"; }
      location /say { set_by_lua $a 'ngx.say("x")'; echo $a; }
      location /file { set_by_lua_file $a set.lua 3 $arg_n; echo $a; }`,
    files: { "set.lua": "return ngx.arg[1] * ngx.arg[2]" },
  });
  const bodies = await Promise.all(Array.from({ length: 30 }, (_, i) => s.get(`/w?n=${i}`).then((r) => r.body)));
  t.deepEqual(
    bodies,
    Array.from({ length: 30 }, (_, i) => (i ? `${i} ${i}s ${i}sc\n` : "0 0s \n")),
  );
  t.is((await s.get("/rest?n=x")).body, "x1");
  t.is((await s.get("/else?n=x")).body, "pq");
  t.is((await s.get("/say")).status, 500);
  t.true(s.log().includes("API disabled in the context of set_by_lua*"));
  t.is((await s.get("/file?n=5")).body, "15\n");
});
