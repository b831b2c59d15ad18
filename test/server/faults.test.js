// SPDX-License-Identifier: MIT
// The promise as a whole: beside 20 connections in steady use, ten times each a handler that loops, allocates, recurses without
// end, and dereferences a null pointer. Each gets a 5xx; no connection is lost, no other request fails. Two workers; the slowest
// other request is logged: behind a loop it waits for what is left of that worker's limit of 1 s.
import { Agent, get } from "node:http";
import test from "ava";
import { startProcess } from "../helpers/index.js";

const kinds = {
  loop: `while true do end`,
  memory: `local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end`,
  recursion: `local function f(n) return 1 + f(n + 1) end f(1)`,
  // A sanitizer reports this one itself and ends the process.
  ...(!process.env.MW_TEST_SANITIZER && { pointer: `return require("ffi").cast("int *", 0)[0]` }),
};

const conf = `worker_processes 2; error_log logs/error.log; events {} http { access_log off; lua_handler_timeout 1s; lua_vm_memory_limit 64m;
  keepalive_requests 1000000;
  server { listen 127.0.0.1:__PORT__; location / { content_by_lua_block { ngx.say("ok") } }
    ${Object.entries(kinds)
      .map(([name, code]) => `location /${name} { content_by_lua_block { ${code} } }`)
      .join("\n")} } }`;

/** One request: its status, local port, and ms. */
const ask = (url, agent) =>
  new Promise((resolve, reject) => {
    const begin = performance.now();
    get(url, { agent }, (res) => {
      const port = res.socket.localPort;
      res.resume().on("end", () => resolve({ status: res.statusCode, port, ms: performance.now() - begin }));
    }).on("error", reject);
  });

test("ten faults of each kind beside 20 connections in steady use", async (t) => {
  t.timeout(120_000);
  const s = await startProcess(t, { conf });
  let isOver = false;
  const seen = { requests: 0, failures: [], ports: new Set(), slowest: 0 };
  const client = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!isOver) {
      try {
        const { status, port, ms } = await ask(s.url, agent);
        seen.requests++;
        seen.ports.add(port);
        seen.slowest = Math.max(seen.slowest, ms);
        if (status !== 200) seen.failures.push(status);
      } catch (e) {
        seen.failures.push(e.code);
      }
      await new Promise((done) => setTimeout(done, 5));
    }
    agent.destroy();
  };
  const clients = Array.from({ length: 20 }, client);
  for (const kind of Object.keys(kinds)) {
    seen.slowest = 0;
    const statuses = [];
    for (let i = 0; i < 10; ++i) statuses.push((await ask(`${s.url}/${kind}`, false)).status);
    t.deepEqual(statuses, Array(10).fill(500), kind);
    t.log(`${kind}: slowest other request ${Math.round(seen.slowest)} ms, ${seen.requests} so far`);
    t.true(seen.slowest < 10_000, kind);
  }
  isOver = true;
  await Promise.all(clients);
  t.deepEqual(seen.failures, []);
  t.is(seen.ports.size, 20, "connections");
  t.is((s.log().match(/lua VM lost/g) ?? []).length, kinds.pointer ? 10 : 0);
});
