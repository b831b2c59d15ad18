// SPDX-License-Identifier: MIT
// ngx.worker.pid(), by which libraries tell workers apart: one of its own for each that lives, also over a reload.
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

const server = `location / { content_by_lua_block {
  ngx.say(ngx.worker.id(), " ", ngx.worker.pid(), " ", ngx.var.pid, " ", table.concat(ngx.worker.pids(), " ")) } }`;

/** By worker: { pid, variable, all }, once each of `count` has answered. */
async function workers(s, count) {
  const seen = new Map();
  await waitFor(async () => {
    const [id, pid, variable, ...all] = (await s.get("/")).body.trim().split(" ").map(Number);
    seen.set(id, { pid, variable, all });
    return seen.size === count;
  }, "an answer of every worker");
  return [...seen.entries()].sort(([a], [b]) => a - b).map(([, worker]) => worker);
}

test("each worker has its own, the first the process's; all are listed", async (t) => {
  const s = await startMoonwire(t, { main: "worker_processes 3;", server });
  const three = await workers(s, 3);
  const pids = three.map(({ pid }) => pid);
  t.is(new Set(pids).size, 3);
  for (const { pid, variable, all } of three) {
    t.is(variable, pid);
    t.deepEqual(all, pids);
    t.notThrows(() => process.kill(pid, 0));
  }
});

test("a new generation's differ from those of the old one, which still lives", async (t) => {
  const s = await startMoonwire(t, {
    main: "worker_processes 2;",
    server: `${server} location /long { content_by_lua_block { ngx.sleep(2) ngx.say(ngx.worker.pid()) } }`,
  });
  const before = (await workers(s, 2)).map(({ pid }) => pid);
  const long = s.get("/long");
  await waitFor(() => s.server.stats().some((w) => w.requests > 0 && w.connectionsActive > 0), "the long request");
  await s.server.reload();
  const after = (await workers(s, 2)).map(({ pid }) => pid);
  t.true(before.includes(Number((await long).body)));
  t.is(new Set([...before, ...after]).size, 4);
});
