// SPDX-License-Identifier: MIT
// `--processes`: workers in supervised processes that share sockets and dictionaries; one that dies is replaced, and nobody
// else notices.
import { readFileSync, readdirSync } from "node:fs";
import test from "ava";
import { startProcess, waitFor, writeFile } from "../helpers/index.js";
import { steadyClients } from "../helpers/steady.js";
import { openWire } from "../helpers/wire.js";
import { echoLocation, EchoSocket } from "../../bench/lib/websocket.mjs";

const server = `
  location / { content_by_lua_block { ngx.say("hello") } }
  location = /who { content_by_lua_block { ngx.say(ngx.worker.pid(), " ", ngx.worker.id(), " ", ngx.worker.count()) } }
  location = /pids { content_by_lua_block { ngx.say(table.concat(ngx.worker.pids(), " ")) } }
  location = /incr { content_by_lua_block { ngx.say((ngx.shared.d:incr("n", 1, 0))) } }
  location = /store { content_by_lua_block {
    for i = 1, 200 do ngx.shared.d:set("k" .. math.random(500), ("v"):rep(math.random(300))) end ngx.say("stored")
  } }
  location = /null { content_by_lua_block { local ffi = require "ffi" ngx.say(ffi.cast("int *", 8)[0]) } }
  ${echoLocation}`;

const http = "lua_shared_dict d 1m; keepalive_requests 100000000;";

const start = (t, { processes = 2, main = "worker_processes 2;", ...more } = {}) =>
  startProcess(t, {
    main,
    http,
    server,
    ...more,
    args: ["--processes", String(processes)],
  });

async function ask(wire, path) {
  wire.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return (await wire.response({ timeout: 20_000 })).body.trim();
}

/** The process that a worker's pid, which may be its thread's, belongs to. */
const processOf = (pid) => Number(/^Tgid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
const pids = async (s) => (await s.get("/pids")).body.trim().split(" ").map(Number);
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** Waits until each of two processes has a worker, none of them `gone`; their pids. */
const bothAlive = (s, gone) =>
  waitFor(async () => {
    const now = await pids(s);
    return now.length === 2 && now.every((pid) => pid !== gone && isAlive(pid)) && now;
  }, "workers of both processes");

/** A keep-alive connection to a worker of that process. */
async function wireTo(t, s, pid) {
  for (;;) {
    const wire = openWire(t, s);
    if (Number((await ask(wire, "/who")).split(" ")[0]) === pid) return wire;
    wire.destroy();
  }
}

test.serial("workers are numbered over all processes, and share dictionaries", async (t) => {
  const s = await start(t, { processes: 2, main: "worker_processes 3;" });
  const seen = new Map();
  await waitFor(async () => {
    const [pid, id, count] = (await s.get("/who")).body.trim().split(" ").map(Number);
    t.is(count, 3);
    seen.set(id, pid);
    return seen.size === 3;
  }, "an answer of every worker");
  t.is(new Set(seen.values()).size, 3, "each worker has a pid of its own");
  t.is(new Set([...seen.values()].map(processOf)).size, 2, "two processes");
  t.deepEqual(
    await pids(s),
    [0, 1, 2].map((id) => seen.get(id)),
  );
  t.false([...seen.values()].includes(s.child.pid));
  for (let i = 1; i <= 20; i++) t.is((await s.get("/incr")).body, `${i}\n`);
});

test.serial(
  "a process that is killed is replaced at once; connections of the others live on, and the log tells",
  async (t) => {
    const s = await start(t);
    const [victim, other] = await bothAlive(s);
    const wire = await wireTo(t, s, other);
    process.kill(victim, "SIGKILL");
    const killed = performance.now();
    const replaced = await bothAlive(s, victim);
    t.log(`replaced after ${Math.round(performance.now() - killed)} ms`);
    t.is(replaced[1], other);
    t.is(await ask(wire, "/who"), `${other} 1 2`);
    t.regex(s.log(), new RegExp(`\\[alert\\] .*: worker process ${victim} exited on signal 9`));
  },
);

test.serial(
  "a wild FFI pointer ends one process: its request is named in the log, the other's connections live on",
  async (t) => {
    const s = await start(t, { http: `${http} lua_fault_containment off;` });
    const [victim, other] = await bothAlive(s);
    const wire = await wireTo(t, s, victim);
    const good = await wireTo(t, s, other);
    const clients = steadyClients(t, s.port, 6, { path: "/incr", pause: 1 });
    wire.send("GET /null?secret HTTP/1.1\r\nHost: a\r\n\r\n");
    await t.throwsAsync(wire.response({ timeout: 20_000 }));
    await waitFor(() => s.log().includes(`worker process ${victim}: worker 0 was running`), "the request's line");
    t.regex(s.log(), /worker process \d+ exited on signal 11/);
    t.regex(s.log(), new RegExp(`worker process ${victim}: worker 0 was running "GET /null\\?secret HTTP/1\\.1"`));
    // A sanitizer's own handler is the first to see the fault.
    if (!process.env.MW_TEST_SANITIZER)
      t.regex(s.log(), /HTTP\/1\.1", in Lua at content_by_lua\(nginx\.conf:\d+\):1$/m);
    await bothAlive(s, victim);
    t.is(await ask(good, "/who"), `${other} 1 2`);
    const { failures } = await clients.stop();
    t.true(failures.every((why) => /closed|ECONNRESET/.test(why)) && failures.length <= 6, failures.join());
  },
);

test.serial("processes killed while they write to a dictionary hold no lock and leave it whole", async (t) => {
  const s = await start(t);
  const clients = steadyClients(t, s.port, 6, { path: "/store" });
  for (let round = 0; round < 8; round++) {
    const before = clients.answers();
    const victim = (await bothAlive(s))[round % 2];
    process.kill(victim, "SIGKILL");
    await waitFor(() => clients.answers() > before + 20, "answers after the kill");
    await bothAlive(s, victim);
  }
  await clients.stop();
  const n = Number((await s.get("/incr")).body);
  t.is(Number((await s.get("/incr")).body), n + 1);
  t.is([...s.log().matchAll(/exited on signal 9/g)].length, 8);
});

test.serial("HUP: every process takes the new configuration, no request fails, WebSockets live on", async (t) => {
  const s = await start(t, {
    files: { "handler.lua": `ngx.say("v0")` },
    server: `${server}
    location = /version { content_by_lua_file handler.lua; }`,
  });
  const clients = steadyClients(t, s.port, 8);
  const sockets = Array.from({ length: 6 }, () => new EchoSocket(s.port, "/echo", 20));
  t.teardown(() => sockets.forEach((w) => w.close()));
  await Promise.all(sockets.map((w) => w.opened));
  const first = await pids(s);
  for (let i = 1; i <= 5; i++) {
    writeFile(s.prefix, "handler.lua", `ngx.say("v${i}")`);
    s.kill("SIGHUP");
    await waitFor(() => s.stderr().split("configuration reloaded").length > i, "the reload");
    await waitFor(async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => s.get("/version")));
      return answers.every((a) => a.body === `v${i}\n`);
    }, "the new code in every process");
  }
  t.deepEqual((await pids(s)).map(processOf), first, "the same processes");
  const { failures, connections } = await clients.stop();
  t.deepEqual(failures, []);
  t.is(connections, 8);
  t.deepEqual(
    sockets.map((w) => w.failure),
    sockets.map(() => undefined),
  );
});

