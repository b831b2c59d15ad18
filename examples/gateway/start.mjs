// SPDX-License-Identifier: MIT
// The gateway with everything it needs: a Redis of its own (or that of REDIS_PORT), two clients in it, an upstream that tells
// what it got, and the gateway on PORT (8080). Ctrl-C ends it all.
import { spawn } from "node:child_process";
import { createServer as createHttp } from "node:http";
import { connect, createServer } from "node:net";
import { serve } from "moonwire";

const { env } = process;

const listen = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(String(server.address().port))));

/** Sends commands to Redis; resolves when it has answered. */
function tellRedis(port, commands) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(`${commands.join("\r\n")}\r\n`));
    let lines = 0;
    socket.on("error", reject);
    socket.on("data", (data) => {
      lines += String(data).split("\r\n").length - 1;
      if (lines >= commands.length) resolve(socket.destroy());
    });
  });
}

async function startRedis() {
  const probe = createServer();
  const port = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  const redis = spawn("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
  redis.on("error", () => {
    console.error("redis-server is not installed; on Debian: apt-get install redis-server");
    process.exit(1);
  });
  process.on("exit", () => redis.kill());
  return port;
}

env.REDIS_PORT ??= await startRedis();
const clients = ["HSET client:moon name moon limit 5", "HSET client:sun name sun limit 1000"];
for (let tries = 0; ; tries++) {
  try {
    await tellRedis(env.REDIS_PORT, clients);
    break;
  } catch (e) {
    if (tries === 100) throw e;
    await new Promise((next) => setTimeout(next, 50));
  }
}

const upstream = createHttp((req, res) => {
  res.setHeader("Content-Type", "application/json");
  res.end(`${JSON.stringify({ method: req.method, url: req.url, client: req.headers["x-client"] })}\n`);
});
env.UPSTREAM ??= `127.0.0.1:${await listen(upstream)}`;

const server = await serve(new URL("moonwire.config.mjs", import.meta.url).pathname);
const [address] = server.addresses;
console.log(`gateway on http://${address}, Redis on port ${env.REDIS_PORT}. Try:
  curl -i -H 'X-Api-Key: moon' http://${address}/hello      # five times in a minute, then 429
  redis-cli -p ${env.REDIS_PORT} lrange access_log 0 -1`);

for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, async () => {
    await server.close({ drainMs: 2000 });
    process.exit(0);
  });
