// SPDX-License-Identifier: MIT
// Too much of everything: no descriptors left, no connections left, clients that do not read, logs that take no more. The worker goes
// on, says what is wrong in nginx's words, and recovers.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, readFileSync, readSync, truncateSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { makePrefix, removePrefix, startMoonwire, startProcess, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

const head = (path, more = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

/** For a process whose memory is measured: AddressSanitizer keeps what was freed, 256 MiB of it unless told otherwise. */
const withoutQuarantine = { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ""}:quarantine_size_mb=1` };

/** A connection; `text` is what came, `closed` whether it is over. */
function open(t, port, bytes = "") {
  const socket = connect(port, "127.0.0.1");
  const client = { socket, text: "", closed: false };
  socket.on("data", (part) => (client.text += part)).on("error", () => {});
  socket.on("close", () => (client.closed = true));
  socket.on("connect", () => bytes && socket.write(bytes));
  t.teardown(() => socket.destroy());
  return client;
}

test("without descriptors accept pauses, says so, and goes on when there are some", async (t) => {
  const p = await startProcess(t, {
    server: `location / { content_by_lua_block { ngx.say("served") } }`,
    main: "error_log stderr info;",
  });
  await p.get("/");
  const used = execFileSync("ls", [`/proc/${p.child.pid}/fd`], { encoding: "utf8" })
    .trim()
    .split("\n").length;
  execFileSync("prlimit", ["--pid", String(p.child.pid), `--nofile=${used + 10}:`]);
  const clients = Array.from({ length: 30 }, () => open(t, p.port));
  await waitFor(() => p.stderr().includes("[crit]"), "the log line");
  t.regex(p.stderr(), /\[crit\] \d+#\d+: accept4\(\) failed \(24: Too many open files\)/);
  for (const client of clients.slice(0, 20)) client.socket.destroy();
  const late = clients.at(-1);
  late.socket.write(head("/", "Connection: close\r\n"));
  await waitFor(() => late.text.includes("served"), "an answer");
  t.true(p.stderr().match(/accept4/g).length < 60, "it does not spin");
});

test("without worker_connections clients wait in the backlog until there is room", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 1; error_log logs/error.log; events { worker_connections 8; }
      http { server { listen 127.0.0.1:0;
        location = /hold { content_by_lua_block {
          while not ngx.shared.d:get("go") do ngx.sleep(0.02) end ngx.say("held") } }
        location / { content_by_lua_block { ngx.say("served") } } } lua_shared_dict d 100k; init_worker_by_lua_block {
          local function look() local f = io.open("__PREFIX__/go") if f then f:close() ngx.shared.d:set("go", 1) end end
          ngx.timer.every(0.02, look) } }`,
  });
  const holding = Array.from({ length: 8 }, () => open(t, s.port, head("/hold")));
  await waitFor(() => s.server.stats()[0].connectionsActive === 8, "the connections");
  const late = open(t, s.port, head("/", "Connection: close\r\n"));
  await waitFor(() => s.log().includes("worker_connections"), "the log line");
  t.regex(s.log(), /\[alert\] \d+#\d+: 8 worker_connections are not enough\n/);
  t.is(late.text, "");
  s.write("go", "");
  await waitFor(() => late.text.includes("served"), "an answer to the one that waited");
  await waitFor(() => holding.every((client) => client.text.includes("held")), "the others' answers");
});

test("connections that wait for their next request give way to new ones, as in nginx", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 1; error_log logs/error.log warn; events { worker_connections 8; }
      http { server { listen 127.0.0.1:0; location / { content_by_lua_block { ngx.say("served") } } } }`,
  });
  const idle = Array.from({ length: 8 }, () => open(t, s.port, head("/")));
  await waitFor(() => idle.every((client) => client.text.includes("served")), "the answers");
  for (let i = 0; i < 3; i++) {
    const next = open(t, s.port, head("/"));
    await waitFor(() => next.text.includes("served"), "the next one's answer");
  }
  t.is(idle.filter((client) => client.closed).length, 3);
  t.regex(s.log(), /\[warn\] \d+#\d+: 8 worker_connections are not enough, reusing connections\n/);
});

test("a worker is not limited by a limit that nobody reaches", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 1; error_log logs/error.log; events { worker_connections 8; }
      http { server { listen 127.0.0.1:0; location / { content_by_lua_block { ngx.say("served") } } } }`,
  });
  const clients = Array.from({ length: 8 }, () => open(t, s.port, head("/")));
  await waitFor(() => clients.every((client) => client.text.includes("served")), "the answers");
  await new Promise((next) => setTimeout(next, 700));
  t.is(s.log(), "");
  t.false(clients.some((client) => client.closed));
});

