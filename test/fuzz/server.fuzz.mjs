// SPDX-License-Identifier: MIT
// node test/fuzz/server.fuzz.mjs [--seconds N] [--seed N] [OPTIONS] (--help lists them): the whole
// server, on the build with the address sanitizer, against clients and origins that misbehave. What they do depends on the
// seed; when it happens, on the machine. The server may not fault, report, hang, leak, or take one request's answer for another's.
import { join } from "node:path";
import { readOptions } from "../../scripts/options.mjs";
import { makePrefix, removePrefix, writeFile } from "../helpers/files.js";
import { get } from "../helpers/http.js";
import { freePort } from "../helpers/port.js";
import { play } from "./server/client.mjs";
import { confText, listeners } from "./server/conf.mjs";
import { addLocations, files } from "./server/locations.mjs";
import { mixes } from "./server/mixes.mjs";
import { startOrigins } from "./server/origin.mjs";
import { alertOf, hasReport, logTail, missing, startServer } from "./server/process.mjs";
import { scenario } from "./server/scenario.mjs";

const { values: options } = readOptions({
  usage: "node test/fuzz/server.fuzz.mjs [OPTIONS]",
  options: {
    seconds: { type: "string", default: "18", help: "how long clients come" },
    seed: { type: "string", default: process.env.MOONWIRE_FUZZ_SEED ?? "20240607", help: "what they do" },
    from: { type: "string", default: "0", help: "number of the first client" },
    count: { type: "string", help: "how many clients, again and again" },
    clients: { type: "string", default: "12", help: "how many at a time" },
    workers: { type: "string", default: "1", help: "worker_processes" },
    reload: { type: "string", default: "6", help: "seconds between reloads; 0 is none" },
    only: { type: "string", help: "names of locations that they ask, of all" },
    keep: { type: "boolean", help: "leave the server's folder" },
  },
});
const [seed, from, count, clients] = ["seed", "from", "count", "clients"].map((name) =>
  Number(options[name] ?? Infinity),
);
const sleep = (ms) => new Promise((next) => setTimeout(next, ms));

const why = missing();
if (why) {
  console.error(`server: ${why}`);
  process.exit(1);
}
addLocations(mixes(seed));
const origin = await startOrigins();
const ports = {};
for (const name of listeners) ports[name] = await freePort();
const prefix = makePrefix(files);
const originPorts = { http: origin.http.port, memcached: origin.memcached.port };
writeFile(
  prefix,
  "nginx.conf",
  confText({ ports, origin: originPorts, prefix, workers: options.workers, isEarly: seed % 2 === 1 }),
);
const server = startServer(prefix);
let ended;
server.exit.then((code) => (ended = code));

const playing = new Set();
const recent = [];
let failure;

/** The first thing that went wrong. */
function fail(text) {
  failure ??= `${text}\nclients at that time: ${[...playing].join(" ")}; before: ${recent.slice(-12).join(" ")}`;
}

const status = async () => (await get(`http://127.0.0.1:${ports.plain}/status`, { timeout: 20_000 })).body;

/** Waits until it holds, 20 s at most. */
async function holds(condition) {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) if (await condition()) return true;
  return false;
}

async function client(next) {
  while (!failure && ended === undefined) {
    const number = next();
    if (number === undefined) return;
    playing.add(number);
    const s = scenario(seed, number, options.only?.split(","));
    await play(s, ports[s.listener]).catch(async (e) => {
      await sleep(500); // of a server that ends, its clients see the end first
      if (ended === undefined) fail(`client ${number} (${s.listener}, ${s.end}): ${e.stack}`);
    });
    playing.delete(number);
    recent.push(number);
  }
}

/** Sends clients for that time, and says how many. */
async function fuzz(ms) {
  const end = Date.now() + ms;
  let n = 0;
  const next = () => (Date.now() < end ? from + (n++ % count) : undefined);
  await Promise.all(Array.from({ length: clients }, () => client(next)));
  return n;
}

const kinds = (list) => {
  const sum = {};
  for (const d of list) {
    const kind = d.startsWith("/") ? d : d.replace(/\d+/g, "");
    sum[kind] = (sum[kind] ?? 0) + 1;
  }
  return JSON.stringify(sum);
};

/** All that the clients have taken is given back, and a fresh request is answered. */
async function checkRest(before) {
  origin.http.drop();
  origin.memcached.drop();
  if (!(await holds(async () => /Active connections: 1 /.test(await status()))))
    fail(`connections stay: ${await status()}`);
  const count = () => server.descriptors().length;
  if (!(await holds(() => count() <= before.length)))
    fail(`descriptors stay: ${kinds(before)} before, ${kinds(server.descriptors())} now`);
  const answer = await get(`http://127.0.0.1:${ports.plain}/return`);
  if (answer.body !== "returned\n") fail(`a fresh request has ${JSON.stringify(answer)}`);
}

async function stop() {
  server.kill("SIGQUIT");
  if (!(await holds(() => ended !== undefined))) {
    fail(`the server does not end: ${kinds(server.descriptors())}`);
    server.kill("SIGKILL");
  } else if (ended !== 0) fail(`the server ended with ${ended}`);
}

const isUp = await holds(
  () =>
    ended !== undefined ||
    status().then(
      () => true,
      () => false,
    ),
);
let played = 0;
if (!isUp || ended !== undefined) fail("the server does not start");
else {
  await get(`http://127.0.0.1:${ports.plain}/static/small.txt`);
  const before = server.descriptors();
  const often = Number(options.reload) * 1000;
  const clock = often > 0 ? setInterval(() => server.kill("SIGHUP"), often) : undefined;
  played = await fuzz(Number(options.seconds) * 1000);
  clearInterval(clock);
  if (ended === undefined && !failure) await checkRest(before).catch((e) => fail(e.stack));
}
if (ended !== undefined) {
  await sleep(100);
  fail(`the server ended with ${ended}`);
} else await stop();
if (hasReport(server.output())) fail("a sanitizer reports");
const alert = alertOf(prefix);
if (alert) fail(`the error log has: ${alert}`);
origin.http.stop();
origin.memcached.stop();

if (failure) {
  console.error(`server: seed ${seed}: ${failure}`);
  console.error(`${server.output().slice(0, 12_000)}\nerror log:\n${logTail(prefix)}`);
  console.error(
    `server: again: node test/fuzz/server.fuzz.mjs --seed ${seed} [--from NUMBER --count N] --seconds ${options.seconds}`,
  );
} else console.log(`server: seed ${seed}, ${played} clients`);
if (options.keep) console.log(`server: ${join(prefix, "logs/error.log")}`);
else removePrefix(prefix);
process.exit(failure ? 1 : 0);
