// SPDX-License-Identifier: MIT
// moonwire_status: what it counts, in JSON and in Prometheus's text, over all workers and over reloads; server.status(); `moonwire top`.
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { runMoonwire, startMoonwire, waitFor } from "../helpers/index.js";

const server = `
  location = /status { moonwire_status; }
  location = /metrics { moonwire_status prometheus; }
  location = /ok { content_by_lua_block { ngx.say("ok") } }
  location = /broken { content_by_lua_block { error("broken") } }
  location = /slow {
    access_by_lua_block { ngx.sleep(0.06) }
    content_by_lua_block { ngx.sleep(0.12) ngx.say("slow") }
    log_by_lua_block { ngx.sleep(0.03) }
  }
  location = /dead { proxy_pass http://127.0.0.1:1; }
  location = /socket {
    content_by_lua_block {
      local sock = ngx.socket.tcp()
      assert(sock:connect("127.0.0.1", ngx.var.arg_port, { pool = "a\\"pool" }))
      assert(sock:setkeepalive())
      ngx.say("kept")
    }
  }
  location = /timer { content_by_lua_block { ngx.timer.at(30, function() end) ngx.shared.d:set("k", 1) ngx.say("set") } }`;
const options = { http: "lua_shared_dict d 100k;", server };

const status = async (s, path = "/status") => JSON.parse((await s.get(path)).body);

/** A server that accepts and says nothing. */
async function silent(t) {
  const sockets = new Set();
  const listener = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return listener.address().port;
}

test("what came before an internal redirect is not the content's time", async (t) => {
  const s = await startMoonwire(t, {
    server: `${server}
      location = /from { rewrite_by_lua_block { ngx.sleep(0.06) ngx.exec("/ok") } }
      location = /named { rewrite_by_lua_block { ngx.sleep(0.06) ngx.exec("@to") } }
      location @to { content_by_lua_block { ngx.say("to") } }`,
    http: options.http,
  });
  t.is((await s.get("/from")).status, 200);
  t.is((await s.get("/named")).body, "to\n");
  const { access } = (await status(s)).requests.phases;
  t.true(access.seconds >= 0.11, String(access.seconds));
});

test("requests are counted by status and by time, phases apart", async (t) => {
  const s = await startMoonwire(t, options);
  for (const path of ["/ok", "/ok", "/missing", "/broken", "/slow"]) await s.get(path);
  await waitFor(async () => (await status(s)).requests.phases.log.seconds > 0.02, "the log handler");
  const { requests, connections, errors, pid } = await status(s);
  t.is(requests.by_status["4xx"], 1);
  t.is(requests.by_status["5xx"], 1);
  t.true(requests.by_status["2xx"] >= 4);
  t.is(
    requests.total,
    Object.values(requests.by_status).reduce((a, b) => a + b),
  );
  const { buckets, count, sum_seconds } = requests.duration;
  t.is(count, requests.total);
  t.is(buckets.at(-1).le, "+Inf");
  t.is(buckets.at(-1).count, count);
  for (const [i, bucket] of buckets.entries()) t.true(i === 0 || bucket.count >= buckets[i - 1].count);
  const below = (le) => buckets.find((b) => b.le === le).count;
  t.true(below(0.1) < count, "the slow one took longer");
  t.true(sum_seconds >= 0.17, String(sum_seconds));
  t.true(requests.phases.access.seconds >= 0.05, String(requests.phases.access.seconds));
  t.true(requests.phases.content.seconds >= 0.11, String(requests.phases.content.seconds));
  t.true(connections.accepted >= 6 && connections.handled === connections.accepted);
  t.true(connections.active >= 1 && connections.writing === 1);
  t.is(errors.lua, 1);
  t.is(pid, process.pid);
});

test("cosockets, their pools, upstream failures, timers, dictionaries, Lua and its JIT", async (t) => {
  const s = await startMoonwire(t, options);
  const port = await silent(t);
  for (let i = 0; i < 3; i++) t.is((await s.get(`/socket?port=${port}`)).body, "kept\n");
  t.is((await s.get("/dead")).status, 502);
  await s.get("/timer");
  const now = await status(s);
  t.is(now.sockets.connects, 1);
  t.is(now.sockets.reuses, 2);
  t.is(now.sockets.failures, 0);
  t.true(now.sockets.open >= 1);
  t.is(now.sockets.idle, 1);
  t.deepEqual(now.sockets.pools, [{ name: 'a"pool', connections: 1, idle: 1, queued: 0 }]);
  t.is(now.errors.upstream, 1);
  t.is(now.timers.pending, 1);
  t.is(now.shared_dicts.d.keys, 1);
  t.is(now.shared_dicts.d.capacity_bytes, 102400);
  t.true(now.shared_dicts.d.free_bytes < 102400);
  t.true(now.lua.memory_bytes > 10_000);
  t.true(now.jit.traces >= 0 && now.jit.completed <= now.jit.started);
  t.is(now.workers.length, 1);
  t.is(now.workers_missing, 0);
});

test("every worker answers, whoever is asked; a reload keeps what was counted", async (t) => {
  const s = await startMoonwire(t, { ...options, main: "worker_processes 3;" });
  for (let i = 0; i < 20; i++) await s.get("/ok");
  const before = await status(s);
  t.deepEqual(
    before.workers.map((w) => w.worker),
    [0, 1, 2],
  );
  t.true(before.requests.total >= 20);
  await s.server.reload();
  await waitFor(async () => (await status(s)).workers.every((w) => w.generation === 2), "the old workers' end");
  const after = await status(s);
  t.is(after.workers.length, 3);
  t.true(after.requests.total >= before.requests.total);
  t.true(after.connections.accepted >= before.connections.accepted);
});

