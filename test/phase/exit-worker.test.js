// SPDX-License-Identifier: MIT
// exit_worker_by_lua* runs however a worker ends, as in nginx: drained, cut, reloaded.
import test from "ava";
import { startMoonwire, startProcess } from "../helpers/index.js";

const writes = `local f = io.open("__PREFIX__/out", "a") f:write(ngx.get_phase(), " ", tostring(ngx.worker.exiting()), "\\n") f:close()`;
const ran = "exit_worker true\n";
const server = `location / { content_by_lua_block { ngx.say("hi") } }
  location /slow { content_by_lua_block { ngx.sleep(60) } }`;

test("close without drain", async (t) => {
  const s = await startMoonwire(t, { http: `exit_worker_by_lua_block { ${writes} }`, server });
  await s.get("/");
  await s.server.close();
  t.is(s.log("out"), ran);
});

test("close without drain cuts a request that waits, and lets the handler wait", async (t) => {
  const s = await startMoonwire(t, { http: `exit_worker_by_lua_block { ngx.sleep(0.02) ${writes} }`, server });
  const cut = t.throwsAsync(s.get("/slow"));
  await s.get("/");
  await s.server.close();
  await cut;
  t.is(s.log("out"), ran);
});

test("a handler that waits for ever does not hold up a close without drain", async (t) => {
  const s = await startMoonwire(t, { http: `exit_worker_by_lua_block { ngx.sleep(3600) }`, server });
  const before = Date.now();
  await s.server.close();
  t.true(Date.now() - before < 5000);
});

test("a reload ends the old workers with it, and only them", async (t) => {
  const s = await startMoonwire(t, { http: `exit_worker_by_lua_block { ${writes} }`, server });
  const ended = new Promise((resolve) => s.server.once("workerExit", resolve));
  await s.server.reload();
  await ended;
  t.is(s.log("out"), ran);
  t.is((await s.get("/")).body, "hi\n");
});

test("a failed start runs no exit_worker", async (t) => {
  const s = await startMoonwire(t, { http: `exit_worker_by_lua_block { ${writes} }`, server });
  s.write(
    "nginx.conf",
    `events { } http { init_by_lua_block { error("no") } exit_worker_by_lua_block { ${writes} } server { listen 127.0.0.1:0; } }`.replaceAll(
      "__PREFIX__",
      s.prefix,
    ),
  );
  await t.throwsAsync(s.server.reload(), { message: /init_by_lua error/ });
  t.is(s.log("out"), "");
});

test("a close without drain after one that drains", async (t) => {
  const s = await startMoonwire(t, { http: `exit_worker_by_lua_block { ${writes} }`, server });
  const cut = t.throwsAsync(s.get("/slow"));
  await s.get("/");
  const closed = s.server.close({ drainMs: 60_000 });
  await s.server.close();
  await Promise.all([closed, cut]);
  t.is(s.log("out"), ran);
});

test("SIGTERM", async (t) => {
  const s = await startProcess(t, { http: `exit_worker_by_lua_block { print("going") }`, server });
  s.kill("SIGTERM");
  t.is((await s.exit).code, 0);
  t.regex(s.log(), /going/);
});
