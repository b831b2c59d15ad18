// SPDX-License-Identifier: MIT
// Reload under load: no request fails, no connection is dropped, nothing stays behind.
import { readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { startMoonwire, startProcess, waitFor, writeFile } from "../helpers/index.js";
import { steadyClients } from "../helpers/steady.js";
import { openWire, takeResponse } from "../helpers/wire.js";
import { echoLocation, EchoSocket } from "../../bench/lib/websocket.mjs";

const hello = `location / { content_by_lua_block { ngx.say(ngx.shared.counts:incr("n", 1, 0) and "hello") } }`;
const generation = (s) => Math.max(...s.server.stats().map((w) => w.generation));

/** One keep-alive request on a wire. */
async function ask(wire, path = "/") {
  wire.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return wire.response({ timeout: 20_000 });
}

test("fifteen reloads under keep-alive clients, pipelines, slow requests and WebSockets", async (t) => {
  const s = await startMoonwire(t, {
    main: "worker_processes 2;",
    http: "lua_shared_dict counts 1m; keepalive_requests 100000000;",
    server: `${hello} ${echoLocation} location /slow { content_by_lua_block { ngx.sleep(0.05) ngx.say("slow") } }`,
  });
  const clients = [
    steadyClients(t, s.port, 8),
    steadyClients(t, s.port, 8, { pause: 3 }), // idle when the reload comes, or about to send
    steadyClients(t, s.port, 4, { batch: 7 }),
    steadyClients(t, s.port, 4, { path: "/slow" }),
    steadyClients(t, s.port, 2, { request: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" }),
  ];
  const sockets = Array.from({ length: 10 }, () => new EchoSocket(s.port, "/echo", 20));
  t.teardown(() => sockets.forEach((w) => w.close()));
  await Promise.all(sockets.map((w) => w.opened));
  for (let i = 0; i < 15; i++) {
    const before = clients.map((c) => c.answers());
    await s.server.reload();
    await waitFor(() => clients.every((c, k) => c.answers() > before[k] + 4), "answers to every kind of client");
  }
  const results = await Promise.all(clients.map((c) => c.stop()));
  t.deepEqual(
    results.flatMap((r) => r.failures),
    [],
  );
  t.deepEqual(
    results.slice(0, 4).map((r) => r.connections),
    [8, 8, 4, 4],
    "every keep-alive connection outlived all reloads",
  );
  t.deepEqual(
    sockets.map((w) => w.failure),
    sockets.map(() => undefined),
  );
  const echoes = sockets.map((w) => w.echoes);
  await waitFor(() => sockets.every((w, i) => w.echoes > echoes[i]), "echoes from the first generation");
  sockets.forEach((w) => w.close());
  await waitFor(() => s.server.stats().every((w) => w.generation === 16), "the end of the older generations");
});

test("an idle connection goes to the new generation at once, a half-sent head with it", async (t) => {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict counts 1m;",
    files: { "handler.lua": `ngx.say("one")` },
    server: "location / { content_by_lua_file handler.lua; }",
  });
  const [idle, half, fresh] = [openWire(t, s), openWire(t, s), openWire(t, s)];
  t.is((await ask(idle)).body, "one\n");
  half.send("GET / HT");
  await waitFor(() => s.server.stats()[0].connectionsActive === 3, "the connections");
  s.write("handler.lua", `ngx.say("two")`);
  await s.server.reload();
  await waitFor(() => s.server.stats().every((w) => w.generation === 2), "the old generation's end");
  half.send("TP/1.1\r\nHost: a\r\n\r\n");
  const answers = await Promise.all([ask(idle), half.response(), ask(fresh)]);
  for (const a of answers) t.like(a, { status: 200, body: "two\n" });
  for (const a of answers) t.not(a.headers.connection?.[0], "close");
});

test("the request under way is answered by the old generation, the next on its connection by the new one", async (t) => {
  const s = await startMoonwire(t, {
    files: {
      "handler.lua": `ngx.log(ngx.INFO, "begun") while not ngx.worker.exiting() do ngx.sleep(0.01) end ngx.say("one")`,
    },
    server: "location / { content_by_lua_file handler.lua; }",
  });
  const wire = openWire(t, s);
  wire.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.send("GET /piped HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor(() => s.log().includes("begun"), "the request");
  s.write("handler.lua", `ngx.say("two")`);
  await s.server.reload();
  t.is((await wire.response()).body, "one\n");
  t.is((await wire.response()).body, "two\n");
  t.is((await ask(wire)).body, "two\n");
});

test("fewer and more workers: no connection is lost in a socket that lost its worker", async (t) => {
  const s = await startMoonwire(t, {
    conf: `include workers.conf; error_log logs/error.log info; events { } http { access_log off; server { listen 127.0.0.1:0;
      location / { content_by_lua_block { ngx.say("hello") } } } }`,
    files: { "workers.conf": "worker_processes 4;" },
  });
  const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const clients = [steadyClients(t, s.port, 12, { request }), steadyClients(t, s.port, 6)];
  for (const n of [1, 3, 2, 5, 1, 4]) {
    s.write("workers.conf", `worker_processes ${n};`);
    const before = clients.map((c) => c.answers());
    await s.server.reload();
    await waitFor(() => clients.every((c, k) => c.answers() > before[k] + 20), "answers");
  }
  for (const c of clients) t.deepEqual((await c.stop()).failures, []);
});

test("an address that the new configuration drops: its connections get one more answer", async (t) => {
  const conf = (
    second,
  ) => `error_log logs/error.log info; events { } http { access_log off; server { listen 127.0.0.1:0;
    ${second} location / { content_by_lua_block { ngx.say("hello") } } } }`;
  const s = await startMoonwire(t, { conf: conf("listen unix:__PREFIX__/extra.sock;") });
  const wire = openWire(t, { path: `${s.prefix}/extra.sock` });
  t.is((await ask(wire)).status, 200);
  s.write("nginx.conf", conf(""));
  await s.server.reload();
  const last = await ask(wire);
  t.like(last, { status: 200, headers: { connection: ["close"] } });
  await wire.closed();
  await waitFor(() => s.server.stats().every((w) => w.generation === 2), "the old generation's end");
  s.write("nginx.conf", conf(`listen unix:${s.prefix}/extra.sock;`));
  await s.server.reload();
  t.is((await ask(openWire(t, { path: `${s.prefix}/extra.sock` }))).status, 200);
});

test("worker_shutdown_timeout ends what a reload left behind", async (t) => {
  const s = await startMoonwire(t, {
    main: "worker_shutdown_timeout 300ms;",
    server: `${echoLocation} location = /long { content_by_lua_block {
      ngx.log(ngx.INFO, "begun") ngx.sleep(3600)
    } } location / { return 200 ok; }`,
  });
  const socket = new EchoSocket(s.port, "/echo", 20);
  t.teardown(() => socket.close());
  await socket.opened;
  const long = openWire(t, s);
  long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor(() => s.log().includes("begun"), "the request");
  const begun = Date.now();
  await s.server.reload();
  await waitFor(() => s.server.stats().every((w) => w.generation === 2), "the old generation's end");
  t.true(Date.now() - begun >= 290, "not before its time");
  await long.closed();
  await waitFor(() => socket.failure, "the WebSocket's end");
  t.is((await s.get("/")).status, 200);
});

test("without worker_shutdown_timeout a long request has all the time it wants", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { content_by_lua_block { ngx.log(ngx.INFO, "begun") ngx.sleep(1) ngx.say("done") } }`,
  });
  const wire = openWire(t, s);
  wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor(() => s.log().includes("begun"), "the request");
  await s.server.reload();
  t.is((await wire.response()).body, "done\n");
});

for (const [what, broken, message] of [
  ["an error in init_by_lua", { http: `init_by_lua_block { error("no luck") }` }, /no luck/],
  ["an unknown directive", { server: "bogus on;" }, /unknown directive "bogus"/],
  [
    "an error log that cannot be opened",
    { main: "error_log /nonexistent/x.log;" },
    /open\(\) .*failed \(2: No such file/,
  ],
]) {
  test(`${what} in the new configuration: the old one serves on, the reason is told`, async (t) => {
    const conf = ({ main = "error_log logs/error.log;", http = "", server = "" } = {}) =>
      `${main} events { } http { access_log off; ${http} server { listen 127.0.0.1:0; ${server}
        location /x { content_by_lua_block { ngx.say("old") } } } }`;
    const s = await startMoonwire(t, { conf: conf() });
    const wire = openWire(t, s);
    t.is((await ask(wire, "/x")).body, "old\n");
    s.write("nginx.conf", conf(broken));
    await t.throwsAsync(s.server.reload(), { message });
    t.is((await ask(wire, "/x")).body, "old\n");
    t.is(generation(s), 1);
    s.write("nginx.conf", conf());
    await s.server.reload();
    t.is((await ask(wire, "/x")).body, "old\n");
  });
}

test("a port in use in the new configuration: the old one serves on, and nothing of the new one stays open", async (t) => {
  const other = createServer();
  await new Promise((ready) => other.listen(0, "127.0.0.1", ready));
  t.teardown(() => other.close());
  const conf = (
    more,
  ) => `error_log logs/error.log; events { } http { access_log off; server { listen 127.0.0.1:0; ${more}
    location / { return 200 old; } } }`;
  const s = await startMoonwire(t, { conf: conf("") });
  s.write("nginx.conf", conf(`listen unix:${s.prefix}/new.sock; listen 127.0.0.1:${other.address().port};`));
  await t.throwsAsync(s.server.reload(), {
    message: /^bind\(\) to 127\.0\.0\.1:\d+ failed \(98: Address already in use\)/,
  });
  t.is((await s.get("/")).body, "old");
  t.false(readdirSync(s.prefix).includes("new.sock"));
});

test("shared dictionaries outlive reloads; one of another size begins empty", async (t) => {
  const conf = (size) => `error_log logs/error.log; events { } http { access_log off; lua_shared_dict d ${size};
    server { listen 127.0.0.1:0; location / { content_by_lua_block { ngx.say((ngx.shared.d:incr("n", 1, 0))) } } } }`;
  const s = await startMoonwire(t, { conf: conf("1m") });
  t.is((await s.get("/")).body, "1\n");
  await s.server.reload();
  t.is((await s.get("/")).body, "2\n");
  s.write("nginx.conf", conf("2m"));
  await s.server.reload();
  t.is((await s.get("/")).body, "1\n");
});

test("thirty reloads leave no descriptor and no thread behind", async (t) => {
  const s = await startProcess(t, {
    main: "worker_processes 2;",
    http: "lua_shared_dict counts 1m;",
    server: `${hello} ${echoLocation}`,
  });
  const pid = s.child.pid;
  const kinds = () =>
    readdirSync(`/proc/${pid}/fd`)
      .map((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:?\[\d+\]/, "");
        } catch {
          return "gone";
        }
      })
      .sort();
  const threads = () => readdirSync(`/proc/${pid}/task`).length;
  let reloads = 0;
  const reload = async () => {
    s.kill("SIGHUP");
    reloads++;
    await waitFor(() => s.stderr().split("configuration reloaded").length > reloads, "the reload");
    t.is((await s.get("/")).status, 200);
  };
  await reload();
  await reload();
  const before = await settled(() => ({ kinds: kinds(), threads: threads() }));
  for (let i = 0; i < 30; i++) await reload();
  await waitFor(
    () => kinds().length <= before.kinds.length && threads() <= before.threads,
    "what the reloads opened",
  ).catch(() => {});
  t.deepEqual(kinds(), before.kinds);
  t.true(threads() <= before.threads);
});

/** What `look` gives once it gives the same twice, 200 ms apart. */
async function settled(look) {
  for (let last = look(); ;) {
    await sleep(200);
    const now = look();
    if (JSON.stringify(now) === JSON.stringify(last)) return now;
    last = now;
  }
}

test("SIGQUIT answers the request under way, with worker_shutdown_timeout cuts it", async (t) => {
  const server = `location / { content_by_lua_block {
    ngx.log(ngx.INFO, "begun ", ngx.var.arg_s)
    ngx.sleep(tonumber(ngx.var.arg_s)) ngx.say("done")
  } }`;
  const s = await startProcess(t, { server, main: "worker_shutdown_timeout 700ms;" });
  const [quick, long] = [openWire(t, s), openWire(t, s)];
  quick.send("GET /?s=0.3 HTTP/1.1\r\nHost: a\r\n\r\n");
  long.send("GET /?s=3600 HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor(() => s.log().includes("begun 0.3") && s.log().includes("begun 3600"), "the requests");
  s.kill("SIGQUIT");
  t.is((await quick.response()).body, "done\n");
  await long.closed(20_000);
  t.is((await s.exit).code, 0);
  t.is(takeResponse(long.text), undefined);
});

test("--watch swaps under load too", async (t) => {
  const s = await startProcess(t, {
    server: "location / { content_by_lua_file lua/app.lua; }",
    files: { "lua/app.lua": `ngx.say("v0")` },
    args: ["--watch"],
  });
  const clients = steadyClients(t, s.port, 4);
  for (let i = 1; i <= 4; i++) {
    writeFile(s.prefix, "lua/app.lua", `ngx.say("v${i}")`);
    await waitFor(async () => (await s.get("/")).body === `v${i}\n`, "the new code");
  }
  const { failures, connections } = await clients.stop();
  t.deepEqual(failures, []);
  t.is(connections, 4);
});
