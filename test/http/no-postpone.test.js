// SPDX-License-Identifier: MIT
// Which of Lua and nginx's own modules is first in a phase: server_rewrite_by_lua*, and *_by_lua_no_postpone.
import test from "ava";
import { setTimeout as sleep } from "node:timers/promises";
import { startMoonwire } from "../helpers/index.js";

test("server_rewrite_by_lua comes before the server's own rewrite directives", async (t) => {
  const s = await startMoonwire(t, {
    server: `rewrite ^/lua$ /re; set $late "$uri"; set $late "$late $from_lua";
      server_rewrite_by_lua_block { ngx.var.from_lua = "saw " .. ngx.var.uri; ngx.sleep(0) if ngx.var.arg_to then ngx.req.set_uri("/lua") end }
      location / { set $from_lua $from_lua; return 200 "$uri, $late"; }`,
  });
  t.is((await s.get("/lua")).body, "/re, /re saw /lua");
  t.is((await s.get("/other?to=lua")).body, "/re, /re saw /other");
});

for (const wait of ["", "ngx.sleep(0.001)"]) {
  const kind = wait ? "a waiting script" : "a script";

  test(`rewrite_by_lua_no_postpone: ${kind} before the location's rewrite directives`, async (t) => {
    const location = `set $foo ""; location / { if ($foo = 1) { return 200 "if $foo"; } return 200 "no if $foo";
      rewrite_by_lua_block { ${wait} ngx.var.foo = 1 if ngx.var.arg_exit then ngx.exit(403) end } }
      location /jump { rewrite ^/jumped$ /behind last; return 200 stayed;
        rewrite_by_lua_block { ${wait} if ngx.var.uri == "/jump" then ngx.req.set_uri("/jumped") end } }
      location /behind { rewrite_by_lua_block { ${wait} ngx.header["X-Lua"] = "ran" } return 200 behind; }
      location @named { return 200 "named $foo"; rewrite_by_lua_block { ${wait} ngx.var.foo = 2 } }
      location /named { content_by_lua_block { ngx.exec("@named") } }`;
    const [on, off] = await Promise.all(
      ["on", "off"].map((value) =>
        startMoonwire(t, { http: `rewrite_by_lua_no_postpone ${value};`, server: location }),
      ),
    );
    const bodies = async (s) => [
      (await s.get("/")).body,
      (await s.get("/?exit=1")).status,
      (await s.get("/jump")).body,
      (await s.get("/named")).body,
    ];
    t.deepEqual(await bodies(on), ["if 1", 403, "behind", "named 2"]);
    t.deepEqual(await bodies(off), ["no if ", 200, "stayed", "named "]);
    t.is((await on.get("/jump")).headers["x-lua"], "ran");
  });

  test(`access_by_lua_no_postpone: ${kind} before the other checks`, async (t) => {
    const s = await startMoonwire(t, {
      http: "access_by_lua_no_postpone on;",
      server: `location / { deny all; return 200 x;
          access_by_lua_block { ${wait} if ngx.var.arg_exit then ngx.exit(tonumber(ngx.var.arg_exit)) end } }
        location /all { deny all; content_by_lua_block { ngx.say("in") }
          access_by_lua_block { ${wait} ngx.exit(tonumber(ngx.var.arg_exit)) } }
        location /any { satisfy any; allow 127.0.0.1; deny all; content_by_lua_block { ngx.say("in") }
          access_by_lua_block { ${wait} ngx.exit(tonumber(ngx.var.arg_exit)) } }
        location /none { satisfy any; deny all; content_by_lua_block { ngx.say("in") }
          access_by_lua_block { ${wait} ngx.exit(tonumber(ngx.var.arg_exit)) } }
        location /plain { deny all; content_by_lua_block { ngx.say("in") } }`,
    });
    const status = async (path) => (await s.get(path)).status;
    t.is(await status("/all?exit=410"), 410, "it is asked first");
    t.is(await status("/all?exit=0"), 403, "and the others after it");
    t.is(await status("/any?exit=403"), 200, "its refusal is one of several");
    t.is(await status("/any?exit=0"), 200);
    t.is(await status("/none?exit=0"), 200, "its consent is enough");
    t.is(await status("/none?exit=401"), 401);
    t.is(await status("/none?exit=503"), 503);
    t.is(await status("/plain"), 403);
    t.false(s.log().includes("[alert]"));
  });

  test(`precontent_by_lua_no_postpone: ${kind} before try_files`, async (t) => {
    const server = `location /t { try_files /nowhere @fallback; content_by_lua_block { ngx.say("content") }
        precontent_by_lua_block { ${wait} if ngx.var.arg_exit then ngx.exit(410) end ngx.ctx.n = 1 ngx.header["X-Lua"] = "ran" } }
      location /refused { satisfy any; deny all; precontent_by_lua_block { ${wait} ngx.exit(410) } }
      location @fallback { content_by_lua_block { ngx.say("fallback") } }`;
    const [on, off] = await Promise.all(
      ["on", "off"].map((value) => startMoonwire(t, { http: `precontent_by_lua_no_postpone ${value};`, server })),
    );
    const first = await on.get("/t");
    t.is(first.body, "fallback\n");
    t.is(first.headers["x-lua"], "ran");
    t.is((await on.get("/t?exit=1")).status, 410);
    t.is((await off.get("/t?exit=1")).body, "fallback\n");
    t.is((await off.get("/t")).headers["x-lua"], undefined);
    for (const s of [on, off]) t.is((await s.get("/refused")).status, 403, "access has its answer before");
  });
}

test("postpone_output: less than its default sends what is written at once; else it waits for more", async (t) => {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 1m;",
    server: `location /write { content_by_lua_block { ngx.print("first") ngx.shared.d:set("wrote", true)
          repeat ngx.sleep(0.005) until ngx.shared.d:get("go") ngx.print(" second") } }
      location /at-once { postpone_output 0; rewrite ^ /write/once; }
      location /write/once { postpone_output 0; content_by_lua_block { ngx.print("first")
          repeat ngx.sleep(0.005) until ngx.shared.d:get("go") ngx.print(" second") } }
      location /write/six { postpone_output 6; content_by_lua_block { ngx.print("first")
          if ngx.var.arg_more then ngx.print("!") end ngx.shared.d:set("wrote", true)
          repeat ngx.sleep(0.005) until ngx.shared.d:get("go") ngx.print(" second") } }
      location /wrote { content_by_lua_block { ngx.print(tostring(ngx.shared.d:get("wrote"))) } }
      location /go { content_by_lua_block { ngx.shared.d:set("go", true) } }
      location /reset { content_by_lua_block { ngx.shared.d:flush_all() } }`,
  });
  const request = (path) => `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`;
  for (const path of ["/write/once", "/write/six?more=1"]) {
    const early = (await s.raw(request(path), { until: /first/, timeout: 30_000 })).toString();
    t.true(early.includes("first") && !early.includes("second"), path);
    await s.get("/reset");
  }
  for (const path of ["/write", "/write/six"]) {
    let isOver = false;
    const whole = s.raw(request(path), { timeout: 30_000 }).finally(() => (isOver = true));
    while ((await s.get("/wrote")).body !== "true") await sleep(5);
    t.false(isOver);
    await s.get("/go");
    t.regex((await whole).toString(), path === "/write" ? /Content-Length: 12\r\n/ : /first/, path);
    await s.get("/reset");
  }
});
