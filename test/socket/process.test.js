// SPDX-License-Identifier: MIT
// What open sockets mean for the process: it ends while they idle and stays while a call waits; a lost one is closed; node
// Workers have their own.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import test from "ava";
import { waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

const main = createRequire(import.meta.url).resolve("moonwire");

/** Runs a script in a process of its own: { code, stdout, stderr }. */
async function script(t, text, ...options) {
  const code = `const { TcpSocket } = require(${JSON.stringify(main)});
    (async () => { ${text} })()`;
  const child = spawn(process.execPath, [...options, "-e", code], { stdio: ["ignore", "pipe", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].on("data", (part) => (out[name] += part));
  const end = await new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
  return { code: end, ...out };
}

/** A server that greets each connection after a while; counts(): how many came, how many are there; "last" ends them. */
async function greeting(t) {
  let came = 0;
  let here = 0;
  const server = createServer((socket) => {
    came++;
    here++;
    socket.on("error", () => {}).on("close", () => here--);
    setTimeout(() => socket.destroyed || socket.write("hello\n"), 100);
    server.once("last", () => socket.end());
  });
  server.setMaxListeners(0);
  return { port: await listening(t, server), server, counts: () => ({ came, here }) };
}

test("a process ends with an idle connection open, but not while a call waits; nothing is written to stderr", async (t) => {
  const { port } = await greeting(t);
  const end = await script(
    t,
    `const s = new TcpSocket({ encoding: "utf8" }); await s.connect("127.0.0.1", ${port}); console.log(await s.receive());
    await s.setkeepalive(0); await s.connect("127.0.0.1", ${port}); console.log(await s.getreusedtimes());
    await s.connect("127.0.0.1", 1).catch((e) => console.log(e.code));
    await s.connect("127.0.0.1", ${port});`,
  );
  t.deepEqual(end, { code: 0, stdout: "hello\n1\nSOCKET_REFUSED\n", stderr: "" });
});

test("process.exit() with calls under way", async (t) => {
  const { port } = await greeting(t);
  const end = await script(
    t,
    `for (let i = 0; i < 20; i++) new TcpSocket().connect("127.0.0.1", ${port}).catch(() => {});
    const s = new TcpSocket(); await s.connect("127.0.0.1", ${port}); s.receive("*a"); process.exit(3)`,
  );
  t.deepEqual(end, { code: 3, stdout: "", stderr: "" });
});

test("a socket that JavaScript has lost is closed", async (t) => {
  const { port, server, counts } = await greeting(t);
  const ended = script(
    t,
    `for (let i = 0; i < 5; i++) await new TcpSocket().connect("127.0.0.1", ${port});
    const kept = new TcpSocket({ encoding: "utf8" }); await kept.connect("127.0.0.1", ${port});
    console.log(await kept.receive());
    setInterval(gc, 20).unref();
    console.log(await kept.receive("*a"))`,
    "--expose-gc",
  );
  await waitFor(() => counts().came === 6 && counts().here === 1);
  server.emit("last");
  t.deepEqual(await ended, { code: 0, stdout: "hello\n\n", stderr: "" });
});

test("sockets of a node Worker, which is terminated while one waits", async (t) => {
  const { port, counts } = await greeting(t);
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
    const { TcpSocket } = require(${JSON.stringify(main)});
    (async () => {
      const s = new TcpSocket({ encoding: "utf8" }); await s.connect("127.0.0.1", ${port});
      parentPort.postMessage(await s.receive()); await s.receive(); })()`,
    { eval: true },
  );
  t.is(await new Promise((resolve, reject) => worker.on("error", reject).once("message", resolve)), "hello");
  await worker.terminate();
  await waitFor(() => counts().here === 0);
  t.is(counts().came, 1);
});
