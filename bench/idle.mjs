// SPDX-License-Identifier: MIT
// node bench/idle.mjs: what an idle keep-alive connection costs in memory. Opens many connections, makes one request on
// each, lets them sit, and compares resident memory with before. "set aside" is what a higher worker_connections costs
// without a single connection.
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { readOptions } from "../scripts/options.mjs";
import { exchange, parseAnswer, requestText } from "./lib/client.mjs";
import { Stage, chooseContenders, contenderOptions } from "./lib/contenders.mjs";
import { memory } from "./lib/proc.mjs";
import { table } from "./lib/report.mjs";

const { values: args } = readOptions({
  usage: "node bench/idle.mjs [options]",
  options: {
    count: { type: "string", default: "10000", help: "connections" },
    limit: { type: "string", help: "bytes a connection; more fails" },
    ...contenderOptions,
  },
});
const count = Number(args.count);
const workerConnections = Math.ceil(count * 1.1) + 64; // nginx closes idle ones when less than a sixteenth is free
const fewConnections = 64;
const portsPerAddress = 20000;
const request = requestText({ path: "/hello" });

const setup = (connections) => ({
  workerConnections: connections,
  server: "keepalive_timeout 3600s;",
  location: `location = /hello { content_by_lua_block { ngx.say("hello, world") } }`,
});

/// Opens one connection and resolves to its socket when the one request is answered.
function open(port, index) {
  return new Promise((done, fail) => {
    const localAddress = `127.0.0.${1 + Math.floor(index / portsPerAddress)}`;
    const socket = net.connect({ port, host: "127.0.0.1", localAddress }, () => socket.write(request));
    let text = "";
    socket.on("error", fail);
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (parseAnswer(text)) done(socket);
    });
  });
}

async function measure(stage, name) {
  const small = await stage.start(name, setup(fewConnections));
  await sleep(1000);
  const smallBase = memory(small.pid).rss;
  await stage.stop(small);
  const server = await stage.start(name, setup(workerConnections));
  await sleep(1000);
  const start = memory(server.pid).rss;
  await exchange(server.port, request.repeat(100), { count: 100 });
  await sleep(500);
  const before = memory(server.pid);
  const sockets = [];
  try {
    for (let i = 0; i < count; i += 50) {
      const step = Array.from({ length: Math.min(50, count - i) }, (_, k) => open(server.port, i + k));
      sockets.push(...(await Promise.all(step)));
    }
    await sleep(2000);
    const closed = sockets.filter((s) => s.destroyed || s.readableEnded).length;
    if (closed) throw new Error(`${closed} of ${count} connections did not stay open`);
    const after = memory(server.pid);
    const each = (key) => (after[key] - before[key]) / count;
    return {
      base: before.rss,
      after: after.rss,
      each: each("rss"),
      anon: each("anon"),
      aside: (start - smallBase) / (workerConnections - fewConnections),
    };
  } finally {
    for (const s of sockets) s.destroy();
    await stage.stop(server);
  }
}

const options = chooseContenders(args, ["nginx", "moonwire"]);
const stage = new Stage(options);
const rows = [["", "base MB", "with all MB", "bytes each", "of it anonymous", "set aside each"]];
try {
  for (const name of options.names) {
    const m = await measure(stage, name);
    const mb = (n) => (n / 1048576).toFixed(1);
    rows.push([name, mb(m.base), mb(m.after), ...[m.each, m.anon, m.aside].map(Math.round)]);
    if (args.limit && name === "moonwire" && m.each > Number(args.limit)) process.exitCode = 1;
  }
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
} finally {
  await stage.close();
}
console.log(`${count} idle keep-alive connections\n${table(rows)}`);
