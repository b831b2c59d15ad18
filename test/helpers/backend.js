// SPDX-License-Identifier: MIT
// Real servers that clients in Lua are tested against: on a free port of 127.0.0.1, for the time of a test.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { freePort, waitFor } from "./index.js";

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });

/** Starts a command that listens on the port given to `args`; its port, or 0 when the command is not installed. */
async function start(t, command, args) {
  const port = await freePort();
  const child = spawn(command, args(String(port)), { stdio: "ignore" });
  let found = true;
  child.on("error", () => (found = false));
  t.teardown(() => child.kill("SIGKILL"));
  await waitFor(async () => !found || (await answers(port)));
  if (!found) t.log(`no ${command} here`);
  return found ? port : 0;
}

/** The port of a Redis, or 0. */
export const startRedis = (t, ...more) =>
  start(t, "redis-server", (port) => {
    const fixed = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    return [...fixed, ...more];
  });

/** The port of a memcached, or 0. */
export const startMemcached = (t) =>
  start(t, "memcached", (port) => ["-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "nobody"]);
