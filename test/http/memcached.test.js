// SPDX-License-Identifier: MIT
// memcached_pass: what a server that speaks memcached's protocol is asked, and what clients get of its replies.
import test from "ava";
import { createServer } from "node:net";
import { gzipSync } from "node:zlib";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

/** A server that holds `values` ({ key: [flags, bytes] }): { port, asked, connections }. */
async function memcached(t, values) {
  const state = { asked: [], connections: 0 };
  const server = createServer((socket) => {
    ++state.connections;
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (part) => {
      text += part;
      for (let at; (at = text.indexOf("\r\n")) >= 0; text = text.slice(at + 2)) {
        const line = text.slice(0, at);
        state.asked.push(line);
        const key = line.replace(/^get /, "");
        const [flags, bytes] = values[key] ?? [];
        if (bytes === undefined) socket.write("END\r\n");
        else
          socket.write(
            Buffer.concat([
              Buffer.from(`VALUE ${key} ${flags} ${bytes.length}\r\n`),
              bytes,
              Buffer.from("\r\nEND\r\n"),
            ]),
          );
      }
    });
  });
  state.port = await listening(t, server);
  return state;
}

const value = (text, flags = 0) => [flags, Buffer.from(text)];

test("GET and HEAD of $memcached_key; other methods, no key, nothing there", async (t) => {
  const m = await memcached(t, { "/a": value("hello"), "/b%20c": value("blank") });
  const s = await startMoonwire(t, {
    server: `location / { set $memcached_key $uri; memcached_pass 127.0.0.1:${m.port}; error_page 404 /page; }
      location /no-key { memcached_pass 127.0.0.1:${m.port}; }
      location /own { set $memcached_key $uri; memcached_pass 127.0.0.1:${m.port}; }
      location = /page { return 200 page; }`,
  });
  t.is((await s.get("/a")).body, "hello");
  t.is((await s.get("/a")).headers["content-length"], "5");
  t.is((await s.get("/b%20c")).body, "blank");
  const head = await s.get("/a", { method: "HEAD" });
  t.is(head.headers["content-length"], "5");
  t.is(head.body, "");
  t.is((await s.get("/a", { method: "POST", body: "x" })).status, 405);
  t.is((await s.get("/none")).body, "page");
  t.is((await s.get("/own")).status, 404);
  t.is((await s.get("/no-key")).status, 500);
  t.regex(s.log(), /the "\$memcached_key" variable is not set/);
  t.regex(s.log(), /key: "\/none" was not found by memcached/);
  t.deepEqual(m.asked.slice(0, 4), ["get /a", "get /a", "get /b%20c", "get /a"]);
});

test("memcached_gzip_flag, memcached_force_ranges", async (t) => {
  const packed = gzipSync("packed");
  const m = await memcached(t, { "/z": [2, packed], "/p": value("0123456789", 1) });
  const s = await startMoonwire(t, {
    server: `memcached_gzip_flag 2; memcached_force_ranges on; set $memcached_key $uri;
      location / { memcached_pass 127.0.0.1:${m.port}; }
      location /z { gunzip on; memcached_pass 127.0.0.1:${m.port}; }`,
  });
  const z = await s.get("/z");
  t.is(z.body, "packed");
  t.is((await s.get("/z", { headers: { "Accept-Encoding": "gzip" } })).headers["content-encoding"], "gzip");
  t.is((await s.get("/p")).headers["content-encoding"], undefined);
  const part = await s.get("/p", { headers: { Range: "bytes=3-5" } });
  t.is(part.status, 206);
  t.is(part.body, "345");
});

test("kept connections: after a value and after nothing; a HEAD closes its own", async (t) => {
  const m = await memcached(t, { "/a": value("hello"), "/big": value("x".repeat(300_000)) });
  const s = await startMoonwire(t, {
    http: `upstream m { server 127.0.0.1:${m.port}; keepalive 1; }`,
    server: `set $memcached_key $uri; location / { memcached_pass m; }`,
  });
  for (const path of ["/a", "/none", "/a", "/none", "/a"]) await s.get(path);
  t.is(m.connections, 1);
  await s.get("/big", { method: "HEAD" });
  t.is((await s.get("/big")).body.length, 300_000);
  t.is(m.connections, 2);
});

test("memcached_next_upstream not_found: the next server is asked", async (t) => {
  const empty = await memcached(t, {});
  const full = await memcached(t, { "/a": value("there") });
  const s = await startMoonwire(t, {
    http: `upstream m { server 127.0.0.1:${empty.port}; server 127.0.0.1:${full.port}; keepalive 4; }`,
    server: `set $memcached_key $uri; memcached_next_upstream not_found; location / { memcached_pass m; }
      location /off { memcached_next_upstream off; memcached_pass m; }`,
  });
  for (let i = 0; i < 4; i++) t.is((await s.get("/a")).body, "there");
  t.is((await s.get("/none")).status, 404);
  await waitFor(() => empty.asked.length > 0, "the empty one to be asked");
});

test("what comes behind the end of a value is not the next reply", async (t) => {
  const port = await listening(
    t,
    createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => socket.write("VALUE /a 0 2\r\nok\r\nEND\r\n\x01EXTRA\r\n"));
    }),
  );
  const s = await startMoonwire(t, {
    http: `upstream m { server 127.0.0.1:${port}; keepalive 1; }`,
    server: `set $memcached_key /a; location / { memcached_pass m; }`,
  });
  for (let i = 0; i < 3; i++) t.is((await s.get("/")).body, "ok");
});
