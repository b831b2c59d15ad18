// SPDX-License-Identifier: MIT
// Real servers that clients in Lua are tested against: on a free port of 127.0.0.1, for the time of a test.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { foreignEnv } from "./foreign.js";
import { freePort, makePrefix, removePrefix, waitFor } from "./index.js";

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });

/** Starts a command that listens on the port given to `args`; its port, or 0 when the command is not installed. */
async function start(t, command, args) {
  const port = await freePort();
  const child = spawn(command, args(String(port)), { stdio: "ignore", env: foreignEnv() });
  let found = true;
  child.on("error", () => (found = false));
  t.teardown(() => child.kill("SIGKILL"));
  await waitFor(async () => !found || (await answers(port)));
  if (!found) t.log(`no ${command} here`);
  return found ? port : 0;
}

const redisArgs = (port, more) => {
  const fixed = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  return [...fixed, ...more];
};

/** The port of a Redis, or 0. */
export const startRedis = (t, ...more) => start(t, "redis-server", (port) => redisArgs(port, more));

/** A Redis to be ill-treated: { port, child, kill(), restart() }, or null when it is not installed. */
export async function redisServer(t, ...more) {
  const redis = { port: 0, child: null };
  const launch = () => {
    redis.child = spawn("redis-server", redisArgs(String(redis.port), more), { stdio: "ignore", env: foreignEnv() });
    return redis.child;
  };
  redis.kill = async () => {
    const gone = new Promise((resolve) => redis.child.on("exit", resolve));
    redis.child.kill("SIGKILL");
    await gone;
  };
  redis.restart = async () => {
    launch();
    await waitFor(() => answers(redis.port), "Redis");
  };
  redis.port = await freePort();
  let found = true;
  launch().on("error", () => (found = false));
  t.teardown(() => redis.child.kill("SIGKILL"));
  await waitFor(async () => !found || (await answers(redis.port)), "Redis");
  if (!found) t.log("no redis-server here");
  return found ? redis : null;
}

/** The port of a memcached, or 0. */
export const startMemcached = (t) =>
  start(t, "memcached", (port) => ["-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "nobody"]);

/** The port of a dnsmasq that answers by its options alone, or 0. */
export const startDnsmasq = (t, ...options) =>
  start(t, "dnsmasq", (port) => [
    ...["-k", "-p", port, "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--listen-address=127.0.0.1"],
    ...["--bind-interfaces", "--user=root", "--pid-file=", "--local=/test/", ...options],
  ]);

const mariadbScript = fileURLToPath(new URL("mariadb.sh", import.meta.url));

/** Starts a MariaDB that has run `sql`, with more `args`: { port, socket, kill(), stop() }, or null when it is not installed. */
async function startMariadb(sql, args) {
  const folder = makePrefix({ "init.sql": sql });
  const port = await freePort();
  const child = spawn(mariadbScript, [folder, String(port), ...args], { stdio: "ignore", env: foreignEnv() });
  let code;
  const gone = new Promise((resolve) => child.on("exit", (c) => resolve((code = c ?? -1))));
  const kill = () => {
    child.kill("SIGKILL");
    return gone;
  };
  const stop = () => kill().then(() => removePrefix(folder));
  await waitFor(async () => code !== undefined || (await answers(port)), "MariaDB", 110_000);
  if (code === undefined) return { port, socket: join(folder, "sock"), kill, stop };
  if (code !== 127) throw new Error(`MariaDB ended with ${code}, see ${folder}/log, ${folder}/install.log`);
  await stop();
  return null;
}

/**
 * One MariaDB for the tests of a file: `const database = mariadb(test, { sql, args })`, and in a test `await database(t)`, which
 * starts it when it is first asked for. `sql`: statements, each on a line, that run before anybody connects.
 */
export function mariadb(test, { sql = "", args = [] } = {}) {
  let server;
  test.after.always("MariaDB ends", async () => (await server)?.stop());
  return async (t) => {
    t.timeout(120_000);
    server ??= startMariadb(sql, args);
    const started = await server;
    if (!started) t.log("no mariadbd here");
    return started;
  };
}
