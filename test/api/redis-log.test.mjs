// SPDX-License-Identifier: MIT
// An access log that the log phase writes to a real Redis over cosockets, at full load: nothing is lost, not by a stop that
// drains right after the last answer either; and exit_worker still reaches Redis then.
import { connect } from "node:net";
import test from "ava";
import { startRedis } from "../helpers/backend.js";
import { startMoonwire } from "../helpers/index.js";

const isSanitized = Boolean(process.env.MW_TEST_SANITIZER);
const connections = 64;
const each = isSanitized ? 40 : 313; // 20,032 requests in all

/** One connection that makes `count` requests, each when the one before is answered. */
const client = (port, name, count) =>
  new Promise((resolve, reject) => {
    let made = 0;
    let text = "";
    const next = () => socket.write(`GET /${name}-${made++} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const socket = connect(port, "127.0.0.1", next);
    socket.setNoDelay(true);
    socket.on("error", reject).on("close", () => reject(new Error(`closed after ${made} requests`)));
    socket.on("data", (data) => {
      text += data;
      if (!text.endsWith("ok\n")) return;
      if (!text.startsWith("HTTP/1.1 200 ")) return reject(new Error(text));
      text = "";
      if (made < count) return next();
      socket.destroy();
      resolve();
    });
  });

/** What Redis answers to an inline command: its lines. */
const tell = (port, command) =>
  new Promise((resolve, reject) => {
    const parts = [];
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\nQUIT\r\n`));
    socket.on("data", (data) => parts.push(data)).on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(parts).toString("latin1").split("\r\n")));
  });

for (const [what, write] of [
  [
    "resty.redis",
    (port) => `local red = require("resty.redis"):new()
      assert(red:connect("127.0.0.1", ${port})) assert(red:rpush("log", ngx.var.uri)) red:set_keepalive(10000, 100)`,
  ],
  [
    "a plain cosocket",
    (port) => `local s, uri = ngx.socket.tcp(), ngx.var.uri
      assert(s:connect("127.0.0.1", ${port})) assert(s:send("RPUSH log " .. uri .. "\\r\\n")) assert(s:receive())
      s:setkeepalive(10000, 100)`,
  ],
])
  test.serial(`nothing is lost through ${what}`, async (t) => {
    t.timeout(240_000);
    const port = await startRedis(t);
    if (!port) return t.pass();
    const s = await startMoonwire(t, {
      main: "worker_processes 2;",
      http: `keepalive_requests 1000000;
        exit_worker_by_lua_block { local red = require("resty.redis"):new()
          assert(red:connect("127.0.0.1", ${port})) red:incr("exits") }`,
      server: `location / { content_by_lua_block { ngx.say("ok") } log_by_lua_block { ${write(port)} } }`,
    });
    await Promise.all(Array.from({ length: connections }, (_, i) => client(s.port, i, each)));
    await s.server.close({ drainMs: 60_000 });
    const logged = (await tell(port, "LRANGE log 0 -1")).filter((line) => line.startsWith("/"));
    t.is(logged.length, connections * each, s.log().slice(-2000));
    t.is(new Set(logged).size, connections * each);
    t.is((await tell(port, "GET exits"))[1], "2");
    t.notRegex(s.log(), /\[error\]/);
  });
