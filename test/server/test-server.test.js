// SPDX-License-Identifier: MIT
// testServer: a server for tests, from an object, a file or a text; its ports, its log, its end.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { ConfigError, lua, LuaVm, MoonwireError, serve, testServer } from "moonwire";
import { makePrefix, removePrefix } from "../helpers/index.js";

const hello = {
  http: {
    server: [
      {
        listen: ["0.0.0.0:80"],
        location: {
          "= /hello": { contentByLua: lua`ngx.log(ngx.WARN, "seen") ngx.say("hello, ", ngx.var.arg_name or "world")` },
          "= /echo": { contentByLua: lua`ngx.req.read_body() ngx.print(ngx.req.get_body_data())` },
          "= /fail": { errorLog: "/nowhere/error.log", contentByLua: lua`error("oh no")` },
        },
      },
    ],
  },
};

async function start(t, config, options) {
  const server = await testServer(config, options);
  t.teardown(() => server[Symbol.asyncDispose]());
  return server;
}

test("an object is served on a port of 127.0.0.1, whatever it listens on", async (t) => {
  const server = await start(t, hello);
  t.regex(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const response = await server.fetch("/hello?name=you");
  t.is(response.status, 200);
  t.is(await response.text(), "hello, you\n");
  t.is(await (await server.fetch("echo", { method: "POST", body: "ping" })).text(), "ping");
});

test("logs has each line with its level; a traceback belongs to its line", async (t) => {
  const server = await start(t, hello);
  await server.fetch("/hello");
  const [seen] = server.logs.filter((line) => line.level === "warn");
  t.regex(seen.message, /^\[lua\] .*: seen, client: 127\.0\.0\.1, server: , request: "GET \/hello HTTP\/1\.1"/);
  t.regex(seen.text, /^\d{4}\/\d\d\/\d\d .* \[warn\] /);
  server.clearLogs();
  t.deepEqual(server.logs, []);
  t.is((await server.fetch("/fail")).status, 500);
  const errors = server.logs.filter((line) => line.level === "error");
  t.is(errors.length, 1);
  t.regex(errors[0].message, /runtime error: .*oh no\nstack traceback:\n/);
});

test("logLevel says what is logged", async (t) => {
  const server = await start(t, hello, { logLevel: "error" });
  await server.fetch("/hello");
  t.deepEqual(server.logs, []);
});

test("a text of an nginx.conf is served; each listen has a port of its own", async (t) => {
  const server = await start(
    t,
    `
    http {
      server { listen 80; listen 8080; location / { content_by_lua_block { ngx.say("one ", ngx.var.server_port) } } }
      server { listen unix:/run/some.sock; location / { content_by_lua_block { ngx.say("two") } } }
    }`,
  );
  t.is(server.urls.length, 3);
  t.is(new Set(server.urls).size, 3);
  const bodies = await Promise.all(server.urls.map(async (url) => (await fetch(url)).text()));
  const port = (url) => new URL(url).port;
  t.deepEqual(bodies, [`one ${port(server.urls[0])}\n`, `one ${port(server.urls[1])}\n`, "two\n"]);
});

test("a file is served with its folder as the prefix; two servers of one file do not meet", async (t) => {
  const prefix = makePrefix({
    "nginx.conf": `events {} http { server { listen 127.0.0.1:8080; location / { content_by_lua_file page.lua; } } }`,
    "page.lua": `ngx.say("from a file")`,
  });
  t.teardown(() => removePrefix(prefix));
  const one = await start(t, join(prefix, "nginx.conf"));
  const two = await start(t, join(prefix, "nginx.conf"), { workers: 2 });
  t.not(one.url, two.url);
  for (const server of [one, two]) t.is(await (await server.fetch("/")).text(), "from a file\n");
  t.is(two.server.stats().length, 2);
});

test("a reload keeps the ports and the log", async (t) => {
  const conf = (word) => ({ http: { server: [{ location: { "/": { contentByLua: `ngx.say("${word}")` } } }] } });
  const server = await start(t, conf("old"));
  await server.server.reload(conf("new"));
  t.is(await (await server.fetch("/")).text(), "new\n");
  t.true(server.logs.every((line) => line.text !== ""));
});

test("a configuration with mistakes rejects with all of them", async (t) => {
  const error = await t.throwsAsync(testServer("http {\n server {\n  listne 80;\n  lua_bogus on;\n }\n}"), {
    instanceOf: ConfigError,
  });
  t.deepEqual(
    error.problems.map((p) => `${p.file}:${p.line} ${p.message}`),
    ['nginx.conf:3 unknown directive "listne"', 'nginx.conf:4 unknown directive "lua_bogus"'],
  );
});

test("an error of init_by_lua rejects with it", async (t) => {
  const error = await t.throwsAsync(testServer({ http: { initByLua: `error("not today")` } }), {
    instanceOf: MoonwireError,
  });
  t.is(error.code, "SERVER_START");
  t.regex(error.message, /init_by_lua error: .*not today/);
});

test("closing twice is closing once", async (t) => {
  const server = await start(t, hello);
  await Promise.all([server.close(), server.close()]);
  t.deepEqual(server.logs, []);
  await t.throwsAsync(server.fetch("/hello"));
});

test("CommonJS, node:test, and a process that ends without closing", (t) => {
  const folder = makePrefix({
    "hello.test.cjs": `const test = require("node:test");
      const assert = require("node:assert");
      const { readdirSync } = require("node:fs");
      const { testServer } = require("moonwire");
      test("says hello", async () => {
        const closed = await testServer({ http: {} });
        await closed.close();
        assert.deepEqual(readdirSync(process.env.TMPDIR), ["logs"]);
        const server = await testServer({ http: { server: [{ location: { "/": { contentByLua: "ngx.say('hi')" } } }] } });
        assert.equal(await (await server.fetch("/")).text(), "hi\\n");
        console.log("PORT", server.url);
        process.exit(0);
      });`,
  });
  t.teardown(() => removePrefix(folder));
  const root = new URL("../..", import.meta.url).pathname;
  spawnSync("mkdir", ["-p", join(folder, "node_modules")]);
  spawnSync("ln", ["-s", root, join(folder, "node_modules/moonwire")]);
  const temporary = makePrefix();
  t.teardown(() => removePrefix(temporary));
  const r = spawnSync(process.execPath, ["hello.test.cjs"], {
    cwd: folder,
    env: { ...process.env, TMPDIR: temporary },
    encoding: "utf8",
  });
  t.is(r.status, 0, r.stdout + r.stderr);
  t.regex(r.stdout, /PORT http:\/\/127\.0\.0\.1:\d+/);
  t.deepEqual(readdirSync(temporary), ["logs"]);
});

for (const file of ["nofile.ts", "nofile.conf", "", "test"])
  test(`a configuration file that cannot be read: "${file}"`, async (t) => {
    await t.throwsAsync(testServer(file), { instanceOf: MoonwireError, code: "CONFIG_UNREADABLE" });
    await t.throwsAsync(serve(file), { instanceOf: MoonwireError, code: "CONFIG_UNREADABLE" });
  });

for (const [options, message] of [
  [{ processes: -1 }, 'serve: option "processes" must be a whole number from 1 to 64'],
  [{ prefx: "x" }, 'serve: unknown option "prefx"'],
  [{ overrides: { port: "x" } }, 'serve: overrides: option "port" must be a whole number from 0 to 65535'],
  [{ overrides: { host: "nosuch.invalid" } }, 'serve: overrides: option "host" must be an IP address or "localhost"'],
  [{ overrides: { toString: 1 } }, 'serve: overrides: unknown option "toString"'],
  [null, "serve: options must be an object"],
])
  test(`misuse of serve is a TypeError: ${message}`, async (t) => {
    await t.throwsAsync(serve({ http: {} }, options), { instanceOf: TypeError, message });
  });

test("misuse of testServer and LuaVm is a TypeError", async (t) => {
  const of = (message) => ({ instanceOf: TypeError, message });
  await t.throwsAsync(testServer({}, { workers: "auto" }), of(/^testServer: option "workers" must be /));
  await t.throwsAsync(
    testServer({}, { logLevel: "loud" }),
    of(/^testServer: option "logLevel" must be one of "stderr", /),
  );
  await t.throwsAsync(LuaVm.create({ luaSharedDct: {} }), of('LuaVm: unknown option "luaSharedDct"'));
  t.throws(() => new LuaVm({ multiple: 1 }), of('LuaVm: option "multiple" must be a boolean'));
});
