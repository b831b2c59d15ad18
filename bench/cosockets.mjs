// SPDX-License-Identifier: MIT
// node bench/cosockets.mjs: what an open cosocket with a sleeping light thread costs in memory, and whether anything stays
// behind. Many light threads of one worker connect to a Redis, send PING, read the reply and sleep; resident memory is
// compared with before. Then the same again and again, each time ended in another way: memory and open files must not grow.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readOptions } from "../scripts/options.mjs";
import { exchange, requestText } from "./lib/client.mjs";
import { Stage, chooseContenders, contenderOptions } from "./lib/contenders.mjs";
import { fds, memory } from "./lib/proc.mjs";
import { table } from "./lib/report.mjs";

const { values: args } = readOptions({
  usage: "node bench/cosockets.mjs [options]",
  options: {
    count: { type: "string", default: "5000", help: "cosockets, each with a light thread" },
    rounds: { type: "string", default: "100", help: "how often again" },
    endings: { type: "string", default: "sleep,receive,close,keepalive", help: "of the rounds, in turn" }, // of the rounds, in turn
    limit: { type: "string", help: "bytes a pair; more fails" }, // bytes each; a higher figure fails
    growth: {
      type: "string",
      default: "1048576",
      help: "bytes between the third and the last quarter of the rounds; more fails",
    }, // bytes between the third and the last quarter of the rounds
    ...contenderOptions,
  },
});
const count = Number(args.count);
const rounds = Number(args.rounds);
const half = Math.floor(rounds / 2);

// A unix socket: a hundred rounds over TCP would use up the ports of an address.
const pair = (path) => `
  local function pair()
    local s = ngx.socket.tcp()
    s:settimeout(60000)
    assert(s:connect("unix:${path}"))
    assert(s:send("PING\\r\\n"))
    assert(s:receive() == "+PONG")
    hold.open = hold.open + 1
    if hold.ending == "sleep" then ngx.sleep(3600) end
    if hold.ending == "receive" then s:receive() end
    while not hold.is_over do ngx.sleep(0.1 + math.random()) end
    if hold.ending == "keepalive" then s:setkeepalive(1, 30) end
  end`;

// The handler that opens them answers when all are open, and ends when it is told to; its light threads with it.
const setup = (path) => ({
  workerConnections: count * 2 + 100,
  http: `init_by_lua_block { hold = { open = 0 } }
    lua_socket_log_errors off;`,
  location: `
    location = /open { content_by_lua_block { ${pair(path)}
      hold.open, hold.is_over, hold.ending = 0, false, ngx.var.arg_ending
      local threads = {}
      for i = 1, ${count} do
        threads[i] = ngx.thread.spawn(pair)
        while i - hold.open > 100 do ngx.sleep(0.001) end -- no more than the backlog of Redis' socket takes
      end
      while not hold.is_over do ngx.sleep(0.01) end
      if hold.ending == "sleep" or hold.ending == "receive" then
        for i = 1, ${count} do ngx.thread.kill(threads[i]) end
      else
        for i = 1, ${count} do ngx.thread.wait(threads[i]) end
      end
      ngx.say("over") } }
    location = /count { content_by_lua_block { ngx.say(hold.open) } }
    location = /over { content_by_lua_block { hold.is_over = true ngx.say("told") } }
    location = /collect { content_by_lua_block { collectgarbage() collectgarbage() ngx.say(collectgarbage("count")) } }`,
});

const ask = async (server, path) => {
  const [answer] = await exchange(server.port, requestText({ path }), { timeout: 120_000 });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
  return answer.body.trim();
};

/// Opens all pairs; resolves to what ends them again, when they all sleep.
async function open(server, ending) {
  const over = ask(server, `/open?ending=${ending}`);
  over.catch(() => {});
  for (let tries = 0; Number(await ask(server, "/count")) < count; tries++) {
    if (tries > 600) throw new Error(`only ${await ask(server, "/count")} of ${count} are open`);
    await sleep(100);
  }
  return async () => {
    await ask(server, "/over");
    await over;
  };
}

async function reading(server) {
  await ask(server, "/collect");
  await sleep(200); // idle connections of the last round leave
  const lua = Math.round(Number(await ask(server, "/collect")) * 1024);
  return { lua, ...memory(server.pid), files: fds(server.pid).count };
}

const mean = (readings) => {
  const of = (key) => readings.reduce((sum, r) => sum + r[key], 0) / readings.length;
  return { rss: of("rss"), lua: of("lua") };
};

async function measure(stage, name, path) {
  const server = await stage.start(name, setup(path));
  try {
    await ask(server, "/collect");
    await sleep(500);
    const before = await reading(server);
    const end = await open(server, "sleep");
    await ask(server, "/collect");
    const held = memory(server.pid);
    await end();
    const endings = args.endings.split(",");
    const readings = []; // of the second half; how much the allocator holds back differs from round to round by some MB
    for (let round = 1; round <= rounds; round++) {
      await (
        await open(server, endings[round % endings.length])
      )();
      if (round > half) readings.push(await reading(server));
    }
    const [third, last] = [readings.slice(0, readings.length / 2), readings.slice(readings.length / 2)].map(mean);
    return { each: (held.rss - before.rss) / count, third, last, before, files: readings.at(-1).files };
  } finally {
    await stage.stop(server);
  }
}

/// A Redis on a unix socket in `dir`.
async function redis(dir) {
  const path = join(dir, "redis.sock");
  const fixed = ["--port", "0", "--save", "", "--appendonly", "no", "--maxclients", String(count * 2 + 100)];
  const child = spawn("redis-server", [...fixed, "--unixsocket", path], { stdio: "ignore" });
  const failed = new Promise((_, reject) => child.on("error", () => reject(new Error("no redis-server here"))));
  const up = async () => {
    while (!existsSync(path)) await sleep(20);
  };
  await Promise.race([up(), failed]);
  return { path, close: () => child.kill() };
}

const options = chooseContenders(args, ["nginx", "moonwire"]);
const dir = mkdtempSync(join(tmpdir(), "mw-cosockets-"));
const stage = new Stage(options);
const titles = ["", "bytes each", "MB, 3rd quarter", "MB, last", "Lua KB, 3rd", "Lua KB, last"];
const rows = [[...titles, "files before", "files after"]];
let backend;
try {
  backend = await redis(dir);
  for (const name of options.names) {
    const m = await measure(stage, name, backend.path);
    const mb = (n) => (n / 1048576).toFixed(1);
    const kb = (n) => (n / 1024).toFixed(1);
    rows.push([
      name,
      Math.round(m.each),
      mb(m.third.rss),
      mb(m.last.rss),
      kb(m.third.lua),
      kb(m.last.lua),
      m.before.files,
      m.files,
    ]);
    if (name !== "moonwire") continue;
    const isOver = args.limit && m.each > Number(args.limit);
    if (isOver || m.last.rss - m.third.rss > Number(args.growth) || m.files > m.before.files) process.exitCode = 1;
  }
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
} finally {
  await stage.close();
  backend?.close();
  rmSync(dir, { recursive: true, force: true });
}
console.log(`${count} open cosockets, a sleeping light thread each\n${table(rows)}`);
