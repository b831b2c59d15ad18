// SPDX-License-Identifier: MIT
// Where access log lines go and when: buffers, conditions, names with variables, syslog.
import { createSocket } from "node:dgram";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

const http = `log_format u $uri;`;

test("a buffer is written when it is full, and when the server ends", async (t) => {
  const s = await startMoonwire({ http, server: `access_log logs/a.log u buffer=10; return 200;` });
  await s.get("/1234");
  t.is(s.log("logs/a.log"), "");
  await s.get("/5678");
  t.is(s.log("logs/a.log"), "/1234\n");
  await s.get("/a-line-past-the-buffer");
  t.is(s.log("logs/a.log"), "/1234\n/5678\n/a-line-past-the-buffer\n");
  await s.get("/9");
  await s.server.close();
  t.true(s.log("logs/a.log").endsWith("buffer\n/9\n"));
  await s.stop();
});

test("flush bounds the wait", async (t) => {
  const s = await startMoonwire(t, { http, server: `access_log logs/a.log u buffer=8k flush=100ms; return 200;` });
  await s.get("/x");
  t.is(s.log("logs/a.log"), "");
  await waitFor(() => s.log("logs/a.log") === "/x\n", "the line", 2000);
});

test("what a buffer holds goes to the file that was moved away", async (t) => {
  const s = await startMoonwire(t, { http, server: `access_log logs/a.log u buffer=8k; return 200;` });
  await s.get("/x");
  renameSync(join(s.prefix, "logs/a.log"), join(s.prefix, "logs/a.old"));
  s.server.reopenLogs();
  await waitFor(() => existsSync(join(s.prefix, "logs/a.log")), "the new file");
  t.is(s.log("logs/a.old"), "/x\n");
  t.is(s.log("logs/a.log"), "");
});

test("if=", async (t) => {
  const s = await startMoonwire(t, { http, server: `access_log logs/a.log u if=$arg_log; return 200;` });
  for (const path of ["/none", "/empty?log=", "/zero?log=0", "/one?log=1", "/text?log=no"]) await s.get(path);
  t.is(s.log("logs/a.log"), "/one\n/text\n");
});

test("a name with variables; none is written where the root is not there", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/x": "" },
    http,
    server: `root __PREFIX__/html; location / { access_log logs/$arg_to.log u; return 200; }
      location /no { root __PREFIX__/none; access_log logs/none.$arg_to.log u; return 200; }`,
  });
  await s.get("/1?to=b");
  await s.get("/2?to=c");
  await s.get("/no?to=d");
  t.is(s.log("logs/b.log"), "/1\n");
  t.is(s.log("logs/c.log"), "/2\n");
  t.false(existsSync(join(s.prefix, "logs/none.d.log")));
});

test("syslog, of both logs", async (t) => {
  const lines = [];
  const socket = createSocket("udp4").on("message", (m) => lines.push(String(m)));
  await new Promise((done) => socket.bind(0, "127.0.0.1", done));
  t.teardown(() => socket.close());
  const to = `syslog:server=127.0.0.1:${socket.address().port}`;
  const s = await startMoonwire(t, {
    main: `error_log ${to},nohostname,tag=err;`,
    http,
    server: `access_log ${to},facility=user,severity=debug u; location / { content_by_lua_block { ngx.log(ngx.ERR, "oh") } }`,
  });
  await s.get("/x");
  await waitFor(() => lines.length === 2, "two lines");
  const time = "[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d";
  t.regex(lines[0], new RegExp(`^<187>${time} err: \\d{4}/.* \\[error\\] .*oh, client: 127\\.0\\.0\\.1, .*"$`));
  t.regex(lines[1], new RegExp(`^<15>${time} \\S+ nginx: /x$`));
});

function gunzip(s, name) {
  const bytes = readFileSync(join(s.prefix, name));
  return bytes.length === 0 ? "" : gunzipSync(bytes).toString();
}

test("gzip: what the buffer holds is written compressed, and so is a line that finds no room in it", async (t) => {
  const s = await startMoonwire({
    http,
    server: `location / { access_log logs/a.gz u gzip=9 buffer=10 flush=1h; return 200; }
      location /soon { access_log logs/b.gz u gzip flush=100ms; return 200; }
      location /plain { access_log logs/b.gz u; return 200; }`,
  });
  for (const path of ["/1234", "/5678", "/a-line-past-the-buffer", "/9", "/soon", "/plain"]) await s.get(path);
  await waitFor(() => gunzip(s, "logs/b.gz") === "/soon\n/plain\n", "the flush");
  await s.server.close();
  t.is(gunzip(s, "logs/a.gz"), "/1234\n/5678\n/a-line-past-the-buffer\n/9\n");
  await s.stop();
});

test("open_log_file_cache: what is used often enough stays open; the least used goes first; valid= looks for a new file", async (t) => {
  const s = await startMoonwire(t, {
    files: { "d/x": "", "html/x": "" },
    http,
    server: `root __PREFIX__/html; location / { open_log_file_cache max=2 min_uses=2 inactive=1h valid=1h; access_log d/$arg_to u; return 200; }
      location /off { open_log_file_cache off; access_log d/$arg_to u; return 200; }`,
  });
  const ask = async (...names) => {
    for (const name of names) await s.get(`/?to=${name}`);
  };
  await ask("lru", "lru", "once", "a", "a", "b", "b");
  await s.get("/off?to=off");
  renameSync(join(s.prefix, "d"), join(s.prefix, "moved"));
  await ask("lru", "once", "a", "b", "b");
  await s.get("/off?to=off");
  const count = (name) => s.log(`moved/${name}`).split("\n").length - 1;
  t.deepEqual(Object.fromEntries(["lru", "once", "a", "b", "off"].map((name) => [name, count(name)])), {
    lru: 2,
    once: 1,
    a: 3,
    b: 4,
    off: 1,
  });
  t.false(existsSync(join(s.prefix, "d")));
});

test("open_log_file_cache: a file that was moved away is opened anew after valid=", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/x": "" },
    http,
    server: `root __PREFIX__/html; open_log_file_cache max=5 valid=1s; location / { access_log logs/$arg_to u; return 200; }`,
  });
  await s.get("/1?to=a");
  renameSync(join(s.prefix, "logs/a"), join(s.prefix, "logs/old"));
  await s.get("/2?to=a");
  await waitFor(async () => (await s.get("/3?to=a"), existsSync(join(s.prefix, "logs/a"))), "the new file", 10_000);
  t.true(s.log("logs/old").startsWith("/1\n/2\n"));
  t.is(s.log("logs/a"), "/3\n");
});
