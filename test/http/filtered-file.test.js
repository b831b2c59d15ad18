// SPDX-License-Identifier: MIT
// Files behind filters, which are read as the client takes them: filters that wait, end the body early, refuse or fail; clients
// that send a body, or half-close.
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

const text = "0123456789abcdef".repeat(65536); // 1 MiB, 32 reads

/** Sends `bytes` and resolves to what came until the connection's end; `isHalf`: and nothing more is sent. */
function exchange(t, port, bytes, { isHalf = false } = {}) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let got = "";
    let hasFailed = false;
    t.teardown(() => socket.destroy());
    socket.on("connect", () => (isHalf ? socket.end(bytes) : socket.write(bytes)));
    socket.on("data", (part) => (got += part.toString("latin1")));
    socket.on("error", () => (hasFailed = true));
    socket.on("end", () => socket.end());
    socket.on("close", () => resolve({ got, hasFailed, body: got.slice(got.indexOf("\r\n\r\n") + 4) }));
  });
}
const head = (path, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;
const unchunked = (body) => {
  let all = "";
  for (let n; (n = parseInt(body, 16)) > 0;) {
    const at = body.indexOf("\r\n") + 2;
    all += body.slice(at, at + n);
    body = body.slice(at + n + 2);
  }
  return all;
};

test("a Lua filter waits for each part of a file, ends it, refuses it, fails in its midst", async (t) => {
  const unknown = "header_filter_by_lua_block { ngx.header.content_length = nil }";
  const s = await startMoonwire(t, {
    files: { "html/f": text },
    server: `location = /wait { alias html/f; body_filter_by_lua_block { ngx.sleep(0.001) ngx.arg[1] = ngx.arg[1]:upper() } }
      location = /end { alias html/f; ${unknown} body_filter_by_lua_block {
        local ctx = ngx.ctx
        ctx.n = (ctx.n or 0) + 1
        ngx.sleep(0.001)
        ngx.arg[1] = ctx.n .. " "
        ngx.arg[2] = ctx.n == 3 } }
      location = /refuse { alias html/f; header_filter_by_lua_block { ngx.sleep(0.001) ngx.exit(403) } }
      location = /fail { alias html/f; body_filter_by_lua_block {
        local ctx = ngx.ctx
        ctx.n = (ctx.n or 0) + 1
        if ctx.wait then ngx.sleep(0.001) end
        if ctx.n == 3 then error("the third part") end } }
      location = /flush { ${unknown} body_filter_by_lua_block {
          if ngx.arg[1] == "" then ngx.sleep(0.001) ngx.arg[2] = true end }
        content_by_lua_block { ngx.say("said") ngx.flush(true) ngx.log(ngx.WARN, "flushed") } }`,
  });
  t.is((await s.get("/wait")).body, text.toUpperCase());
  t.is((await s.get("/end")).body, "1 2 3 ");
  const refused = await s.get("/refuse");
  t.is(refused.status, 403);
  t.regex(refused.body, /403 Forbidden/);
  const failed = await exchange(t, s.port, head("/fail"));
  t.true(failed.body.length <= 65536, `${failed.body.length} bytes`);
  t.true(text.startsWith(failed.body));
  t.is(s.log().match(/the third part/g).length, 1);
  t.is((await s.get("/flush")).body, "said\n");
  await waitFor(() => s.log().includes("flushed"), "the end of the handler");
});

test("a file that is no gzip is not shown where gunzip failed", async (t) => {
  const packed = gzipSync(Buffer.from(Array.from({ length: 200_000 }, (_, i) => `${i * 7919} `).join("")), {
    level: 1,
  });
  const broken = Buffer.from(packed);
  broken.fill(0xff, packed.length >> 1, (packed.length >> 1) + 64);
  const s = await startMoonwire(t, {
    files: { "html/broken": broken },
    server: `location = /broken { alias html/broken; gunzip on;
      header_filter_by_lua_block { ngx.header.content_encoding = "gzip" ngx.header.content_length = nil } }`,
  });
  const { got, body } = await exchange(t, s.port, head("/broken"));
  if (got !== "") t.notRegex(unchunked(body), /[^0-9 ]/);
  t.regex(s.log(), /inflate\(\) failed/);
});

test("the body of a GET for a filtered file is thrown away while the file goes out, and the connection stays", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/f": text.repeat(8) },
    server: `location = /f { alias html/f; sub_filter needle thread; sub_filter_types *; client_max_body_size 10m; }`,
  });
  const size = 6_000_000;
  for (const answers of [2, 1]) {
    const socket = connect(s.port, "127.0.0.1");
    t.teardown(() => socket.destroy());
    let got = 0;
    let tail = "";
    await new Promise((resolve) => {
      const close = answers === 1 ? "Connection: close\r\n" : "";
      socket.write(`GET /f HTTP/1.1\r\nHost: x\r\n${close}Content-Length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size), resolve); // nothing is read before all is written
    });
    if (answers === 2) socket.write(head("/f"));
    socket.on("data", (part) => {
      got += part.length;
      tail = (tail + part.toString("latin1")).slice(-20);
    });
    await new Promise((resolve) => socket.on("close", resolve));
    t.true(got > answers * 8 * text.length, `${got} bytes of ${answers} answers`);
    t.regex(tail, /cdef\r\n0\r\n\r\n$/);
  }
});

test("a request body that comes late ends no response whose filter still waits", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/f": text.slice(0, 1000) },
    server: `location = /f { alias html/f; body_filter_by_lua_block { ngx.sleep(0.1) } }
      location = /lua { body_filter_by_lua_block { ngx.sleep(0.1) } content_by_lua_block { ngx.print(("x"):rep(1000)) } }`,
  });
  for (const path of ["/f", "/lua"]) {
    const socket = connect(s.port, "127.0.0.1");
    t.teardown(() => socket.destroy());
    let got = "";
    socket.on("data", (part) => (got += part.toString("latin1")));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n`);
    for (const byte of "body") {
      await new Promise((next) => setTimeout(next, 20));
      socket.write(byte);
    }
    socket.write(head(path));
    await new Promise((resolve) => socket.on("close", resolve));
    t.is(got.split("HTTP/1.1 200 OK").length, 3, path);
    t.true(got.length > 2000, path);
    t.is(got.match(path === "/f" ? /0123456789abcdef/g : /x{16}/g).length, 2 * Math.floor(1000 / 16), path);
  }
});

