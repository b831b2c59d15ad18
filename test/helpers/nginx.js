// SPDX-License-Identifier: MIT
// moonwire-nginx as tools run it: a command that returns, and a daemon behind a pid file.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { confText, makePrefix, readLog, removePrefix, writeFile } from "./files.js";
import { freePort } from "./port.js";
import { get } from "./http.js";
import { waitFor } from "./process.js";

/** The path of the command. */
export const nginxCommand = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli/nginx.sh");

/** Starts `moonwire-nginx ...args` and leaves it running; `exit` resolves with its code. */
export function spawnNginx(args, { cwd, env = {} } = {}) {
  const child = spawn(nginxCommand, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout.on("data", (part) => (text.out += part));
  child.stderr.on("data", (part) => (text.err += part));
  const exit = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal })));
  return { child, exit, stdout: () => text.out, stderr: () => text.err };
}

/** Runs it to its end: { code, stdout, stderr }. */
export async function runNginx(args, options) {
  const p = spawnNginx(args, options);
  const { code } = await p.exit;
  return { code, stdout: p.stdout(), stderr: p.stderr() };
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/**
 * A prefix with conf/nginx.conf from fragments (see confText; `server` listens on a port of its own). run(...args) is the
 * command with -p; start() expects it to succeed; pid() reads the pid file.
 */
export async function nginxPrefix(t, { files = {}, main = "", http = "", server = "", conf } = {}) {
  const prefix = makePrefix(files);
  const port = await freePort();
  const write = async (parts) => {
    const text =
      parts.conf ??
      `error_log logs/error.log info; ${parts.main ?? main}
events { }
http { access_log off; ${parts.http ?? http}
  server { listen 127.0.0.1:${port}; ${parts.server ?? server} } }
`;
    writeFile(prefix, "conf/nginx.conf", await confText({ conf: text }, prefix));
  };
  await write({ conf });
  const pid = () => Number(readLog(prefix, "logs/nginx.pid"));
  const run = (...args) => runNginx(["-p", prefix, ...args]);
  t.teardown(async () => {
    const last = pid();
    if (last > 0 && isAlive(last)) process.kill(last, "SIGKILL");
    await waitFor(() => !(last > 0 && isAlive(last)), "the server's end");
    removePrefix(prefix);
  });
  return {
    prefix,
    port,
    write,
    pid,
    run,
    isAlive: () => pid() > 0 && isAlive(pid()),
    hasEnded: (id) => waitFor(() => !isAlive(id), "the server's end"),
    start: async (...args) => {
      const r = await run(...args);
      t.is(r.code, 0, r.stderr + readLog(prefix));
      return r;
    },
    log: (name) => readLog(prefix, name),
    get: (path = "/", options) => get(`http://127.0.0.1:${port}${path}`, options),
  };
}
