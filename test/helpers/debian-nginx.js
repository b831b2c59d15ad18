// SPDX-License-Identifier: MIT
// Debian's nginx as an oracle: started on a configuration of its own, and asked raw bytes as the server beside it is.
import { spawn, spawnSync } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { foreignEnv } from "./foreign.js";
import { waitFor } from "./process.js";

const command = "/usr/sbin/nginx";

/** Ends the process with a word and code 0 where nginx is not installed. */
export function requireNginx(name) {
  if (spawnSync(command, ["-v"]).status === 0) return;
  console.log(`${name}: skipped, nginx is not installed`);
  process.exit(0);
}

const accepts = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });

/**
 * Starts nginx on PREFIX/nginx.conf, which must keep it in the foreground, and waits until it accepts on the port; what it says
 * goes to our stderr. Throws when it ends instead.
 * @returns {Promise<() => Promise<void>>} ends it
 */
export async function startDebianNginx(prefix, port) {
  const child = spawn(command, ["-p", prefix, "-c", join(prefix, "nginx.conf")], {
    stdio: "inherit",
    env: foreignEnv(),
  });
  let hasEnded = false;
  const end = new Promise((resolve) => child.on("close", resolve)).then(() => (hasEnded = true));
  await waitFor(() => hasEnded || accepts(port), "nginx");
  if (hasEnded) throw new Error(`nginx did not start on ${prefix}/nginx.conf`);
  return async () => {
    child.kill();
    await end;
  };
}

/** Sends bytes, and resolves with all that came (latin1) when the connection is closed; FIN or RST is no matter. */
export const exchange = (port, bytes) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setTimeout(5000, () => socket.destroy());
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(bytes, "latin1");
  });