test("a client that half-closes gets all of a filtered file, from the disk and from the cache", async (t) => {
  const s = await startMoonwire(t, {
    http: "proxy_cache_path cache keys_zone=one:1m;",
    files: { "html/f": text.repeat(8) },
    server: `sub_filter needle thread; sub_filter_types *;
      location = /f { alias html/f; }
      location = /origin { alias html/f; }
      location = /cached { proxy_cache one; proxy_cache_valid 1h; add_header X-Cache $upstream_cache_status;
        proxy_pass http://127.0.0.1:$server_port/origin; }`,
  });
  await s.get("/cached");
  for (const path of ["/f", "/cached"]) {
    const { got, body } = await exchange(t, s.port, head(path), { isHalf: true });
    if (path === "/cached") t.regex(got.slice(0, 500), /X-Cache: HIT/);
    t.is(unchunked(body), text.repeat(8), path);
  }
});

test("clients that go while a filter waits cost nothing but their requests", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/f": text.repeat(8) },
    server: `location = /f { alias html/f; body_filter_by_lua_block { ngx.sleep(0.002) ngx.arg[1] = ngx.arg[1] } }
      location = /proxy { body_filter_by_lua_block { ngx.sleep(0.002) ngx.arg[1] = ngx.arg[1] }
        proxy_pass http://127.0.0.1:$server_port/plain; }
      location = /plain { alias html/f; } location = /ok { echo ok; }`,
  });
  await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const socket = connect(s.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(head(i % 2 ? "/f" : "/proxy"));
      await new Promise((resolve) => socket.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, i % 7));
      socket.resetAndDestroy();
    }),
  );
  t.is((await s.get("/ok")).body, "ok\n");
});

test("what a failed filter did not see is not shown by a subrequest that is written behind it", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/f": text },
    server: `location = /sub { echo sub; echo_flush; echo_sleep 0.01; echo end; }
      location = /main { echo secret; echo_location /sub; echo end; body_filter_by_lua_block { error("no") } }`,
  });
  const { got } = await exchange(t, s.port, head("/main"));
  t.notRegex(got, /secret|end/);
});
