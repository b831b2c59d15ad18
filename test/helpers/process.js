// SPDX-License-Identifier: MIT
// The command line as a real process, for tests of signals, exit codes and output.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { confText, makePrefix, readLog, removePrefix, writeFile } from "./files.js";
import { get } from "./http.js";

/** The command's file. */
export const main = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli/main.js");

/** Starts `moonwire ...args`. `exit` resolves with its code and signal; stdout() and stderr() are what it wrote so far. */
export function spawnMoonwire(args, { cwd, env = {}, input } = {}) {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, ...env }, stdio: "pipe" });
  const text = { out: "", err: "" };
  child.stdout.on("data", (part) => (text.out += part));
  child.stderr.on("data", (part) => (text.err += part));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const exit = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal })));
  return { child, exit, stdout: () => text.out, stderr: () => text.err, kill: (signal) => child.kill(signal) };
}

/** Runs `moonwire ...args` to its end: { code, signal, stdout, stderr }. */
export async function runMoonwire(args, options) {
  const p = spawnMoonwire(args, options);
  const end = await p.exit;
  return { ...end, stdout: p.stdout(), stderr: p.stderr() };
}

/** Waits until `condition()` is truthy and returns its value; throws after `timeout` ms. */
export async function waitFor(condition, what = "the condition", timeout = 30_000) {
  const end = Date.now() + timeout;
  for (;;) {
    const v = await condition();
    if (v) return v;
    if (Date.now() > end) throw new Error(`waited ${timeout} ms for ${what}`);
    await new Promise((next) => setTimeout(next, 5));
  }
}

/**
 * `moonwire serve` in a folder of its own. Options as startMoonwire's, and `args`: more arguments, `file`: the configuration's
 * name where it is not nginx.conf. Resolves when it listens.
 */
export async function startProcess(t, { files = {}, args = [], file, env, ...conf }) {
  const prefix = makePrefix(files);
  if (!file) writeFile(prefix, "nginx.conf", await confText(conf, prefix));
  const p = spawnMoonwire(["serve", ...(file ? [file] : []), ...args], { cwd: prefix, env });
  const stop = async () => {
    p.kill("SIGKILL");
    await p.exit;
    removePrefix(prefix);
  };
  t.teardown(stop);
  const failed = p.exit.then(({ code }) => {
    throw new Error(`moonwire serve ended with ${code}:\n${p.stderr()}\n${readLog(prefix)}`);
  });
  failed.catch(() => {});
  const port = await Promise.race([
    failed,
    waitFor(() => Number(/listening on (?:stream )?\S+:(\d+)/.exec(p.stdout())?.[1]), "the port"),
  ]);
  const url = `http://127.0.0.1:${port}`;
  return {
    ...p,
    prefix,
    port,
    url,
    stop,
    log: () => readLog(prefix),
    get: (path = "/", options) => get(url + path, options),
  };
}
