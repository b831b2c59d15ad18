// SPDX-License-Identifier: MIT
// init and init_worker that wait for something: a start waits with them, but not for ever (lua_init_timeout).
import { createServer } from "node:net";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

/** A server that answers each connection when `answer()` is called; its port. */
async function holding(t) {
  const waiting = new Set();
  const port = await listening(
    t,
    createServer((socket) => {
      waiting.add(socket);
      socket.on("error", () => {}).on("close", () => waiting.delete(socket));
    }),
  );
  const answer = () => waiting.forEach((socket) => socket.write("value\n"));
  return { port, answer, count: () => waiting.size };
}

const read = (port) => `local s = ngx.socket.tcp() assert(s:connect("127.0.0.1", ${port})) local line = s:receive()`;
const location = `location / { content_by_lua_block { ngx.say(value) } }`;

test("init that waits too long: the start fails and says so, and closes what init had open", async (t) => {
  const held = await holding(t);
  await t.throwsAsync(
    startMoonwire(t, { http: `lua_init_timeout 100ms; init_by_lua_block { ${read(held.port)} }`, server: location }),
    { message: /init_by_lua error: still waiting after 100 ms \(lua_init_timeout\)/ },
  );
  await waitFor(() => held.count() === 0, "the connection to be closed");
});

test("init and init_worker within their time; two workers", async (t) => {
  const held = await holding(t);
  const starting = startMoonwire(t, {
    main: "worker_processes 2;",
    http: `init_by_lua_block { ${read(held.port)} value = line }
      init_worker_by_lua_block { ngx.sleep(0.05) value = value .. " of a worker" }`,
    server: location,
  });
  await waitFor(() => held.count() === 2, "both workers to ask");
  held.answer();
  const s = await starting;
  t.is((await s.get("/")).body, "value of a worker\n");
});

test("init_worker that waits too long is logged; the worker serves, and init_worker goes on", async (t) => {
  const held = await holding(t);
  const s = await startMoonwire(t, {
    http: `lua_init_timeout 100ms; init_worker_by_lua_block { value = "none" ${read(held.port)} value = line }`,
    server: location,
  });
  t.is((await s.get("/")).body, "none\n");
  t.regex(s.log(), /\[error\].*init_worker_by_lua error: still waiting after 100 ms \(lua_init_timeout\)/);
  held.answer();
  await waitFor(async () => (await s.get("/")).body === "value\n", "the end of init_worker");
});

test("a reload whose init waits too long fails; the old workers serve on", async (t) => {
  const held = await holding(t);
  const config = (http) => ({
    conf: `events {} http { access_log off; ${http} server { listen 127.0.0.1:0; ${location} } }`,
  });
  const s = await startMoonwire(t, config(`init_by_lua_block { value = "old" }`));
  s.write("nginx.conf", config(`lua_init_timeout 100ms; init_by_lua_block { ${read(held.port)} }`).conf);
  await t.throwsAsync(s.server.reload(), { message: /init_by_lua error: still waiting/ });
  t.is((await s.get("/")).body, "old\n");
});