test("a worker that does not yield is missing, and nobody waits for it", async (t) => {
  const conf = `location = /spin { content_by_lua_block { local till = os.clock() + 4 while os.clock() < till do end } }`;
  const s = await startMoonwire(t, { ...options, server: server + conf, main: "worker_processes 2;" });
  const spin = s.get("/spin");
  await new Promise((next) => setTimeout(next, 200));
  // Of these about half come to the worker that spins, and wait for it.
  const answers = await Promise.all(Array.from({ length: 16 }, () => status(s)));
  await spin;
  t.true(answers.some(({ workers_missing, workers }) => workers_missing === 1 && workers.length === 1));
});

test("?format= wins over the directive, the directive over Accept", async (t) => {
  const s = await startMoonwire(t, options);
  const type = async (path, accept) =>
    (await s.get(path, accept ? { headers: { accept } } : {})).headers["content-type"];
  const scraper = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
  t.is(await type("/status"), "application/json");
  t.is(await type("/status", "text/html,*/*"), "application/json");
  t.regex(await type("/status", scraper), /^text\/plain; version=0\.0\.4/);
  t.regex(await type("/status?format=prometheus"), /^text\/plain/);
  t.regex(await type("/metrics"), /^text\/plain/);
  t.is(await type("/metrics?format=json"), "application/json");
});

test("Prometheus's text: each metric is declared once, its samples stand below, labels are escaped", async (t) => {
  const s = await startMoonwire(t, options);
  await s.get(`/socket?port=${await silent(t)}`);
  const { body } = await s.get("/metrics");
  t.true(body.endsWith("\n"));
  const declared = new Map();
  let current;
  for (const line of body.trimEnd().split("\n")) {
    const type = /^# TYPE (moonwire_\w+) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      t.false(declared.has(type[1]), line);
      declared.set((current = type[1]), type[2]);
    } else if (!line.startsWith("# HELP ")) {
      t.regex(line, /^moonwire_\w+(\{\w+="(?:[^"\\\n]|\\["\\n])*"(,\w+="(?:[^"\\\n]|\\["\\n])*")*\})? [-+.\de]+$/);
      t.is(
        /^\w+/.exec(line)[0].replace(declared.get(current) === "histogram" ? /_(bucket|sum|count)$/ : "", ""),
        current,
      );
    }
  }
  for (const [name, kind] of declared) t.is(name.endsWith("_total"), kind === "counter", name);
  t.regex(body, /^moonwire_requests_total\{status="2xx"\} \d+$/m);
  t.regex(body, /^moonwire_request_duration_seconds_bucket\{le="\+Inf"\} \d+$/m);
  t.regex(body, /^moonwire_socket_pool_connections\{pool="a\\"pool",state="idle"\} 1$/m);
  t.regex(body, /^moonwire_shared_dict_capacity_bytes\{dict="d"\} 102400$/m);
  t.regex(body, /^moonwire_jit_traces\{generation="1",worker="0"\} \d+$/m);
});

test("server.status() is the same document, without the directive too", async (t) => {
  const s = await startMoonwire(t, { server: `location = /ok { content_by_lua_block { ngx.say("ok") } }` });
  await s.get("/ok");
  const now = await s.server.status();
  t.is(now.requests.by_status["2xx"], 1);
  t.is(now.workers.length, 1);
  await s.server.close();
  await t.throwsAsync(s.server.status(), { message: "the server is closed" });
});

test("moonwire top --once prints it within 80 columns; what cannot be asked is told", async (t) => {
  const s = await startMoonwire(t, options);
  await s.get("/ok");
  const r = await runMoonwire(["top", "--once", `127.0.0.1:${s.port}`]);
  t.is(r.code, 0, r.stderr);
  t.regex(r.stdout, /^Requests {5}\d+ {2}2xx \d+$/m);
  t.regex(r.stdout, /^WORKER {4} +REQUESTS/m);
  t.regex(r.stdout, /^1\.0 +\d+/m);
  t.regex(r.stdout, /^d +100 KiB/m);
  for (const line of r.stdout.split("\n")) t.true(line.length <= 80, line);
  const byPid = await runMoonwire(["top", "--once", String(process.pid)]);
  t.is(byPid.code, 0, byPid.stderr);
  t.regex(byPid.stdout, new RegExp(`^moonwire ${process.pid} `));
  const wrong = await runMoonwire(["top", "--once", `http://127.0.0.1:${s.port}/ok`]);
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /^moonwire: cannot get the status from http:.*\/ok: not the JSON of moonwire_status\n$/);
  const gone = await runMoonwire(["top", "--once", "127.0.0.1:1"]);
  t.regex(gone.stderr, /ECONNREFUSED/);
});

test("moonwire top --socket asks a unix socket", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 1; error_log logs/error.log; events { }
      http { server { listen unix:__PREFIX__/s; location = /status { moonwire_status; } } }`,
  });
  const r = await runMoonwire(["top", "--once", "--socket", join(s.prefix, "s")]);
  t.is(r.code, 0, r.stderr);
  t.regex(r.stdout, /^Connections {2}1 active/m);
});