/** A FIFO in a prefix; drain() reads what is in it. */
function fifo(prefix, name) {
  const path = join(prefix, name);
  execFileSync("mkfifo", [path]);
  return {
    path,
    drain: () => {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const buffer = Buffer.alloc(1 << 20);
      let text = "";
      try {
        for (let n; (n = readSync(fd, buffer)) > 0;) text += buffer.toString("latin1", 0, n);
      } catch (e) {
        if (e.code !== "EAGAIN") throw e;
      } finally {
        closeSync(fd);
      }
      return text;
    },
  };
}

for (const kind of ["access_log", "error_log"])
  test(`${kind} to a FIFO that nobody reads: requests go on, lines are lost, and that is told`, async (t) => {
    const prefix = makePrefix();
    t.teardown(() => removePrefix(prefix));
    const pipe = fifo(prefix, "pipe");
    const logs = {
      access_log: `error_log logs/error.log; %HTTP access_log ${pipe.path} l; log_format l "$request_uri";`,
      error_log: `error_log ${pipe.path} warn; %HTTP access_log off;`,
    };
    const [main, http] = logs[kind].split("%HTTP");
    const s = await startMoonwire(t, {
      conf: `worker_processes 1; ${main} events { } http { ${http} server { listen 127.0.0.1:0;
        location / { content_by_lua_block { ngx.log(ngx.WARN, ngx.var.request_uri) ngx.say("served") } } } }`,
    });
    const long = "x".repeat(1000);
    for (let i = 0; i < 150; i++) t.is((await s.get(`/${i}?${long}`)).body, "served\n"); // more than a pipe holds
    const first = pipe.drain();
    t.true(first.includes("/0?") && !first.includes("/149?"));
    for (const line of first.trimEnd().split("\n")) t.true(line.includes(long), "whole lines");
    await s.get("/again");
    const then = pipe.drain();
    t.regex(then, /^\d{4}\/.* \[alert\] .*: \d+ writes to this log were lost\n/);
    t.true(then.includes("/again"));
    if (kind === "access_log")
      t.is(
        s.log().match(/\[alert\] .*write\(\) to ".*pipe" failed \(11: Resource temporarily unavailable\)/g).length,
        1,
      );
  });

test("a full disk: requests go on; the error log is told once, and writing is tried again", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 1; error_log logs/error.log; events { } http { access_log /dev/full; server { listen 127.0.0.1:0;
      location / { content_by_lua_block { ngx.say("served") } }
      location /err { error_log /dev/full; content_by_lua_block { ngx.log(ngx.ERR, "lost") ngx.say("served") } } } }`,
  });
  for (let i = 0; i < 30; i++) t.is((await s.get(i % 2 ? "/err" : "/")).body, "served\n");
  t.is(s.log().match(/\[alert\] .*write\(\) to "\/dev\/full" failed \(28: No space left on device\)/g).length, 1);
});

/** A server that answers `size` bytes. */
function longAnswer(t, size) {
  const upstream = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      let left = size;
      const more = () => {
        while (left > 0 && !socket.destroyed) {
          const chunk = Buffer.alloc(Math.min(1 << 16, left));
          left -= chunk.length;
          if (!socket.write(chunk)) return;
        }
      };
      socket.on("drain", more);
      more();
    });
  });
  return listening(t, upstream);
}

/** MiB of the process: VmRSS, or VmHWM, the most it has had. */
const memory = (p, what = "VmRSS") =>
  Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${p.child.pid}/status`, "utf8"))[1]) / 1024;

