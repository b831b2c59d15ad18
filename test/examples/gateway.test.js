// SPDX-License-Identifier: MIT
// examples/gateway: keys, limits, the upstream, the access log, Redis going away and coming back; and its one command.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import test from "ava";
import { redisServer } from "../helpers/backend.js";
import { get, spawnMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

const folder = fileURLToPath(new URL("../../examples/gateway", import.meta.url));

/** What Redis answers to an inline command, as text. */
const tell = (port, command) =>
  new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\nQUIT\r\n`));
    socket.on("data", (data) => (text += data)).on("error", reject);
    socket.on("close", () => resolve(text.replace(/\+OK\r\n$/, "")));
  });

/** The gateway before an upstream that tells what it got, and `ask(path, key)`. */
async function start(t, redis) {
  const upstream = createServer((req, res) => {
    const { "x-client": client, "x-api-key": key } = req.headers;
    res.setHeader("X-Upstream", "yes").end(JSON.stringify({ url: req.url, client, key }));
  });
  const port = await listening(t, upstream);
  const env = { PORT: "0", REDIS_PORT: String(redis.port), REDIS_TIMEOUT: "3000", UPSTREAM: `127.0.0.1:${port}` };
  const p = spawnMoonwire(["serve", "--workers", "1"], { cwd: folder, env });
  t.teardown(async () => {
    p.kill("SIGKILL");
    await p.exit;
  });
  const url = await waitFor(() => /listening on (\S+)/.exec(p.stdout())?.[1], "the gateway");
  return {
    log: () => p.stderr(),
    ask: (path, key, headers = {}) =>
      get(`${url}${path}`, { headers: { ...(key && { "X-Api-Key": key }), ...headers } }),
  };
}

const logged = async (port) =>
  (await tell(port, "LRANGE access_log 0 -1"))
    .split("\r\n")
    .filter((line) => line.startsWith("{"))
    .map(JSON.parse);

test("keys, the limit of each, the upstream and the access log", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  await tell(redis.port, "HSET client:k1 name one limit 3");
  await tell(redis.port, "HSET client:k2 name two limit 100");
  const { ask } = await start(t, redis);
  t.is((await ask("/x")).status, 401);
  const unknown = await ask("/x", "none");
  t.is(unknown.status, 401);
  t.deepEqual(JSON.parse(unknown.body), { error: "unknown API key" });
  for (const left of ["2", "1", "0"]) {
    const r = await ask("/a?b=c", "k1", { "X-Client": "somebody else" });
    t.is(r.status, 200);
    t.is(r.headers["ratelimit-remaining"], left);
    t.deepEqual(JSON.parse(r.body), { url: "/a?b=c", client: "one" });
  }
  const over = await ask("/a", "k1");
  t.is(over.status, 429);
  t.is(over.headers["x-upstream"], undefined);
  t.true(Number(over.headers["retry-after"]) > 0 && Number(over.headers["retry-after"]) <= 60);
  t.is((await ask("/b", "k2")).status, 200);
  await waitFor(async () => (await logged(redis.port)).length === 7, "the access log");
  const lines = await logged(redis.port);
  t.deepEqual(lines.map((l) => l.status).sort(), [200, 200, 200, 200, 401, 401, 429]);
  t.like(
    lines.find((l) => l.status === 429),
    { client: "one", method: "GET", uri: "/a" },
  );
});

test("concurrent requests: no more than the limit pass", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  await tell(redis.port, "HSET client:k name one limit 20");
  const { ask } = await start(t, redis);
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask("/x", "k")));
  t.is(answers.filter((a) => a.status === 200).length, 20);
  t.is(answers.filter((a) => a.status === 429).length, 30);
});

test("Redis goes and comes back: who was known passes, others are put off", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  await tell(redis.port, "HSET client:k name one limit 100");
  const { ask, log } = await start(t, redis);
  t.is((await ask("/1", "k")).headers["ratelimit-remaining"], "99");
  await redis.kill();
  const known = await ask("/2", "k");
  t.is(known.status, 200);
  t.is(known.headers["ratelimit-limit"], undefined);
  t.is((await ask("/3", "unknown")).status, 503);
  await waitFor(
    () => /access log: redis: connection refused: .*"uri":"\\\/3"/.test(log()),
    "the line in the error log",
  );
  t.regex(log(), /requests are not counted: redis: /);
  await redis.restart();
  await tell(redis.port, "HSET client:k name one limit 100");
  t.is((await ask("/4", "k")).headers["ratelimit-remaining"], "99");
  redis.child.kill("SIGSTOP"); // takes connections and never answers
  t.is((await ask("/5", "k")).status, 200);
  redis.child.kill("SIGCONT");
  t.truthy((await ask("/6", "k")).headers["ratelimit-remaining"]);
});

test("node examples/gateway/start.mjs", async (t) => {
  if (!(await redisServer(t))) return t.pass();
  const child = spawn(process.execPath, [`${folder}/start.mjs`], {
    env: { ...process.env, PORT: "0", REDIS_TIMEOUT: "3000" },
  });
  t.teardown(() => child.kill("SIGKILL"));
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  child.stderr.on("data", (part) => (text += part));
  const url = await waitFor(() => /gateway on (\S+),/.exec(text)?.[1], "the gateway");
  const answer = await get(`${url}/hello`, { headers: { "X-Api-Key": "moon" } });
  t.deepEqual(JSON.parse(answer.body), { method: "GET", url: "/hello", client: "moon" });
  const redis = Number(/Redis on port (\d+)/.exec(text)[1]);
  child.kill("SIGTERM");
  t.is(await new Promise((resolve) => child.on("close", resolve)), 0);
  const isGone = () =>
    tell(redis, "PING").then(
      () => false,
      (e) => e.code === "ECONNREFUSED",
    );
  t.true(await waitFor(isGone, "the end of Redis"));
});
