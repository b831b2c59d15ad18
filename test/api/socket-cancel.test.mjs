// SPDX-License-Identifier: MIT
// A socket operation that waits always ends, whatever ends it, and takes its connection along: the peer sees the close, the
// pool's place is free again, the next request is served.
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import test from "ava";
import { udpServer } from "../helpers/datagram.js";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";
import { openWire } from "../helpers/wire.js";

const waits = ["receive", "receiveuntil", "receiveany", "send", "queue", "resolve"];

/** A peer that takes connections and says nothing; `open` holds those that its clients have not closed. */
async function silentPeer(t) {
  const open = new Set();
  const server = createServer((socket) => {
    open.add(socket.pause());
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
  });
  const port = await listening(t, server);
  /** Reads what was sent, which shows the close behind it. */
  const emptied = (what) =>
    waitFor(() => {
      for (const socket of open) socket.resume();
      return open.size === 0;
    }, `the end of the connections of ${what}`);
  return { open, port, emptied };
}

/** A server whose function wait(kind) waits on a socket to the peer; `code` is location /t's. */
async function start(t, code, more = "") {
  const peer = await silentPeer(t);
  const s = await startMoonwire(t, {
    http: `resolver 127.0.0.1:${await udpServer(t, () => null)}; resolver_timeout 30s;
      init_by_lua_block {
        local pool = { pool = "few", pool_size = 1, backlog = 1 }
        local function open(opts) local s = ngx.socket.tcp() s:settimeout(20000)
          assert(s:connect("127.0.0.1", ${peer.port}, opts)) return s end
        local big
        function wait(kind)
          if kind == "resolve" then return ngx.socket.connect("nowhere.test", 80) end
          if kind == "queue" then ngx.ctx.first = open(pool) return open(pool) end
          local s = open()
          if kind == "send" then big = big or ("x"):rep(20000000) return s:send(big) end
          if kind == "receiveuntil" then return s:receiveuntil("never")() end
          return s[kind](s, kind == "receiveany" and 10 or nil)
        end
      }`,
    server: `location /ok { content_by_lua_block { ngx.print("ok") } }
      location /t { ${more} content_by_lua_block { local kind = ngx.var.arg_kind ${code} } }`,
  });
  return { s, peer };
}

/** Waits until the request's connection to the peer is there (a lookup has none). */
const parked = async (peer, kind) => {
  if (kind !== "resolve") await waitFor(() => peer.open.size > 0, `a connection for ${kind}`);
  await new Promise((next) => setTimeout(next, 60));
};

const inRequest = {
  "ngx.thread.kill": `local t = ngx.thread.spawn(wait, kind) ngx.sleep(0.06) ngx.say(ngx.thread.kill(t)) ngx.exit(200)`,
  "ngx.exit in the entry thread": `ngx.thread.spawn(wait, kind) ngx.sleep(0.06) ngx.say("over") ngx.exit(200)`,
  "ngx.exit in another light thread": `ngx.thread.spawn(function() ngx.sleep(0.06) ngx.say("over") ngx.exit(200) end) wait(kind)`,
  "ngx.exec": `ngx.thread.spawn(wait, kind) ngx.sleep(0.06) ngx.exec("/ok")`,
  "an error, which ends the handler": `ngx.thread.spawn(wait, kind) ngx.sleep(0.06) error("enough")`,
};
for (const [how, code] of Object.entries(inRequest))
  test(`ended by ${how}`, async (t) => {
    const { s, peer } = await start(t, code);
    for (const kind of [...waits, ...waits]) {
      const answer = await s.get(`/t?kind=${kind}`);
      t.is(answer.status, how.startsWith("an error") ? 500 : 200, kind);
      await peer.emptied(kind);
    }
    t.is((await s.get("/ok")).body, "ok");
    t.notRegex(s.log(), /\[(alert|crit|emerg)\]/);
  });

const clientGone = {
  "the client's going (lua_check_client_abort)": `wait(kind)`,
  "ngx.on_abort": `ngx.on_abort(function() ngx.exit(499) end) wait(kind)`,
};
for (const [how, code] of Object.entries(clientGone))
  test(`ended by ${how}`, async (t) => {
    const { s, peer } = await start(t, code, "lua_check_client_abort on;");
    for (const kind of waits) {
      const wire = openWire(t, s);
      wire.send(`GET /t?kind=${kind} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await parked(peer, kind);
      wire.destroy();
      await peer.emptied(kind);
    }
    t.is((await s.get("/ok")).body, "ok");
  });

test("without lua_check_client_abort a handler goes on, until its own timeout", async (t) => {
  const { s, peer } = await start(
    t,
    `local s = ngx.socket.tcp() s:settimeout(300) assert(s:connect("127.0.0.1",
    tonumber(ngx.var.arg_port))) ngx.log(ngx.WARN, "ended: ", s:receive())`,
  );
  const wire = openWire(t, s);
  wire.send(`GET /t?port=${peer.port} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await parked(peer, "receive");
  wire.destroy();
  await t.notThrowsAsync(waitFor(() => /ended: niltimeout/.test(s.log()), "the timeout"));
  await peer.emptied("receive");
});

for (const [how, options] of [
  ["close(), at once", undefined],
  ["a drain whose time is over", { drainMs: 150 }],
])
  test(`ended by the server's end: ${how}`, async (t) => {
    const { s, peer } = await start(t, "wait(kind)");
    for (const kind of waits) openWire(t, s).send(`GET /t?kind=${kind} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await waitFor(() => peer.open.size === waits.length - 1, "their connections"); // one is queued, one resolves
    await s.server.close(options);
    await peer.emptied("the server");
    t.pass();
  });

test("a reload: the old generation's operation goes on; the timer's ends with its worker", async (t) => {
  const { s, peer } = await start(t, "ngx.timer.at(0, function() wait(kind) end) ngx.say(1)");
  await s.get("/t?kind=receive");
  await parked(peer, "receive");
  await s.server.reload();
  t.is((await s.get("/ok")).body, "ok");
  await s.server.close();
  await peer.emptied("the timer");
});

test("rounds of killed operations leave no descriptor behind", async (t) => {
  const { s, peer } = await start(
    t,
    `for i = 1, 20 do
      local threads = {}
      for _, k in ipairs { ${waits.map((w) => `"${w}"`).join(",")} } do threads[#threads + 1] = ngx.thread.spawn(wait, k) end
      ngx.sleep(0.005)
      for _, thread in ipairs(threads) do ngx.thread.kill(thread) end
      ngx.ctx.first:close()
    end ngx.say("done")`,
  );
  const descriptors = () => readdirSync("/proc/self/fd").length;
  t.is((await s.get("/t")).body, "done\n");
  await peer.emptied("the first rounds");
  const before = descriptors();
  for (let i = 0; i < 3; ++i) t.is((await s.get("/t")).body, "done\n");
  await peer.emptied("the rounds");
  await t.notThrowsAsync(waitFor(() => descriptors() <= before + 10, "the descriptors"));
});
