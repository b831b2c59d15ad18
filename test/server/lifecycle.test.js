// SPDX-License-Identifier: MIT
// serve() and the Server object: addresses, stats, reload, close, events.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { ConfigError, lua, MoonwireError, serve } from "moonwire";
import { get, startMoonwire, waitFor } from "../helpers/index.js";

const hello = (text) => ({
  workerProcesses: 1,
  errorLog: "stderr crit",
  http: {
    accessLog: "off",
    server: [{ listen: ["127.0.0.1:0"], location: { "/": { contentByLua: lua`ngx.say(${JSON.stringify(text)})` } } }],
  },
});

async function start(t, config) {
  const server = await serve(config);
  t.teardown(() => server.close());
  return server;
}

const url = (server) => `http://${server.addresses[0]}/`;

test("serves a configuration object on a port of the system's choice", async (t) => {
  const server = await start(t, hello("one"));
  t.regex(server.addresses[0], /^127\.0\.0\.1:[1-9]\d*$/);
  t.is((await get(url(server))).body, "one\n");
});

test("stats count requests and connections", async (t) => {
  const server = await start(t, hello("x"));
  for (let i = 0; i < 3; i++) await get(url(server));
  const stats = await waitFor(() => server.stats().find((s) => s.requests === 3), "the counters"); // published now and then
  t.like(stats, { generation: 1, worker: 0, connectionsAccepted: 3 });
  t.true(stats.luaMemoryBytes > 1000);
});

test("reload takes a new configuration on the same port and tells of it", async (t) => {
  const server = await start(t, hello("one"));
  const before = server.addresses[0];
  const [[generation]] = await Promise.all([once(server, "reload"), server.reload(hello("two"))]);
  t.is(generation, 2);
  t.is(server.addresses[0], before);
  t.is((await get(url(server))).body, "two\n");
});

test("a reload that fails changes nothing", async (t) => {
  const server = await start(t, hello("one"));
  await t.throwsAsync(server.reload({ http: { bogus: 1 } }), { instanceOf: ConfigError });
  await t.throwsAsync(server.reload({ http: { initByLua: lua`error("no")`, server: [] } }), {
    instanceOf: MoonwireError,
  });
  t.is((await get(url(server))).body, "one\n");
});

test("workerExit tells of every worker that ends", async (t) => {
  const server = await start(t, { ...hello("x"), workerProcesses: 2 });
  const exits = [];
  server.on("workerExit", (e) => exits.push(e));
  await server.close();
  t.deepEqual(exits.map((e) => e.worker).sort(), [0, 1]);
  t.is(exits.at(-1).left, 0);
});

test("close drains as long as it is told to", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block { ngx.sleep(0.2) ngx.say("done") } }`,
  });
  const pending = s.get("/");
  await sleep(80);
  await s.server.close({ drainMs: 5000 });
  t.is((await pending).body, "done\n");
  await t.throwsAsync(s.get("/"), { code: "ECONNREFUSED" });
});

test("close without drain cuts requests; a second close is harmless", async (t) => {
  const s = await startMoonwire(t, { server: `location / { content_by_lua_block { ngx.sleep(30) } }` });
  const pending = t.throwsAsync(s.get("/"));
  await sleep(80);
  await Promise.all([s.server.close(), s.server.close()]);
  await pending;
  t.deepEqual(s.server.stats(), []);
  await t.throwsAsync(s.server.reload(), { code: "SERVER_CLOSED" });
});

test("a configuration with mistakes rejects with all of them", async (t) => {
  const error = await t.throwsAsync(serve({ http: { bogus: 1, alsoBogus: 2 } }), {
    instanceOf: ConfigError,
    code: "CONFIG_INVALID",
  });
  t.is(error.problems.length, 2);
});

test("await using closes it", async (t) => {
  const server = await serve(hello("x"));
  const address = url(server);
  await server[Symbol.asyncDispose]();
  await t.throwsAsync(get(address), { code: "ECONNREFUSED" });
});
