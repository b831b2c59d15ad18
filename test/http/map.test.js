// SPDX-License-Identifier: MIT
// map: what is expected was read off nginx, which answered these requests under this configuration; mistakes are in
// test/conf/mistakes.js.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

export const http = `
  map $arg_a $plain { default none; x one; XY two; "" empty; "a b" spaced; \\default escaped; \\~tilde t; 1 $arg_b-$uri; }
  map $arg_a $bare { x 1; }
  map "$arg_a:$arg_b" $joined { x:y both; ~^x: x-only; ~:y$ "only y"; }
  map $arg_a $regex { default no; ~^(?<first>\\w+)-(\\d+)$ "$first/$2"; ~*^ABC "no case"; ~^abcd late; abcd exact; "~^q{2}$" quoted; }
  map $arg_h $named { hostnames; default none; .example.com dot; *.deep.example.com deep; example.com.* end; www.* www;
    www.example.* wwwex; exact.org exact; ~^re re; }
  map $arg_h $nohost { *.example.com star; .example.com dot; example.* end; }
  map $plain $chained { one 1st; default other; }
  map $arg_c $counted { default "$set"; }
  map $arg_c $fresh { volatile; default "$set"; }
  map $uri $unused { ~. $1; }
  map $loop_b $loop_a { default "<$loop_b>"; }
  map $loop_a $loop_b { default "($loop_a)"; }
  map $arg_a $twice { default first; }
  map $arg_a $twice { default second; }
  include more.conf;
`;

export const server = `
  set $set 0;
  location /plain { return 200 "[$plain][$bare]"; }
  location /joined { return 200 "[$joined]"; }
  location /regex { return 200 "[$regex][$first]"; }
  location /named { return 200 "[$named]"; }
  location /nohost { return 200 "[$nohost]"; }
  location /chained { return 200 "[$chained]"; }
  location /kept { set $set 1; set $keep $counted; set $set 2; return 200 "$keep $counted"; }
  location /fresh { set $set 1; set $keep $fresh; set $set 2; return 200 "$keep $fresh"; }
  location /over { set $plain mine; return 200 $plain; }
  location ~ ^/cap(.)/(.) { set $x $regex; return 200 "$1 $2"; }
  location /if { if ($plain = one) { return 200 yes; } return 200 no; }
  location /loop { return 200 "[$loop_a]"; }
  location /twice { return 200 $twice; }
  location /more { return 200 "[$more]"; }
`;
export const files = { "more.conf": "map $arg_a $more { include more.map; c 3; }", "more.map": "a 1; b 2;\n" };

export const cases = [
  ["/plain", "[empty][]"],
  ["/plain?a=x", "[one][1]"],
  ["/plain?a=X", "[one][1]"],
  ["/plain?a=xy", "[two][]"],
  ["/plain?a=zz", "[none][]"],
  ["/plain?a=default", "[escaped][]"],
  ["/plain?a=~tilde", "[t][]"],
  ["/plain?a=1&b=2", "[2-/plain][]"],
  ["/joined?a=x&b=y", "[both]"],
  ["/joined?a=x&b=z", "[x-only]"],
  ["/joined?a=z&b=y", "[only y]"],
  ["/joined", "[]"],
  ["/regex?a=foo-12", "[foo/12][foo]"],
  ["/regex?a=aBcD", "[exact][]"],
  ["/regex?a=abcde", "[no case][]"],
  ["/regex?a=qq", "[quoted][]"],
  ["/regex?a=qqq", "[no][]"],
  ["/named?h=example.com", "[dot]"],
  ["/named?h=EXAMPLE.com.", "[dot]"],
  ["/named?h=a.example.com", "[dot]"],
  ["/named?h=a.b.example.com", "[dot]"],
  ["/named?h=deep.example.com", "[dot]"],
  ["/named?h=x.deep.example.com", "[deep]"],
  ["/named?h=example.com.org", "[end]"],
  ["/named?h=www.foo", "[www]"],
  ["/named?h=www.foo.bar", "[www]"],
  ["/named?h=www.example.org", "[wwwex]"],
  ["/named?h=www.example.com", "[dot]"],
  ["/named?h=exact.org", "[exact]"],
  ["/named?h=exact.org..", "[none]"],
  ["/named?h=retro", "[re]"],
  ["/named", "[none]"],
  ["/named?h=.", "[none]"],
  ["/nohost?h=a.example.com", "[]"],
  ["/nohost?h=*.example.com", "[star]"],
  ["/nohost?h=.example.com", "[dot]"],
  ["/nohost?h=example.*", "[end]"],
  ["/chained?a=x", "[1st]"],
  ["/chained?a=y", "[other]"],
  ["/kept", "1 1"],
  ["/fresh", "1 2"],
  ["/over?a=x", "mine"],
  ["/capA/B", "A B"],
  ["/capA/B?a=foo-12", "foo 12"],
  ["/if?a=x", "yes"],
  ["/if", "no"],
  ["/twice", "second"],
  ["/more?a=a", "[1]"],
  ["/more?a=c", "[3]"],
  ["/more?a=d", "[]"],
];

test("what nginx answers", async (t) => {
  const s = await startMoonwire(t, { http, server, files });
  for (const [path, body] of cases) t.is((await s.get(path)).body, body, path);
});

test("variables that ask for each other in a circle have no value, and the log says so", async (t) => {
  const s = await startMoonwire(t, { http, server, files });
  t.is((await s.get("/loop")).status, 200);
  t.regex(s.log(), /\[error\] .*cycle while evaluating variable "loop_a", client/);
});

test("in Lua: looked up when asked for, by a name made at run time too; may be set", async (t) => {
  const s = await startMoonwire(t, {
    http: `${http} map $arg_z $seen { default $counter; }`,
    files,
    server: `set $set 0; location / { set $counter 0; content_by_lua_block {
      ngx.var.counter = 1
      ngx.say(ngx.var["pl" .. "ain"], ngx.var.seen)
      ngx.var.counter = 2
      ngx.var.plain = "set"
      ngx.say(ngx.var.plain, ngx.var.seen, ngx.var.bare == "")
    } }
    location /sub { content_by_lua_block {
      ngx.print(ngx.location.capture("/plain?a=x").body, ngx.location.capture("/plain?a=zz").body)
    } }
    location /plain { return 200 $plain; }`,
  });
  t.is((await s.get("/?a=zz")).body, "none1\nset1true\n");
  t.is((await s.get("/sub")).body, "onenone");
});

test("in a configuration object", async (t) => {
  const { serve } = await import("moonwire");
  const server = await serve({
    http: {
      map: { "$arg_h $site": { hostnames: true, default: "none", "*.a.com": "a", "~^b": 2 } },
      server: { listen: "127.0.0.1:0", location: { "/": { return: [200, "$site"] } } },
    },
  });
  t.teardown(() => server.close());
  const ask = async (h) => (await fetch(`http://${server.addresses[0]}/?h=${h}`)).text();
  t.deepEqual(await Promise.all(["x.a.com", "bx", "c"].map(ask)), ["a", "2", "none"]);
});
