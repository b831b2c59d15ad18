// SPDX-License-Identifier: MIT
// ngx.process.enable_privileged_agent: one worker more, that runs init_worker, timers and exit_worker, and serves nobody.
import test from "ava";
import { startMoonwire, startProcess, waitFor } from "../helpers/index.js";

const options = {
  main: "worker_processes 2;",
  http: `
    lua_shared_dict seen 1m;
    init_by_lua_block { assert(require("ngx.process").enable_privileged_agent(10)) }
    init_worker_by_lua_block {
      local kind = require("ngx.process").type()
      ngx.shared.seen:incr("init " .. kind .. " " .. tostring(ngx.worker.id()), 1, 0)
      if kind == "privileged agent" then
        ngx.timer.every(0.01, function(premature)
          if not premature then ngx.shared.seen:incr("ticks", 1, 0) end
        end)
      end
    }
    exit_worker_by_lua_block { ngx.log(ngx.WARN, "exit of a ", require("ngx.process").type()) }`,
  server: `
    location = /seen { content_by_lua_block {
      local seen = ngx.shared.seen
      local names = seen:get_keys()
      table.sort(names)
      for _, name in ipairs(names) do ngx.say(name, " ", seen:get(name)) end
    } }
    location = /who { content_by_lua_block { ngx.say(require("ngx.process").type(), " ", ngx.worker.id()) } }
    location = /status { moonwire_status; }`,
};
const ticks = async (s) => Number(/^ticks (\d+)$/m.exec((await s.get("/seen")).body)?.[1] ?? 0);

test("it runs init_worker and timers without a number of its own, and no request comes to it", async (t) => {
  const s = await startMoonwire(t, options);
  await waitFor(async () => (await ticks(s)) > 3, "the agent's timer");
  t.is(
    (await s.get("/seen")).body.replace(/^ticks \d+\n/m, ""),
    "init privileged agent nil 1\ninit worker 0 1\ninit worker 1 1\n",
  );
  for (let i = 0; i < 20; i++) t.regex((await s.get("/who")).body, /^worker [01]\n$/);
  const { workers } = JSON.parse((await s.get("/status")).body);
  t.deepEqual(
    workers.map((w) => w.worker),
    [-1, 0, 1],
  );
  t.is(s.server.stats().length, 2);
});

test("a reload gives the new generation its own; the old one ends with exit_worker", async (t) => {
  const s = await startMoonwire(t, options);
  await waitFor(async () => (await ticks(s)) > 0, "the agent's timer");
  const ended = [];
  s.server.on("workerExit", (exit) => ended.push(exit));
  await s.server.reload();
  await waitFor(() => ended.some((exit) => exit.left === 0), "the old generation's end");
  t.deepEqual(ended.map((exit) => exit.worker).sort(), [0, 1, 2]);
  const before = await ticks(s);
  await waitFor(async () => (await ticks(s)) > before, "the new agent's timer");
  t.regex((await s.get("/seen")).body, /^init privileged agent nil 2$/m);
  await s.server.close({ drainMs: 1000 });
  t.is(s.log().match(/exit of a privileged agent/g).length, 2);
});

test("of two processes one has it", async (t) => {
  const p = await startProcess(t, { ...options, args: ["--processes", "2"] });
  await waitFor(async () => (await ticks(p)) > 3, "the agent's timer");
  t.regex((await p.get("/seen")).body, /^init privileged agent nil 1$/m);
});
