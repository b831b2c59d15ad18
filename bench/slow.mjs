// SPDX-License-Identifier: MIT
// node bench/slow.mjs: many connections that dribble header bytes and never finish, beside one good client. Reports when
// each was cut, counted from its connect, and the good client's latencies. Fails when Moonwire cuts later than
// client_header_timeout + 0.5 s or lets the good client wait more than 50 ms.
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { readOptions } from "../scripts/options.mjs";
import { parseAnswer, requestText } from "./lib/client.mjs";
import { Stage, chooseContenders, contenderOptions } from "./lib/contenders.mjs";
import { table } from "./lib/report.mjs";

const { values: args } = readOptions({
  usage: "node bench/slow.mjs [options]",
  options: {
    count: { type: "string", default: "500", help: "connections that dribble" },
    timeout: { type: "string", default: "3", help: "client_header_timeout in seconds" },
    ...contenderOptions,
  },
});
const count = Number(args.count);
const timeout = Number(args.timeout);
const groups = 25; // the dribblers take turns, so that this process itself delays the good client little

const setup = {
  workerConnections: 2 * count + 64, // nginx closes connections when less than a sixteenth is free
  server: `client_header_timeout ${timeout}s;`,
  location: `location = /hello { content_by_lua_block { ngx.say("hello, world") } }`,
};

/// A connection that starts a request; `cut` becomes the seconds until the server ended it.
function dribbler(port) {
  const one = { cut: undefined, answer: "" };
  one.socket = net.connect(port, "127.0.0.1", () => {
    one.begun = performance.now();
    one.socket.write("GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  });
  const ended = () => (one.cut ??= (performance.now() - one.begun) / 1000);
  one.socket.on("data", (d) => (one.answer += d.toString("latin1")));
  one.socket.on("end", ended).on("close", ended).on("error", ended);
  return one;
}

/// Asks again and again on one connection until told to stop; resolves to the latencies in milliseconds.
async function goodClient(port, state) {
  const took = [];
  const socket = net.connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let text = "";
  let answered = () => {};
  socket.on("data", (d) => {
    text += d.toString("latin1");
    if (!parseAnswer(text)) return;
    text = "";
    answered();
  });
  socket.on("error", (e) => (state.error = e));
  while (!state.stop && !state.error) {
    const begun = performance.now();
    socket.write(requestText({ path: "/hello" }));
    await Promise.race([new Promise((done) => (answered = done)), sleep(5000)]);
    took.push(performance.now() - begun);
    await sleep(5);
  }
  socket.destroy();
  if (state.error) throw state.error;
  return took.sort((a, b) => a - b);
}

async function measure(stage, name) {
  const server = await stage.start(name, setup);
  const state = {};
  const good = goodClient(server.port, state);
  const slow = [];
  for (let i = 0; i < count; i++) {
    slow.push(dribbler(server.port));
    if (i % groups === 0) await sleep(2);
  }
  const end = performance.now() + (timeout + 5) * 1000;
  for (let turn = 0; slow.some((s) => s.cut === undefined) && performance.now() < end; turn++) {
    for (let i = turn % groups; i < count; i += groups) if (slow[i].cut === undefined) slow[i].socket.write("a");
    await sleep(10);
  }
  state.stop = true;
  const latency = await good;
  for (const s of slow) s.socket.destroy();
  await stage.stop(server);
  const cuts = slow.map((s) => s.cut ?? Infinity).sort((a, b) => a - b);
  return { cuts, latency, answers: slow.filter((s) => s.answer.startsWith("HTTP/1.1 408")).length };
}

const options = chooseContenders(args, ["nginx", "moonwire"]);
const stage = new Stage(options);
const rows = [["", "first cut s", "median", "last", "408 sent", "good client p50 ms", "p99", "max"]];
try {
  for (const name of options.names) {
    const { cuts, latency, answers } = await measure(stage, name);
    const at = (list, share) => list[Math.min(list.length - 1, Math.floor(list.length * share))];
    const seconds = [at(cuts, 0), at(cuts, 0.5), at(cuts, 1)];
    const ms = [at(latency, 0.5), at(latency, 0.99), at(latency, 1)];
    rows.push([name, ...seconds.map((s) => s.toFixed(2)), answers, ...ms.map((m) => m.toFixed(2))]);
    if (name === "moonwire" && (seconds[2] > timeout + 0.5 || ms[2] > 50)) process.exitCode = 1;
  }
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
} finally {
  await stage.close();
}
console.log(`${count} dribbling connections, client_header_timeout ${timeout} s\n${table(rows)}`);
