// SPDX-License-Identifier: MIT
// Output filters of modules: gzip, charset, expires; and the handlers without settings.
import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import test from "ava";
import { startMoonwire, splitResponse, waitFor } from "../helpers/index.js";
import { httpServer } from "../helpers/upstream.js";

test("gzip", async (t) => {
  const s = await startMoonwire(t, {
    http: "default_type text/plain; gzip on; gzip_types text/plain; gzip_vary on; gzip_min_length 100;",
    files: { "html/f.html": "file ".repeat(5000), "html/small.html": "small" },
    server: `location = /lua { content_by_lua_block { for i = 1, 2000 do ngx.say("line ", i) if i == 500 then ngx.flush(true) end end } }
      location = /type { default_type image/png; content_by_lua_block { ngx.say(("x"):rep(1000)) } }
      location = /filter { body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() } echo_duplicate 100 abc; }`,
  });
  const fetched = async (path, encoding = "gzip") => {
    const field = encoding ? `Accept-Encoding: ${encoding}\r\n` : "";
    const bytes = await s.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${field}\r\n`);
    const cut = bytes.indexOf("\r\n\r\n");
    const head = bytes.subarray(0, cut).toString().toLowerCase();
    let body = bytes.subarray(cut + 4);
    if (head.includes("transfer-encoding: chunked")) {
      const parts = [];
      for (let n; (n = parseInt(body.toString("latin1", 0, 16), 16)) > 0;) {
        const at = body.indexOf("\r\n") + 2;
        parts.push(body.subarray(at, at + n));
        body = body.subarray(at + n + 2);
      }
      body = Buffer.concat(parts);
    }
    const isZipped = head.includes("content-encoding: gzip");
    return { head, isZipped, text: (isZipped ? gunzipSync(body) : body).toString() };
  };
  const lua = await fetched("/lua");
  t.true(lua.isZipped);
  t.true(lua.head.includes("vary: accept-encoding"));
  t.is(lua.text, Array.from({ length: 2000 }, (_, i) => `line ${i + 1}\n`).join(""));
  const file = await fetched("/f.html");
  t.is(file.text, "file ".repeat(5000));
  t.regex(file.head, /etag: w\/"/);
  t.is((await fetched("/filter")).text, "ABC".repeat(100));
  for (const [path, encoding] of [
    ["/lua", ""],
    ["/lua", "gzip;q=0"],
    ["/type", "gzip"],
    ["/small.html", "gzip"],
  ])
    t.false((await fetched(path, encoding)).isZipped, path + encoding);
});

test("charset, expires, empty_gif, stub_status", async (t) => {
  const s = await startMoonwire(t, {
    server: `location = /charset { charset utf-8; default_type text/plain; echo hi; }
      location = /own { charset utf-8; default_type "text/plain; charset=koi8-r"; echo hi; }
      location = /png { charset utf-8; default_type image/png; echo hi; }
      location = /hour { expires 1h; echo hi; } location = /past { expires -1; echo hi; }
      location = /epoch { expires epoch; echo hi; } location = /max { expires max; echo hi; }
      location = /bad { expires 1h; return 404; }
      location = /gif { empty_gif; } location = /status { stub_status; }`,
  });
  const headers = async (path) => (await s.get(path)).headers;
  t.is((await headers("/charset"))["content-type"], "text/plain; charset=utf-8");
  t.is((await headers("/own"))["content-type"], "text/plain; charset=koi8-r");
  t.is((await headers("/png"))["content-type"], "image/png");
  t.is((await headers("/hour"))["cache-control"], "max-age=3600");
  t.is((await headers("/past"))["cache-control"], "no-cache");
  t.is((await headers("/epoch")).expires, "Thu, 01 Jan 1970 00:00:01 GMT");
  t.is((await headers("/max")).expires, "Thu, 31 Dec 2037 23:55:55 GMT");
  t.is((await headers("/bad")).expires, undefined);
  const gif = await s.get("/gif");
  t.is(gif.headers["content-length"], "43");
  t.is(gif.headers["last-modified"], "Mon, 28 Sep 1970 06:00:00 GMT");
  t.regex((await s.get("/status")).body, /^Active connections: \d+ \nserver accepts handled requests\n \d+ \d+ \d+ \n/);
});

test("sub_filter: many matches of one text, and another that is not there", async (t) => {
  const s = await startMoonwire(t, {
    server: `location / { sub_filter_once off; sub_filter a bb; sub_filter never x; default_type text/html;
      content_by_lua_block { ngx.print(("a"):rep(3000000)) } }`,
  });
  t.is(
    (await s.get("/")).body.length,
    6_000_000,
    "in less than the minutes that looking for both anew each time takes",
  );
});

test("expires, then add_header: both have their say of Cache-Control", async (t) => {
  const s = await startMoonwire(t, {
    server: `location = /t { expires max; add_header Cache-Control public; add_header Cache-Control immutable; return 200 x; }
      location = /lua { expires 1h; add_header Cache-Control no-transform; content_by_lua_block {
        ngx.header["Cache-Control"] = "private" ngx.say("x") } }`,
  });
  const control = (text) => [...text.matchAll(/^Cache-Control: (.*)\r$/gm)].map((m) => m[1]);
  const get = async (path) => String(await s.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  t.deepEqual(control(await get("/t")), ["max-age=315360000", "public", "immutable"]);
  t.deepEqual(control(await get("/lua")), ["max-age=3600", "no-transform"]);
});

test("what has no body has no body filter", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/file": "a file" },
    server: `header_filter_by_lua_block { ngx.header.content_length = nil }
      body_filter_by_lua_block {
        local whole = (ngx.ctx.whole or "") .. ngx.arg[1]
        ngx.ctx.whole = whole
        ngx.arg[1] = ngx.arg[2] and require("cjson").encode(require("cjson").decode(whole)) or nil }
      location = /204 { return 204; }
      location = /said { content_by_lua_block { ngx.say("[1]") } }
      location = /proxy { proxy_pass http://127.0.0.1:$server_port/said; }
      location = /file { alias html/file; }
      location = /status { content_by_lua_block { ngx.status = 204 ngx.exit(204) } }`,
  });
  const raw = async (method, path) =>
    String(await s.raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  t.regex(await raw("GET", "/204"), /^HTTP\/1\.1 204 /);
  t.regex(await raw("GET", "/status"), /^HTTP\/1\.1 204 /);
  for (const path of ["/said", "/proxy", "/file"]) {
    const head = await raw("HEAD", path);
    t.regex(head, /^HTTP\/1\.1 200 [^]*\r\n\r\n$/, path);
    t.notRegex(head, /Content-Length|Transfer-Encoding/, path);
  }
  t.is((await s.get("/said")).body, "[1]");
  t.notRegex(s.log(), /failed to run/);
});

/** An upstream whose reply inflates a thousandfold: a location without and one with a cache. */
async function inflating(t, body, more = "") {
  const zipped = gzipSync(body);
  const port = await httpServer(t, (req, res) => res.setHeader("Content-Encoding", "gzip").end(zipped));
  return startMoonwire(t, {
    http: "proxy_cache_path cache keys_zone=one:1m;",
    server: `gunzip on; proxy_http_version 1.1; ${more} location / { proxy_pass http://127.0.0.1:${port}; }
      location /kept { proxy_cache one; proxy_cache_valid 1h; proxy_pass http://127.0.0.1:${port}; }`,
  });
}

test.serial("gunzip inflates no more than the client takes", async (t) => {
  const s = await inflating(t, Buffer.alloc(100e6));
  t.is((await s.get("/kept")).body.length, 100e6);
  const sockets = [];
  t.teardown(() => sockets.forEach((socket) => socket.destroy()));
  for (let i = 0; i < 10; ++i) {
    const socket = connect(s.port, "127.0.0.1").pause();
    sockets.push(socket);
    socket.write(`GET /${i % 2 ? "kept" : ""} HTTP/1.1\r\nHost: h\r\n\r\n`);
  }
  const before = process.memoryUsage().rss;
  await sleep(1500);
  const grown = process.memoryUsage().rss - before;
  t.true(grown < 50e6, `${grown} bytes`);
});

test("gunzip: all of a long body, whatever follows it", async (t) => {
  const body = Buffer.from(Array.from({ length: 3e6 }, (_, i) => (i >> 12) % 251));
  const s = await inflating(t, body, "location /next { return 200 next; }");
  for (const path of ["/", "/kept", "/kept"]) {
    const ask = (p, more = "") => `GET ${p} HTTP/1.1\r\nHost: h\r\n${more}\r\n`;
    const text = await s.raw(ask(path) + ask("/next", "Connection: close\r\n"));
    const { status, body: chunked } = splitResponse(text);
    t.is(status, 200);
    t.regex(String(chunked).slice(-4), /next/);
    t.is((await s.get(path)).body, body.toString());
  }
});

test("what a captured subrequest has filtered does not meet the filters again", async (t) => {
  const random = randomBytes(30_000);
  const zipped = gzipSync(random);
  const port = await httpServer(t, async (req, res) => {
    const parts =
      req.url === "/zipped" ? [zipped.subarray(0, 12_000), zipped.subarray(12_000)] : Array(6).fill("x".repeat(10_000));
    if (req.url === "/zipped") res.setHeader("Content-Encoding", "gzip");
    for (const part of parts) {
      res.write(part);
      await sleep(30);
    }
    res.end();
  });
  const s = await startMoonwire(t, {
    server: `proxy_http_version 1.1;
      location /zipped { gunzip on; proxy_pass http://127.0.0.1:${port}; }
      location /sub { sub_filter x xy; sub_filter_once off; sub_filter_types *; proxy_pass http://127.0.0.1:${port}; }
      location /captured { content_by_lua_block { local res = ngx.location.capture(ngx.var.arg_of) ngx.print(res.status, " ", ngx.md5(res.body)) } }`,
  });
  const md5 = (data) => createHash("md5").update(data).digest("hex");
  t.is((await s.get("/captured?of=/sub")).body, `200 ${md5("xy".repeat(60_000))}`);
  t.is((await s.get("/captured?of=/zipped")).body, `200 ${md5(random)}`);
});

test("ngx.flush(true) waits for what gunzip holds, and learns that the client has gone", async (t) => {
  const zipped = gzipSync(Buffer.alloc(60e6));
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 100k;",
    files: { "zeros.gz": zipped },
    server: `gunzip on; send_timeout 60s;
      location = /zeros { content_by_lua_block {
        local f = assert(io.open(ngx.config.prefix() .. "zeros.gz", "rb"))
        ngx.header.content_encoding = "gzip"
        ngx.print(f:read("*a")) f:close()
        local ok, err = ngx.flush(true)
        ngx.shared.d:set(ngx.var.arg_key, tostring(ok) .. " " .. tostring(err)) } }
      location = /told { content_by_lua_block { ngx.print(ngx.shared.d:get(ngx.var.arg_key)) } }`,
  });
  const told = async (key) => (await s.get(`/told?key=${key}`)).body;
  const ask = (key) => {
    const socket = connect(s.port, "127.0.0.1").pause();
    t.teardown(() => socket.destroy());
    socket.write(`GET /zeros?key=${key} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
    return socket;
  };
  const reads = ask("reads"),
    goes = ask("goes");
  await sleep(500);
  t.is(await told("reads"), "nil");
  t.is(await told("goes"), "nil");
  reads.resume();
  goes.destroy();
  await waitFor(async () => (await told("reads")) !== "nil" && (await told("goes")) !== "nil", "both flushes");
  t.is(await told("reads"), "1 nil");
  t.regex(await told("goes"), /^nil /);
});

test("expires with a variable", async (t) => {
  const s = await startMoonwire(t, {
    files: { "html/f": "file" },
    server: `location / { expires $arg_e; } location = /m { alias __PREFIX__/html/f; expires modified $arg_e; }`,
  });
  const ask = async (path) => {
    const { headers } = await s.get(path);
    return `${headers["cache-control"]} ${headers.expires === undefined ? "no" : "an"} Expires`;
  };
  const all = {};
  for (const e of ["epoch", "max", "off", "2048", "%2B10s", "-1", "1h%2030m", "@1s", "", "bad", "1s1h", "1ms", "99y"])
    all[e] = await ask(`/f?e=${e}`);
  t.regex(all["@1s"], /^max-age=\d+ an Expires$/);
  delete all["@1s"];
  // The variable holds what the client wrote: escapes are not undone.
  t.deepEqual(all, {
    epoch: "no-cache an Expires",
    max: "max-age=315360000 an Expires",
    off: "undefined no Expires",
    2048: "max-age=2048 an Expires",
    "%2B10s": "undefined no Expires",
    "-1": "no-cache an Expires",
    "1h%2030m": "undefined no Expires",
    "": "undefined no Expires",
    bad: "undefined no Expires",
    "1s1h": "undefined no Expires",
    "1ms": "undefined no Expires",
    "99y": "undefined no Expires",
  });
  t.regex(await ask("/m?e=100"), /^max-age=\d+ an Expires$/);
  t.is(await ask("/m?e=epoch"), "undefined no Expires");
});