test("clients that do not read hold neither the upstream's bytes nor their connections for long", async (t) => {
  const port = await longAnswer(t, 30_000_000);
  const files = makePrefix({ "html/file": randomBytes(22_500_000).toString("base64") });
  t.teardown(() => removePrefix(files));
  const p = await startProcess(t, {
    http: "send_timeout 2s;",
    server: `location / { proxy_pass http://127.0.0.1:${port}; }
      location = /lua { content_by_lua_block {
        local piece = ("x"):rep(65536)
        for _ = 1, 400 do ngx.print(piece) if not ngx.flush(true) then return end end } }
      location /file/ { alias ${files}/html/;
        location = /file/lua { alias ${files}/html/file; body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() } }
        location = /file/gzip { alias ${files}/html/file; gzip on; gzip_types *; gzip_comp_level 1; }
        location = /file/sub { alias ${files}/html/file; sub_filter needle thread; sub_filter_types *; } }
      location = /status { moonwire_status; }`,
  });
  const active = async () => JSON.parse((await p.get("/status")).body).connections.active;
  await active();
  for (const path of ["/file/lua", "/file/sub"]) t.is((await p.get(path)).body.length, 30_000_000);
  const before = memory(p);
  const paths = ["/", "/lua", "/file/lua", "/file/gzip", "/file/sub"];
  for (let i = 0; i < 20; i++) {
    const client = open(t, p.port);
    client.socket.removeAllListeners("data").pause();
    client.socket.on("connect", () => client.socket.write(head(paths[i % 5], "Accept-Encoding: gzip\r\n")));
  }
  await waitFor(async () => (await active()) >= 20, "the clients");
  await new Promise((next) => setTimeout(next, 800));
  const grown = memory(p) - before; // of 600 MB that they asked for
  t.true(grown < 60, `${grown} MiB`);
  await waitFor(async () => (await active()) <= 2, "their end by send_timeout");
});

test("a long answer goes through filters without being in memory: from an upstream, a handler, a file", async (t) => {
  const size = 100_000_000;
  const port = await longAnswer(t, size);
  const files = makePrefix({ "html/file.txt": "" });
  t.teardown(() => removePrefix(files));
  truncateSync(join(files, "html/file.txt"), size);
  const filter = `header_filter_by_lua_block { ngx.header.content_length = nil }
    body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1] .. "." }`;
  const p = await startProcess(t, {
    http: "send_timeout 20s;",
    server: `location = /file.txt { root ${files}/html; ${filter} }
      location = /gzip { gzip on; gzip_types *; gzip_comp_level 1; alias ${files}/html/file.txt; }
      location = /sub { sub_filter needle thread; sub_filter_types *; alias ${files}/html/file.txt; }
      location = /proxy { ${filter} proxy_pass http://127.0.0.1:${port}; }
      location = /ssi { default_type text/html; ssi on; return 200 '<!--#include virtual="/slow" --><!--#include virtual="/plain" --><!--#include virtual="/proxied" -->.'; }
      location = /slow { echo_sleep 0.5; echo slow; }
      location = /plain { alias ${files}/html/file.txt; } location = /proxied { proxy_pass http://127.0.0.1:${port}; }
      location = /lua { ${filter} content_by_lua_block {
        local piece = ("x"):rep(100000)
        for _ = 1, ${size / 100000} do ngx.print(piece) ngx.flush(true) end } }`,
    env: withoutQuarantine,
  });
  await p.get("/none");
  for (const path of ["/proxy", "/lua", "/file.txt", "/gzip", "/sub", "/ssi"]) {
    const before = memory(p);
    writeFileSync(`/proc/${p.child.pid}/clear_refs`, "5");
    const client = open(t, p.port);
    let bytes = 0;
    let start = "";
    client.socket.removeAllListeners("data");
    client.socket.on("data", (part) => {
      bytes += part.length;
      if (start.length < 1000) start += part.toString("latin1");
    });
    client.socket.on("connect", () =>
      client.socket.write(head(path, "Connection: close\r\nAccept-Encoding: gzip\r\n")),
    );
    await waitFor(() => client.closed, `the end of ${path}`);
    t.regex(start, /^HTTP\/1\.1 200 OK\r\n/);
    if (path !== "/gzip") t.true(bytes > size, `${path}: ${bytes}`);
    const grown = memory(p, "VmHWM") - before;
    t.true(grown < 30, `${path}: ${grown} MiB`);
  }
});
