// SPDX-License-Identifier: MIT
// A real Redis that is killed, stopped, cut off in mid-reply, slow, or out of connections: the error string within the time
// that was set, no descriptor left over, and the next request fine.
import { readdirSync, readlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import test from "ava";
import { redisServer } from "../helpers/backend.js";
import { startProcess, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

/** Sockets that a process has open. */
function sockets(pid) {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:");
    } catch {
      return false; // closed since
    }
  }).length;
}

/**
 * Between us and Redis: what Redis says goes through `shape(data, socket)`.
 * @returns {Promise<number>} its port
 */
const between = (t, port, shape) =>
  listening(
    t,
    createServer((socket) => {
      const redis = connect(port, "127.0.0.1");
      socket.setNoDelay(true);
      socket.on("data", (data) => redis.write(data)).on("error", () => {});
      socket.on("close", () => redis.destroy());
      redis.on("data", (data) => shape(data, socket)).on("error", () => socket.destroy());
      redis.on("close", () => socket.end());
    }),
  );

/**
 * A server whose /?q=COMMAND+WORDS sends one command through resty.redis and says what came of it; `port` may be another in
 * /?port=. Every wait may last a second. `ask` gives the text, and fails when it took anywhere near the default of 60 seconds.
 */
async function start(t, redis, connectOptions = "nil") {
  const s = await startProcess(t, {
    server: `location / { content_by_lua_block {
      local redis, words = require "resty.redis", {}
      for word in ngx.unescape_uri(ngx.var.arg_q):gmatch "%S+" do words[#words + 1] = word end
      local red = redis:new() red:set_timeouts(1000, 1000, 1000)
      local ok, err = red:connect("127.0.0.1", tonumber(ngx.var.arg_port) or ${redis.port}, ${connectOptions})
      if not ok then return ngx.say("connect: ", err) end
      local reply, why = red[words[1]](red, unpack(words, 2))
      ngx.say(reply == ngx.null and "null" or reply == nil and "nil " .. why or tostring(reply))
      if reply then red:set_keepalive(60000, 10) end } }`,
  });
  s.ask = async (q, port) => {
    const began = Date.now();
    const { status, body } = await s.get(`/?q=${encodeURIComponent(q)}${port ? `&port=${port}` : ""}`);
    t.is(status, 200);
    t.true(Date.now() - began < 15_000, `${q}: ${Date.now() - began} ms`);
    return body.trim();
  };
  s.sockets = () => sockets(s.child.pid);
  return s;
}

/** The next request is fine, and the server has no more sockets open than before: one pooled connection is all it keeps. */
async function recovers(t, s, before) {
  t.is(await s.ask("incr after"), "1");
  t.is(await s.ask("incr after"), "2");
  await waitFor(() => s.sockets() <= before + 1, "the sockets to be closed");
}

test("killed while a command waits, and while a connection is idle; started anew", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  const s = await start(t, redis);
  const before = s.sockets();
  t.is(await s.ask("set key value"), "OK");
  const waiting = s.ask("blpop none 0", 0);
  await waitFor(async () => /blocked_clients:1/.test(await s.ask("info clients")), "the command that waits");
  await redis.kill();
  t.regex(await waiting, /^nil (closed|connection reset by peer|timeout)$/);
  t.is(await s.ask("get key"), "connect: connection refused"); // the idle connection is not taken
  await redis.restart();
  await recovers(t, s, before);
});

test("stopped by SIGSTOP: connects, and does not answer", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  const s = await start(t, redis);
  const before = s.sockets();
  t.is(await s.ask("set key value"), "OK");
  redis.child.kill("SIGSTOP");
  t.is(await s.ask("get key"), "nil timeout"); // a pooled connection
  t.is(await s.ask("get key"), "nil timeout"); // a new one
  const many = await Promise.all(Array.from({ length: 10 }, () => s.ask("get key")));
  t.deepEqual(new Set(many), new Set(["nil timeout"]));
  redis.child.kill("SIGCONT");
  await recovers(t, s, before);
});

test("reset in mid-reply", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  let cuts = 0;
  const port = await between(t, redis.port, (data, socket) => {
    if (data.length < 1000) return socket.write(data);
    cuts++;
    socket.write(data.subarray(0, 500), () => setTimeout(() => socket.resetAndDestroy(), 20));
  });
  const s = await start(t, redis);
  const before = s.sockets();
  t.is(await s.ask(`set big ${"x".repeat(3000)}`), "OK");
  for (let i = 0; i < 3; i++) t.is(await s.ask("get big", port), "nil connection reset by peer");
  t.is(cuts, 3);
  t.is(await s.ask("get none", port), "null");
  t.is(await s.ask("get big"), "x".repeat(3000));
  await waitFor(() => s.sockets() <= before + 2, "the sockets to be closed"); // one pooled connection to each port
});

test("closed in mid-reply", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  const port = await between(t, redis.port, (data, socket) => socket.end(data.subarray(0, 3)));
  const s = await start(t, redis);
  const before = s.sockets();
  t.is(await s.ask("ping", port), "nil closed");
  await recovers(t, s, before);
});

test("one byte at a time; slower than the time allows", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  const drip = (pause) => (data, socket) => {
    const next = (at) => {
      if (at === data.length || socket.destroyed) return;
      socket.write(data.subarray(at, at + 1));
      setTimeout(next, pause, at + 1);
    };
    next(0);
  };
  const slow = await between(t, redis.port, drip(1));
  const tooSlow = await between(t, redis.port, drip(4000));
  const s = await start(t, redis);
  const before = s.sockets();
  t.is(await s.ask("set key a-value-of-some-bytes"), "OK");
  for (let i = 0; i < 3; i++) t.is(await s.ask("get key", slow), "a-value-of-some-bytes");
  t.is(await s.ask("get key", tooSlow), "nil timeout");
  await waitFor(() => s.sockets() <= before + 2, "the sockets to be closed");
  await recovers(t, s, before + 1);
});

test("a pool of two that is exhausted: those that wait time out, those beyond the backlog are told at once", async (t) => {
  const redis = await redisServer(t);
  if (!redis) return t.pass();
  const s = await start(t, redis, '{ pool = "two", pool_size = 2, backlog = 2 }');
  const before = s.sockets();
  t.is(await s.ask("ping"), "PONG");
  redis.child.kill("SIGSTOP");
  const answers = await Promise.all(Array.from({ length: 8 }, () => s.ask("get key")));
  const count = (text) => answers.filter((a) => a === text).length;
  t.true(count("nil timeout") >= 2, String(answers));
  t.is(count("nil timeout") + count("connect: timeout") + count("connect: too many waiting connect operations"), 8);
  t.true(count("connect: too many waiting connect operations") >= 1, String(answers));
  redis.child.kill("SIGCONT");
  t.is(await s.ask("get key"), "null");
  const all = await Promise.all([s.ask("incr n"), s.ask("incr n"), s.ask("incr n")]);
  t.deepEqual(all.sort(), ["1", "2", "3"]);
  await waitFor(() => s.sockets() <= before + 2, "the sockets to be closed");
});
