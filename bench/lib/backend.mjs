// SPDX-License-Identifier: MIT
// The server that a scenario talks to besides the contenders: `backend: "redis"` starts Debian's redis-server on a free
// loopback port, for all contenders alike, and puts that port for __BACKEND__ into the scenario's texts.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { freePort } from "../../test/helpers/port.js";

const commands = {
  redis: (port) => ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
  memcached: (port) => ["memcached", "-l", "127.0.0.1", "-p", port, "-u", "nobody", "-U", "0"],
};

/// Sends `text` and waits for an answer of any kind; retries until the server is there.
async function say(port, text) {
  for (let tries = 0; tries < 100; tries++) {
    const done = await new Promise((resolve) => {
      const socket = connect(Number(port), "127.0.0.1", () => socket.write(text));
      socket.on("data", () => resolve(true)).on("error", () => resolve(false));
      socket.on("data", () => socket.destroy());
    });
    if (done) return;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`nothing answers on port ${port}`);
}

/// Starts what the scenario needs, on `core`. Resolves to the scenario with the port in its texts, the process id, and `close`.
export async function withBackend(scenario, core) {
  if (!scenario.backend) return { scenario, close: () => {} };
  const port = String(await freePort());
  const argv = commands[scenario.backend](port);
  if (core !== undefined) argv.unshift("taskset", "-c", String(core));
  const child = spawn(argv[0], argv.slice(1), { stdio: "ignore" });
  const failed = new Promise((_, reject) =>
    child.on("error", () => reject(new Error(`${scenario.name}: no ${scenario.backend} here`))),
  );
  await Promise.race([say(port, scenario.prepare ?? "PING\r\n"), failed]);
  const location = scenario.location.replaceAll("__BACKEND__", port);
  return { scenario: { ...scenario, location }, backend: child.pid, close: () => child.kill() };
}
