// SPDX-License-Identifier: MIT
// The access phase: allow and deny, auth_basic with each kind of password, auth_request, `satisfy any` over them and Lua.
import { connect } from "node:net";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

const basic = (text) => ({ headers: { authorization: `Basic ${Buffer.from(text).toString("base64")}` } });

test("allow, deny, satisfy", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /deny { deny all; echo hi; }
      location = /first { allow 127.0.0.0/8; deny all; echo hi; }
      location = /other { allow 10.0.0.0/8; deny 0.0.0.0/0; echo hi; }
      location = /six { deny ::/0; deny unix:; echo hi; }
      location = /any { satisfy any; deny all; access_by_lua_block { return } echo hi; }
      location = /any-allowed { satisfy any; allow all; access_by_lua_block { ngx.exit(403) } echo hi; }
      location = /any-refused { satisfy any; deny all; access_by_lua_block { ngx.exit(403) } echo hi; }
      location = /any-declined { satisfy any; deny all; access_by_lua_block { ngx.exit(ngx.DECLINED) } echo hi; }
      location = /any-waits { satisfy any; deny all; access_by_lua_block { ngx.sleep(0.01) ngx.exit(403) } echo hi; }
      location = /all { satisfy all; allow all; access_by_lua_block { ngx.exit(403) } echo hi; }
      location = /sub { deny all; echo inner; }
      location = /main { echo_location /sub; }`,
  });
  const statuses = {};
  for (const path of "deny first other six any any-allowed any-refused any-declined any-waits all main".split(" "))
    statuses[path] = (await s.get(`/${path}`)).status;
  t.deepEqual(statuses, {
    deny: 403,
    first: 200,
    other: 403,
    six: 200,
    any: 200,
    "any-allowed": 200,
    "any-refused": 403,
    "any-declined": 403,
    "any-waits": 403,
    all: 403,
    main: 200,
  });
  t.regex(s.log(), /\[error\].* access forbidden by rule, client: 127\.0\.0\.1/);
});

test("auth_basic", async (t) => {
  const s = await startMoonwire(t, {
    files: {
      users:
        "# comment\nplain:{PLAIN}pw\nsha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\napr:$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0:note\ncrypt:$1$salt$qJH7.N4xYta3aEG/dfqo/0\n",
    },
    server: `auth_basic_user_file users;
      location / { auth_basic "the $arg_r realm"; echo "user $remote_user"; }
      location = /off { auth_basic off; echo open; }
      location = /any { satisfy any; deny all; auth_basic r; echo in; }
      location = /none { auth_basic r; auth_basic_user_file missing; echo in; }`,
  });
  const none = await s.get("/?r=x");
  t.is(none.status, 401);
  t.is(none.headers["www-authenticate"], 'Basic realm="the x realm"');
  t.is((await s.get("/", basic("plain:pw"))).body, "user plain\n");
  for (const user of ["sha:password", "apr:password", "crypt:password"])
    t.is((await s.get("/", basic(user))).status, 200, user);
  for (const user of ["plain:no", "sha:no", "apr:no", "crypt:no", "nobody:pw"])
    t.is((await s.get("/", basic(user))).status, 401, user);
  t.is((await s.get("/off")).body, "open\n");
  t.is((await s.get("/any")).status, 401);
  t.is((await s.get("/any", basic("plain:pw"))).status, 200);
  t.is((await s.get("/none", basic("plain:pw"))).status, 403);
  t.regex(s.log(), /user "plain": password mismatch/);
  t.regex(s.log(), /user "nobody" was not found in "/);
});

test("auth_request", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /in { auth_request /check; auth_request_set $who $sent_http_x_user; echo "hello $who"; }
      location = /var { set $who $arg_who; auth_request /named; echo in; }
      location = /named { content_by_lua_block { ngx.exit(ngx.var.who == "me" and 204 or 403) } }
      location = /out { auth_request /refuse; echo in; }
      location = /ask { auth_request /challenge; echo in; }
      location = /odd { auth_request /missing; echo in; }
      location = /lua { auth_request /check; access_by_lua_block { ngx.sleep(0.001) } content_by_lua_block { ngx.say("lua") } }
      location = /check { content_by_lua_block { ngx.sleep(0.005) ngx.header["X-User"] = "me" ngx.exit(204) } }
      location = /refuse { return 403; }
      location = /challenge { add_header WWW-Authenticate "Basic realm=r" always; return 401; }
      location = /missing { return 404; }`,
  });
  t.is((await s.get("/in")).body, "hello me\n");
  t.is((await s.get("/var?who=me")).body, "in\n");
  t.is((await s.get("/var?who=you")).status, 403);
  t.is((await s.get("/out")).status, 403);
  t.is((await s.get("/ask")).status, 401);
  t.is((await s.get("/odd")).status, 500);
  t.is((await s.get("/lua")).body, "lua\n");
  t.regex(s.log(), /auth request unexpected status: 404/);
});

test("auth_delay: a 401 of the phase waits, whoever has given it; others do not", async (t) => {
  const s = await startMoonwire(t, {
    files: { users: "u:{PLAIN}p\n" },
    server: `auth_delay 500ms; auth_basic_user_file __PREFIX__/users;
      location = /basic { auth_basic r; echo hi; }
      location = /lua { access_by_lua_block { ngx.sleep(0.001) ngx.exit(401) } echo hi; }
      location = /any { satisfy any; deny all; auth_basic r; echo hi; }
      location = /denied { deny all; echo hi; }
      location = /content { content_by_lua_block { ngx.exit(401) } }`,
  });
  const ask = async (path, request) => {
    const from = Date.now();
    const { status } = await s.get(path, request);
    return [status, Date.now() - from >= 450];
  };
  t.deepEqual(await ask("/basic"), [401, true]);
  t.deepEqual(await ask("/basic", basic("u:wrong")), [401, true]);
  t.deepEqual(await ask("/lua"), [401, true]);
  t.deepEqual(await ask("/any"), [401, true]);
  t.is((await ask("/basic", basic("u:p")))[0], 200);
  t.is((await ask("/denied"))[0], 403);
  t.regex(s.log(), /403|forbidden/);
  t.is((await s.get("/content")).status, 401);
});

test("auth_delay: a client that goes, or a server that stops, ends the wait", async (t) => {
  const s = await startMoonwire({ server: "auth_delay 1h; location / { access_by_lua_block { ngx.exit(401) } }" });
  const socket = connect(s.port, "127.0.0.1").on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await new Promise((next) => setTimeout(next, 100));
  socket.resetAndDestroy();
  connect(s.port, "127.0.0.1")
    .on("error", () => {})
    .write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await new Promise((next) => setTimeout(next, 100));
  await s.server.close({ drainMs: 0 });
  await s.stop();
  t.pass();
});
