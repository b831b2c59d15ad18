// SPDX-License-Identifier: MIT
// `moonwire serve` as a process: readiness, overrides, signals, and the user's mistakes.
import { renameSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import {
  freePort,
  makePrefix,
  removePrefix,
  runMoonwire,
  spawnMoonwire,
  startProcess,
  waitFor,
  writeFile,
} from "../helpers/index.js";

const hello = (text) => `location / { content_by_lua_block { ngx.say("${text}") } }`;
const conf = (server) =>
  `error_log logs/error.log info; events { } http { access_log off; server { listen 127.0.0.1:__PORT__; ${server} } }`;

test("serves nginx.conf of the working directory and prints where", async (t) => {
  const s = await startProcess(t, { server: hello("one") });
  t.is(s.stdout(), `moonwire: listening on http://127.0.0.1:${s.port}\n`);
  t.is((await s.get("/")).body, "one\n");
});

test("--port, --host and --workers win over the configuration", async (t) => {
  const port = await freePort();
  const server = `location / { content_by_lua_block { ngx.say(ngx.worker.count()) } }`;
  const s = await startProcess(t, { server, args: ["--port", String(port), "--host", "127.0.0.1", "--workers", "2"] });
  t.is(s.port, port);
  t.is((await s.get("/")).body, "2\n");
});

for (const signal of ["SIGTERM", "SIGINT"])
  test(`${signal} stops at once with code 0`, async (t) => {
    const s = await startProcess(t, { server: `location / { content_by_lua_block { ngx.sleep(30) } }` });
    const pending = s.get("/").catch((e) => e.code);
    await waitFor(async () => s.stdout() !== "");
    await new Promise((next) => setTimeout(next, 100));
    const before = Date.now();
    s.kill(signal);
    t.deepEqual(await s.exit, { code: 0, signal: null });
    t.true(Date.now() - before < 20_000); // not when the handler would have ended
    t.is(await pending, "ECONNRESET");
  });

test("SIGQUIT lets a request finish and then stops with code 0", async (t) => {
  const s = await startProcess(t, { server: `location / { content_by_lua_block { ngx.sleep(0.4) ngx.say("done") } }` });
  const pending = s.get("/");
  await new Promise((next) => setTimeout(next, 150));
  s.kill("SIGQUIT");
  t.is((await pending).body, "done\n");
  t.deepEqual(await s.exit, { code: 0, signal: null });
});

test("SIGHUP reloads; a reload that fails is printed and the old configuration serves on", async (t) => {
  const s = await startProcess(t, { conf: conf(hello("one")) });
  writeFile(s.prefix, "nginx.conf", "events { } http { bogus; }");
  s.kill("SIGHUP");
  await waitFor(() => /reload failed/.test(s.stderr()), "the failure");
  t.regex(s.stderr(), /nginx\.conf:1:\d+: unknown directive "bogus"/);
  t.is((await s.get("/")).body, "one\n");
  writeFile(s.prefix, "nginx.conf", conf(hello("two")).replace("__PORT__", String(s.port)));
  s.kill("SIGHUP");
  await waitFor(async () => (await s.get("/")).body === "two\n", "the new configuration");
});

test("SIGUSR1 opens the logs anew", async (t) => {
  const s = await startProcess(t, { server: `location / { content_by_lua_block { ngx.log(ngx.ERR, "mark") } }` });
  renameSync(join(s.prefix, "logs/error.log"), join(s.prefix, "logs/old.log"));
  s.kill("SIGUSR1");
  await waitFor(async () => (await s.get("/"), s.log().includes("mark")), "the new log");
  t.pass();
});

for (const args of [[], ["--processes", "1"]])
  test(`SIGUSR2, nginx's upgrade, ends nothing and is told of${args.length > 0 ? ", with --processes" : ""}`, async (t) => {
    const s = await startProcess(t, {
      server: `location / { content_by_lua_block { ngx.sleep(0.3) ngx.say("done") } }`,
      args,
    });
    const pending = s.get("/");
    await new Promise((next) => setTimeout(next, 100));
    s.kill("SIGUSR2");
    t.is((await pending).body, "done\n");
    await waitFor(() => s.stderr().includes("moonwire: SIGUSR2, ignored"), "the message");
    t.is((await s.get("/")).body, "done\n");
  });

test("a port in use is one clear message and code 1", async (t) => {
  const blocker = createServer();
  await new Promise((next) => blocker.listen(0, "127.0.0.1", next));
  t.teardown(() => blocker.close());
  const { port } = blocker.address();
  const cwd = makePrefix({ "nginx.conf": conf(hello("x")).replace("__PORT__", String(port)) });
  t.teardown(() => removePrefix(cwd));
  const r = await runMoonwire(["serve"], { cwd });
  t.is(r.code, 1);
  t.regex(r.stderr, new RegExp(`bind\\(\\) to 127\\.0\\.0\\.1:${port} failed \\(98: Address already in use\\)`));
  t.notRegex(r.stderr, /\n\s+at /);
});

test("a stream server is announced as one; without any server there is a warning", async (t) => {
  const conf = `events { } stream { server { listen 127.0.0.1:0; content_by_lua_block { } } }`;
  const s = await startProcess(t, { conf });
  t.regex(s.stdout(), /^moonwire: listening on stream 127\.0\.0\.1:\d+\n$/);
  const cwd = makePrefix({ "moonwire.config.json": "{}" });
  t.teardown(() => removePrefix(cwd));
  const none = spawnMoonwire(["serve"], { cwd });
  await waitFor(() => none.stderr() === "moonwire: no server listens: the configuration has none\n", "the warning");
  none.kill("SIGTERM");
  t.is((await none.exit).code, 0);
});