test.serial("a bad configuration changes nothing in any process", async (t) => {
  const s = await start(t);
  const conf = readFileSync(`${s.prefix}/nginx.conf`, "utf8");
  // An error in one process only: the others are ready by then, and must not serve it.
  writeFile(
    s.prefix,
    "nginx.conf",
    conf.replace("http {", `http { init_by_lua_block { if ngx.worker.id() == 1 then error("no luck") end }`),
  );
  s.kill("SIGHUP");
  await waitFor(() => s.stderr().includes("reload failed"), "the refusal");
  t.true(s.stderr().includes("no luck"));
  t.is((await s.get("/")).status, 200);
  writeFile(s.prefix, "nginx.conf", conf.replace("hello", "again"));
  s.kill("SIGHUP");
  await waitFor(() => s.stderr().includes("configuration reloaded"), "the reload");
  await waitFor(async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => s.get("/")));
    return answers.every((a) => a.body === "again\n");
  }, "the new code in every process");
});

test.serial("QUIT finishes requests and ends every process; so does the supervisor's death", async (t) => {
  const slow = `location = /slow { content_by_lua_block { ngx.log(ngx.INFO, "begun") ngx.sleep(0.5) ngx.say("done") } }`;
  for (const signal of ["SIGQUIT", "SIGTERM", "SIGKILL"]) {
    const s = await start(t, { server: server + slow });
    const list = await pids(s);
    const wire = openWire(t, s);
    wire.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await waitFor(() => s.log().includes("begun"), "the request");
    s.kill(signal);
    if (signal === "SIGQUIT") t.is((await wire.response()).body, "done\n");
    const { code } = await s.exit;
    if (signal !== "SIGKILL") t.is(code, 0);
    await waitFor(() => !list.some(isAlive), `the end of the processes after ${signal}`);
  }
});

test.serial("USR1 reopens the logs of every process", async (t) => {
  const s = await start(t, {
    http: "lua_shared_dict d 1m; access_log logs/access.log;",
    server: `location / { access_log logs/mine.log; content_by_lua_block { ngx.say("hello") } }
      location = /pids { content_by_lua_block { ngx.say(table.concat(ngx.worker.pids(), " ")) } }`,
  });
  await s.get("/before");
  const { renameSync } = await import("node:fs");
  renameSync(`${s.prefix}/logs/mine.log`, `${s.prefix}/logs/mine.old`);
  s.kill("SIGUSR1");
  await waitFor(() => readdirSync(`${s.prefix}/logs`).includes("mine.log"), "the new file");
  await waitFor(async () => {
    await s.get("/after");
    return readFileSync(`${s.prefix}/logs/mine.log`, "utf8").includes("/after");
  }, "a line in the new file");
  t.pass();
});

test.serial("a process that dies at every start is not started without pause, and the others serve", async (t) => {
  const s = await start(t, {
    http: `lua_shared_dict d 1m; init_worker_by_lua_block {
      if ngx.worker.id() == 1 and ngx.shared.d:get("doom") then
        ngx.timer.at(0.05, function() require("ffi").cdef("int kill(int, int);") require("ffi").C.kill(ngx.worker.pid(), 9) end)
      end }`,
    server: `${server} location = /doom { content_by_lua_block { ngx.shared.d:set("doom", true) ngx.say("ok") } }`,
  });
  await s.get("/doom");
  const [, victim] = await bothAlive(s);
  process.kill(victim, "SIGKILL");
  await waitFor(() => s.log().split("exited on signal 9").length > 4, "a few deaths");
  const wire = await wireTo(t, s, (await pids(s))[0]);
  t.regex(await ask(wire, "/who"), / 0 2$/);
});
