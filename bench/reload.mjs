// SPDX-License-Identifier: MIT
// node bench/reload.mjs [--reloads 100] [--seconds 60] [--connections 64] [--sockets 20] [--processes N]: SIGHUP again and
// again under wrk's keep-alive connections and WebSockets that echo. Fails when a request failed, a WebSocket was dropped,
// or descriptors, threads or memory of the server did not come back to where they were after the first tenth.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readOptions } from "../scripts/options.mjs";
import { fds, memory } from "./lib/proc.mjs";
import { echoLocation, EchoSocket } from "./lib/websocket.mjs";
import { runWrk, wrkMissing } from "./lib/wrk.mjs";

const { values: args } = readOptions({
  usage: "node bench/reload.mjs [options]",
  options: {
    reloads: { type: "string", default: "100", help: "how many" },
    seconds: { type: "string", default: "60", help: "in how long" },
    connections: { type: "string", default: "64", help: "of wrk" },
    sockets: { type: "string", default: "20", help: "WebSockets" },
    workers: { type: "string", default: "2", help: "worker threads" },
    processes: { type: "string", help: "serve --processes, this many" },
    verbose: { type: "boolean", short: "v", help: "a line for every reload" },
  },
});
const reloads = Number(args.reloads);
const seconds = Number(args.seconds);
const main = join(dirname(fileURLToPath(import.meta.url)), "../dist/cli/main.js");

const conf = `worker_processes ${args.workers};
error_log logs/error.log warn;
events { }
http {
  access_log off;
  lua_shared_dict counts 1m;
  server {
    listen 127.0.0.1:0;
    keepalive_requests 100000000;
    location / { content_by_lua_block { ngx.shared.counts:incr("n", 1, 0) ngx.say("hello, world") } }
    ${echoLocation}
  }
}
`;

function start(dir) {
  mkdirSync(join(dir, "logs"));
  writeFileSync(join(dir, "nginx.conf"), conf);
  const more = args.processes ? ["--processes", args.processes] : [];
  const child = spawn(process.execPath, [main, "serve", ...more], { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
  const server = { child, reloaded: 0, failed: 0 };
  server.ready = new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (part) => {
      text += part;
      const port = /listening on \S+:(\d+)/.exec(text)?.[1];
      if (port) resolve(Number(port));
    });
    child.on("close", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  let said = "";
  child.stderr.on("data", (part) => {
    said += part;
    const lines = said.split("\n");
    said = lines.pop();
    for (const line of lines) {
      if (line.endsWith("configuration reloaded")) server.reloaded++;
      else console.error(line);
      if (line.includes("reload failed")) server.failed++;
    }
  });
  return server;
}

const threads = (pid) => readdirSync(`/proc/${pid}/task`).length;

function sample(pid) {
  return { rss: Math.round(memory(pid).rss / 1024), fds: fds(pid).count, threads: threads(pid) };
}

const say = (s) => `RSS ${s.rss} KiB, ${s.fds} files, ${s.threads} threads`;

async function measure(dir) {
  const server = start(dir);
  const problems = [];
  try {
    const port = await server.ready;
    const sockets = Array.from({ length: Number(args.sockets) }, () => new EchoSocket(port, "/echo", 100));
    await Promise.all(sockets.map((s) => s.opened));
    const scenario = { connections: Number(args.connections), pipeline: 1, request: { path: "/" } };
    const load = runWrk({ dir, port, scenario, seconds: seconds + 2 });
    await sleep(1000);
    let early;
    const begun = performance.now();
    for (let i = 0; i < reloads; i++) {
      const wait = begun + (i * seconds * 1000) / reloads - performance.now();
      if (wait > 0) await sleep(wait);
      server.child.kill("SIGHUP");
      while (server.reloaded + server.failed <= i) await sleep(5);
      if (i === Math.floor(reloads / 10)) early = sample(server.child.pid);
      if (args.verbose) console.log(`reload ${i + 1}: ${say(sample(server.child.pid))}`);
    }
    const took = (performance.now() - begun) / 1000;
    const result = await load;
    const late = sample(server.child.pid);
    const dropped = sockets.filter((s) => s.failure);
    const echoes = sockets.reduce((sum, s) => sum + s.echoes, 0);
    for (const s of sockets) s.close();
    console.log(`${server.reloaded} reloads in ${took.toFixed(1)} s, ${server.failed} failed`);
    console.log(`${result.requests} requests on ${args.connections} connections, ${result.errors} failed,`);
    console.log(`  ${result.badStatus} with a status above 399; p50 ${result.p50} us, p99 ${result.p99} us`);
    console.log(`${sockets.length} WebSockets, ${echoes} echoes, ${dropped.length} dropped`);
    console.log(`after a tenth of it: ${say(early)}; at the end: ${say(late)}`);
    if (server.failed) problems.push(`${server.failed} reloads failed`);
    if (result.errors || result.badStatus) problems.push(`${result.errors + result.badStatus} requests failed`);
    if (dropped.length) problems.push(`${dropped.length} WebSockets dropped: ${dropped[0].failure}`);
    if (sockets.some((s) => s.echoes < seconds)) problems.push("a WebSocket was starved");
    if (late.fds > early.fds + 4) problems.push(`${late.fds - early.fds} files more than before`);
    if (late.threads > early.threads + 4) problems.push(`${late.threads - early.threads} threads more than before`);
    if (late.rss > early.rss * 1.25) problems.push(`memory grew from ${early.rss} to ${late.rss} KiB`);
    const log = readFileSync(join(dir, "logs/error.log"), "utf8");
    if (log !== "") problems.push(`the error log says: ${log.slice(0, 500)}`);
  } finally {
    server.child.removeAllListeners("close");
    const ended = new Promise((resolve) => server.child.on("exit", resolve));
    server.ready.catch(() => {});
    if (server.child.exitCode === null && server.child.signalCode === null && server.child.kill("SIGTERM")) await ended;
  }
  return problems;
}

const missing = wrkMissing();
if (missing) {
  console.error(missing);
  process.exit(1);
}
const dir = mkdtempSync(join(tmpdir(), "moonwire-reload-"));
try {
  const problems = await measure(dir);
  for (const p of problems) console.log(`FAILED: ${p}`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
