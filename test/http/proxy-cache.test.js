// SPDX-License-Identifier: MIT
// proxy_cache: what is kept, for how long, and what stands in for what, before an origin that counts what reaches it.
import test from "ava";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "moonwire";
import { get, makePrefix, removePrefix, startMoonwire, waitFor } from "../helpers/index.js";
import { answering, httpServer, rawServer } from "../helpers/upstream.js";

/**
 * An origin and a server with a cache before it. `reply(req, res, n)` answers the n-th request; without it the body is
 * "N URL". `seen`: the requests that came.
 */
async function cached(t, { reply, path = "", server = "", location = "", http = "" } = {}) {
  const seen = [];
  const port = await httpServer(t, (req, res) => {
    seen.push(req);
    if (reply) reply(req, res, seen.length);
    else res.end(`${seen.length} ${req.url}`);
  });
  const s = await startMoonwire(t, {
    http: `proxy_cache_path cache levels=1:2 keys_zone=one:1m ${path}; ${http}`,
    server: `proxy_cache one; proxy_cache_valid 200 1h; add_header X-Cache $upstream_cache_status always;
      location / { ${location} proxy_pass http://127.0.0.1:${port}; } ${server.replaceAll("PORT", port)}`,
  });
  const ask = async (path, options) => {
    const res = await s.get(path, options);
    return `${res.headers["x-cache"] ?? "-"} ${res.status} ${res.body}`;
  };
  return { s, seen, ask, port };
}

/** Files below the cache, without folders. */
const files = (s) =>
  readdirSync(join(s.prefix, "cache"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

test("a reply is fetched once, by its key, for as long as it is valid", async (t) => {
  const { s, seen, ask } = await cached(t, {
    server: `location /short { proxy_cache_valid 200 1s; proxy_pass http://127.0.0.1:PORT; }
      location /any { proxy_cache_key same; proxy_pass http://127.0.0.1:PORT; }`,
  });
  t.is(await ask("/a"), "MISS 200 1 /a");
  t.is(await ask("/a"), "HIT 200 1 /a");
  t.is(await ask("/a?x"), "MISS 200 2 /a?x");
  t.is(await ask("/a", { method: "POST", body: "b" }), "- 200 3 /a");
  t.is(await ask("/any/1"), "MISS 200 4 /any/1");
  t.is(await ask("/any/2"), "HIT 200 4 /any/1");
  t.is(await ask("/short"), "MISS 200 5 /short");
  await sleep(2100);
  t.is(await ask("/short"), "EXPIRED 200 6 /short");
  t.is(seen.length, 6);
  t.is(files(s).length, 4);
  for (const file of files(s)) t.regex(file, /\/cache\/([0-9a-f])\/([0-9a-f]{2})\/[0-9a-f]{29}\2\1$/);
});

test("headers of the reply say whether and how long it is good", async (t) => {
  const date = (seconds) => new Date(Date.now() + seconds * 1000).toUTCString();
  const replies = {
    "/no-store": { "Cache-Control": "no-store" },
    "/private": { "Cache-Control": "max-age=60, private" },
    "/zero": { "Cache-Control": "max-age=0" },
    "/shared": { "Cache-Control": "s-maxage=60, max-age=0" },
    "/past": { Expires: date(-5) },
    "/future": { Expires: date(60) },
    "/bad-date": { Expires: "0" },
    "/control-first": { "Cache-Control": "max-age=60", Expires: date(-5) },
    "/accel-first": { Expires: date(-5), "Cache-Control": "no-cache", "X-Accel-Expires": "60" },
    "/accel-off": { "Cache-Control": "max-age=60", "X-Accel-Expires": "0" },
    "/accel-at": { "X-Accel-Expires": `@${Math.floor(Date.now() / 1000) + 60}` },
    "/cookie": { "Set-Cookie": "a=b" },
    "/star": { Vary: "*" },
    "/plain": {},
  };
  const reply = (req, res) => {
    for (const [name, value] of Object.entries(replies[req.url.replace("/ignore", "")])) res.setHeader(name, value);
    res.end("x");
  };
  const { ask } = await cached(t, {
    reply,
    location: "proxy_cache_valid any 0;",
    server: `location /ignore/ { proxy_ignore_headers Set-Cookie Cache-Control Expires X-Accel-Expires Vary;
      proxy_pass http://127.0.0.1:PORT; }`,
  });
  const kept = async (path) => {
    await ask(path);
    return (await ask(path)).startsWith("HIT");
  };
  const found = [];
  for (const path of Object.keys(replies)) if (await kept(path)) found.push(path);
  t.deepEqual(found, ["/shared", "/future", "/control-first", "/accel-first", "/accel-at"]);
  t.true(await kept("/ignore/cookie"));
  t.true(await kept("/ignore/no-store"));
  t.true(await kept("/ignore/star"));
});

test("statuses, methods, bypass, no_cache, min_uses", async (t) => {
  const reply = (req, res, n) => {
    res.statusCode = /(\d{3})$/.exec(req.url)?.[1] ?? 200;
    res.end(String(n));
  };
  const { ask, seen } = await cached(t, {
    reply,
    location: `proxy_cache_valid 404 1h; proxy_cache_bypass $arg_b; proxy_no_cache $http_x_no;`,
    server: `location /post { proxy_cache_methods POST; proxy_cache_key $uri; proxy_pass http://127.0.0.1:PORT; }
      location /twice { proxy_cache_min_uses 2; proxy_pass http://127.0.0.1:PORT; }
      location /off { proxy_cache off; proxy_pass http://127.0.0.1:PORT; }`,
  });
  t.is(await ask("/404"), "MISS 404 1");
  t.is(await ask("/404"), "HIT 404 1");
  t.is(await ask("/500"), "MISS 500 2");
  t.is(await ask("/500"), "MISS 500 3");
  t.is(await ask("/n", { headers: { "X-No": "1" } }), "MISS 200 4");
  t.is(await ask("/n"), "MISS 200 5");
  t.is(await ask("/n?b=0"), "MISS 200 6");
  t.is(await ask("/n?b=1"), "BYPASS 200 7");
  t.is(await ask("/n?b=1", { headers: { "X-No": "1" } }), "BYPASS 200 8");
  t.is(await ask("/post", { method: "POST", body: "x" }), "MISS 200 9");
  t.is(await ask("/post", { method: "POST", body: "y" }), "HIT 200 9");
  t.is(await ask("/twice"), "MISS 200 10");
  t.is(await ask("/twice"), "MISS 200 11");
  t.is(await ask("/twice"), "HIT 200 11");
  t.is(await ask("/off"), "- 200 12");
  t.is(seen.length, 12);
});

test("the client gets whole replies, heads, ranges and 304 from what is kept; the server is asked for all", async (t) => {
  const body = "0123456789".repeat(10_000);
  const reply = (req, res) => {
    res.setHeader("ETag", '"tag"');
    res.setHeader("Last-Modified", "Thu, 18 Nov 2010 11:27:35 GMT");
    res.setHeader("Accept-Ranges", "bytes");
    res.setHeader("Content-Length", body.length);
    res.end(body);
  };
  const { s, seen, ask } = await cached(t, { reply });
  const ranged = await s.get("/a", { headers: { Range: "bytes=5-9", "If-None-Match": '"other"' } });
  t.like(ranged, { status: 206, body: "56789" });
  t.is(ranged.headers["content-range"], "bytes 5-9/100000");
  t.like(seen[0].headers, { range: undefined, "if-none-match": undefined });
  const whole = await s.get("/a");
  t.like(whole, { status: 200, body });
  t.is(whole.headers["x-cache"], "HIT");
  t.like(whole.headers, {
    etag: '"tag"',
    "last-modified": "Thu, 18 Nov 2010 11:27:35 GMT",
    "content-length": "100000",
  });
  t.is((await s.get("/a", { headers: { Range: "bytes=99995-" } })).body, "56789");
  const parts = await s.get("/a", { headers: { Range: "bytes=0-1,3-4" } });
  t.is(parts.status, 206);
  t.regex(parts.body, /\r\n\r\n01\r\n.*\r\n\r\n34\r\n/s);
  t.is((await s.get("/a", { headers: { "If-None-Match": '"tag"' } })).status, 304);
  t.is((await s.get("/a", { headers: { "If-Modified-Since": "Thu, 18 Nov 2010 11:27:35 GMT" } })).status, 304);
  t.is(await ask("/a", { method: "HEAD" }), "HIT 200 ");
  t.is(seen.length, 1);
  t.is(await ask("/h", { method: "HEAD" }), "MISS 200 ");
  t.is(seen[1].method, "GET");
  t.is(await ask("/h"), `HIT 200 ${body}`);
});

test("a kept reply goes through the filters: sub_filter, gzip, Lua; captures have it whole", async (t) => {
  const { ask, s } = await cached(t, {
    reply: (req, res, n) => {
      res.setHeader("Content-Type", "text/html");
      res.end(`origin ${n} `.repeat(20));
    },
    server: `location /sub { sub_filter origin cached; sub_filter_once off; proxy_pass http://127.0.0.1:PORT; }
      location /lua { header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() } proxy_pass http://127.0.0.1:PORT; }
      location /capture { content_by_lua_block { ngx.print(ngx.location.capture("/plain").body) } }`,
  });
  for (const status of ["MISS", "HIT"]) {
    t.is(await ask("/sub"), `${status} 200 ${"cached 1 ".repeat(20)}`);
    t.is(await ask("/lua"), `${status} 200 ${"ORIGIN 2 ".repeat(20)}`);
  }
  for (let i = 0; i < 2; i++) t.is((await s.get("/capture")).body, "origin 3 ".repeat(20));
});

test("Vary: a reply for each value of the headers it names", async (t) => {
  const { ask, seen } = await cached(t, {
    reply: (req, res) => {
      res.setHeader("Vary", "X-Lang");
      res.end(req.headers["x-lang"] ?? "none");
    },
  });
  const lang = (value) => ask("/v", { headers: value ? { "X-Lang": value } : {} });
  t.is(await lang("en"), "MISS 200 en");
  t.is(await lang("de"), "MISS 200 de");
  t.is(await lang(), "MISS 200 none");
  for (let i = 0; i < 2; i++) {
    t.is(await lang("en"), "HIT 200 en");
    t.is(await lang("de"), "HIT 200 de");
    t.is(await lang(), "HIT 200 none");
  }
  t.is(seen.length, 3);
});

test("stale replies stand in for failures, and for what the reply itself allows", async (t) => {
  let status = 200;
  const { ask } = await cached(t, {
    reply: (req, res, n) => {
      if (status === 0) return void req.socket.destroy();
      res.statusCode = status;
      if (req.url === "/allowed") res.setHeader("Cache-Control", "max-age=1, stale-if-error=60");
      res.end(String(n));
    },
    location: "proxy_cache_valid 200 1s; proxy_cache_use_stale error http_500;",
    server: `location /allowed { proxy_pass http://127.0.0.1:PORT; }
      location /strict { proxy_cache_valid 200 1s; proxy_pass http://127.0.0.1:PORT; }`,
  });
  t.is(await ask("/a"), "MISS 200 1");
  t.is(await ask("/allowed"), "MISS 200 2");
  t.is(await ask("/strict"), "MISS 200 3");
  await sleep(2100);
  status = 500;
  t.is(await ask("/a"), "STALE 200 1");
  t.is(await ask("/strict"), "EXPIRED 500 5");
  status = 0;
  t.is(await ask("/a"), "STALE 200 1");
  t.is(await ask("/allowed"), "STALE 200 2");
  t.regex(await ask("/strict"), /^EXPIRED 502/);
  status = 503;
  t.is(await ask("/a"), "EXPIRED 503 9");
  status = 200;
  t.is(await ask("/a"), "EXPIRED 200 10");
  t.is(await ask("/a"), "HIT 200 10");
});

test("revalidation: a 304 keeps the file for longer", async (t) => {
  let tag = '"1"';
  const { ask, seen } = await cached(t, {
    reply: (req, res, n) => {
      res.setHeader("ETag", tag);
      res.setHeader("Last-Modified", "Thu, 18 Nov 2010 11:27:35 GMT");
      if (req.headers["if-none-match"] === tag) res.statusCode = 304;
      res.end(res.statusCode === 304 ? undefined : String(n));
    },
    location: "proxy_cache_valid 200 1s; proxy_cache_revalidate on;",
  });
  t.is(await ask("/r"), "MISS 200 1");
  await sleep(2100);
  t.is(await ask("/r"), "REVALIDATED 200 1");
  t.like(seen[1].headers, { "if-none-match": '"1"', "if-modified-since": "Thu, 18 Nov 2010 11:27:35 GMT" });
  t.is(await ask("/r"), "HIT 200 1");
  await sleep(2100);
  tag = '"2"';
  t.is(await ask("/r"), "EXPIRED 200 3");
  t.is(await ask("/r"), "HIT 200 3");
});

test("the lock: one request fetches, the others wait, or go on their own after a while", async (t) => {
  const held = [];
  const { s, ask, seen } = await cached(t, {
    reply: (req, res, n) => held.push(() => res.end(String(n))),
    location: "proxy_cache_lock on;",
    server: `location /hasty { proxy_cache_lock on; proxy_cache_lock_timeout 200ms; proxy_pass http://127.0.0.1:PORT; }`,
  });
  const answers = Promise.all([1, 2, 3, 4].map(() => ask("/l")));
  await waitFor(() => held.length === 1);
  await sleep(300);
  t.is(seen.length, 1);
  held[0]();
  t.deepEqual((await answers).sort(), ["HIT 200 1", "HIT 200 1", "HIT 200 1", "MISS 200 1"]);
  const first = ask("/hasty");
  await waitFor(() => held.length === 2);
  const second = ask("/hasty");
  await waitFor(() => held.length === 3);
  held[2]();
  t.is(await second, "MISS 200 3");
  held[1]();
  t.is(await first, "MISS 200 2");
  t.is(await ask("/hasty"), "HIT 200 2");
  t.regex(s.log(), /cache lock timeout|^$/);
});

test("updating, and in the background", async (t) => {
  const held = [];
  let isHeld = false;
  const { ask, seen } = await cached(t, {
    reply: (req, res, n) => (isHeld ? held.push(() => res.end(String(n))) : res.end(String(n))),
    location: "proxy_cache_valid 200 1s; proxy_cache_use_stale updating;",
    server: `location /back { proxy_cache_valid 200 1s; proxy_cache_use_stale updating;
      proxy_cache_background_update on; proxy_pass http://127.0.0.1:PORT; }`,
  });
  t.is(await ask("/u"), "MISS 200 1");
  t.is(await ask("/back"), "MISS 200 2");
  await sleep(2100);
  isHeld = true;
  const updating = ask("/u");
  await waitFor(() => held.length === 1);
  t.is(await ask("/u"), "UPDATING 200 1");
  held[0]();
  t.is(await updating, "EXPIRED 200 3");
  t.is(await ask("/u"), "HIT 200 3");
  t.is(await ask("/back"), "STALE 200 2");
  t.is(await ask("/back"), "UPDATING 200 2");
  await waitFor(() => held.length === 2);
  t.is(seen.length, 4);
  held[1]();
  await waitFor(async () => (await ask("/back")) === "HIT 200 4");
});

test("a client that goes does not take the fetch along", async (t) => {
  const held = [];
  const { ask, s, seen } = await cached(t, { reply: (req, res) => held.push(() => res.end("x".repeat(50_000))) });
  const gone = s.raw("GET /g HTTP/1.1\r\nHost: h\r\n\r\n", { timeout: 300 }).catch(() => {});
  await waitFor(() => held.length === 1);
  await gone;
  held[0]();
  await waitFor(async () => files(s).length === 1);
  t.is(await ask("/g"), `HIT 200 ${"x".repeat(50_000)}`);
  t.is(seen.length, 1);
});

test("files: one that is damaged is fetched anew; a reload and a new start keep them; nothing else is left", async (t) => {
  const { s, ask } = await cached(t, {});
  t.is(await ask("/f"), "MISS 200 1 /f");
  const [file] = files(s);
  t.true(readFileSync(file, "latin1").includes("\nKEY: http://127.0.0.1:"));
  const damage = async (change, n) => {
    writeFileSync(file, change(readFileSync(file)));
    t.is(await ask("/f"), `MISS 200 ${n} /f`);
    t.is(await ask("/f"), `HIT 200 ${n} /f`);
  };
  await damage((bytes) => bytes.subarray(0, 100), 2);
  await damage((bytes) => bytes.subarray(0, bytes.length - 1), 3);
  await damage((bytes) => Buffer.alloc(bytes.length, 0xff), 4);
  await damage((bytes) => Buffer.from(bytes.toString("latin1").replace("200 OK", "900 OK"), "latin1"), 5);
  await damage(() => Buffer.alloc(0), 6);
  t.regex(s.log(), /cache file "[^"]+" is too small/);
  t.regex(s.log(), /cache file "[^"]+" is damaged/);
  await s.server.reload();
  t.is(await ask("/f"), "HIT 200 6 /f");
  t.is(files(s).length, 1);
});

test("a new start finds the files; the manager removes what is unused, and what is too much", async (t) => {
  const port = await httpServer(t, (req, res) => res.end("x".repeat(9000)));
  const prefix = makePrefix();
  t.teardown(() => removePrefix(prefix));
  const start = async (parameters) => {
    const path = join(prefix, "nginx.conf");
    writeFileSync(
      path,
      `events { } http { proxy_cache_path cache keys_zone=one:1m ${parameters}; server { listen 127.0.0.1:0;
        proxy_cache one; proxy_cache_valid 1h; add_header X-Cache $upstream_cache_status;
        location / { proxy_pass http://127.0.0.1:${port}; } } }`,
    );
    const server = await serve(path, { prefix });
    return { server, status: async (path) => (await get(`http://${server.addresses[0]}${path}`)).headers["x-cache"] };
  };
  const first = await start("");
  for (let i = 0; i < 6; i++) t.is(await first.status(`/${i}`), "MISS");
  await first.server.close();
  t.is(files({ prefix }).length, 6);
  const second = await start("max_size=20k");
  for (let i = 0; i < 6; i++) t.is(await second.status(`/${i}`), "HIT");
  await waitFor(() => files({ prefix }).length <= 2, "max_size");
  t.is(await second.status("/5"), "HIT");
  const [kept] = files({ prefix });
  await second.server.close();
  const third = await start("inactive=1s");
  t.is(await third.status("/5"), "HIT");
  await waitFor(() => !existsSync(kept) || sleep(100), "inactive");
  await third.server.close();
});

test("X-Accel headers of a reply", async (t) => {
  const { s } = await cached(t, {
    reply: (req, res) => {
      res.setHeader("Content-Type", "text/html");
      if (req.url === "/to") res.setHeader("X-Accel-Redirect", "/inside?a=b");
      if (req.url === "/named") res.setHeader("X-Accel-Redirect", "@named");
      if (req.url === "/charset") res.setHeader("X-Accel-Charset", "koi8-r");
      if (req.url === "/rate") res.setHeader("X-Accel-Limit-Rate", "20000");
      if (req.url === "/unbuffered") res.setHeader("X-Accel-Buffering", "no");
      res.end("x".repeat(req.url === "/rate" ? 40_000 : 1));
    },
    server: `location = /inside { internal; return 200 "inside $args"; } location @named { return 200 named; }
      location /charset { source_charset koi8-r; proxy_pass http://127.0.0.1:PORT; }`,
  });
  for (let i = 0; i < 2; i++) {
    t.is((await s.get("/to")).body, "inside a=b");
    t.is((await s.get("/named")).body, "named");
    t.is((await s.get("/charset")).headers["content-type"], "text/html; charset=koi8-r");
    t.is((await s.get("/unbuffered")).headers["x-cache"], "MISS");
  }
  const start = Date.now();
  await s.get("/rate");
  t.true(Date.now() - start > 800);
});

test("what a configuration must say", async (t) => {
  const refused = async (http, message, server = "") =>
    t.regex((await t.throwsAsync(startMoonwire(t, { http, server }))).message, message);
  await refused("proxy_cache_path c levels=1;", /"proxy_cache_path" must have "keys_zone" parameter/);
  await refused("proxy_cache_path c keys_zone=a:1m levels=3;", /invalid "levels" "levels=3"/);
  await refused("proxy_cache_path c keys_zone=a;", /invalid keys zone size "a"/);
  await refused("proxy_cache_path c keys_zone=a:1k;", /keys zone "a:1k" is too small/);
  await refused("proxy_cache_path c keys_zone=a:1m foo=1;", /invalid parameter "foo=1"/);
  await refused("", /"proxy_cache" zone "x" is unknown/, "location / { proxy_cache x; proxy_pass http://127.0.0.1; }");
  await refused("proxy_cache_valid 99 1m;", /invalid status "99"/);
  await refused("proxy_cache_valid 200 x;", /invalid time value "x"/);
});

test.serial("small chunks are collected before they are written to the cache's file", async (t) => {
  const big = "b".repeat(50_000);
  const chunks = `${"1\r\nx\r\n".repeat(20_000)}c350\r\n${big}\r\n${"1\r\ny\r\n".repeat(20_000)}0\r\n\r\n`;
  const port = await rawServer(t, answering(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`));
  const { ask } = await cached(t, { server: `location /raw { proxy_pass http://127.0.0.1:${port}; }` });
  const writes = () => Number(/^syscw: (\d+)$/m.exec(readFileSync("/proc/self/io", "latin1"))[1]);
  const before = writes();
  const body = "x".repeat(20_000) + big + "y".repeat(20_000);
  t.is(await ask("/raw"), `MISS 200 ${body}`);
  t.true(writes() - before < 5000, `${writes() - before} writes`);
  t.is(await ask("/raw"), `HIT 200 ${body}`);
});

test("a kept body is the reply's, byte for byte, in whatever pieces it came", async (t) => {
  const sizes = [100, 10_000, 50, 8192, 1, 16_384, 8191, 9000, 30_000, 7];
  const { s } = await cached(t, {
    reply: async (req, res) => {
      for (const [i, size] of sizes.entries()) {
        res.write(Buffer.alloc(size, 97 + i));
        await sleep(20);
      }
      res.end();
    },
  });
  const whole = sizes.map((size, i) => String.fromCharCode(97 + i).repeat(size)).join("");
  for (const status of ["MISS", "HIT"]) {
    const res = await s.get("/pieces");
    t.is(res.headers["x-cache"], status);
    t.true(res.body === whole, status);
  }
});

test("in the background of a subrequest: the update outlives it, and its main request ends", async (t) => {
  const { s, seen } = await cached(t, {
    reply: (req, res, n) => void setTimeout(() => res.end(`${n}`), n === 1 ? 0 : 200),
    server: `proxy_cache_use_stale updating; proxy_cache_background_update on;
      location /up/ { proxy_cache_valid 200 1s; proxy_pass http://127.0.0.1:PORT; }
      location = /ssi { default_type text/html; ssi on; return 200 '<!--#include virtual="/up/x" -->,<!--#include virtual="/up/x" set="v" --><!--#echo var="v" -->.'; }
      location = /echo { echo_location /up/x; echo -n .; }
      location = /lua { content_by_lua_block { ngx.print(ngx.location.capture("/up/x").body, ".") } }`,
  });
  const twice = async (path) => {
    const raw = await s.raw(
      `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\nGET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    return raw
      .toString()
      .split("HTTP/1.1 200 OK")
      .slice(1)
      .map((answer) => answer.replace(/^[^]*?\r\n\r\n/, "").replace(/^[0-9a-f]+\r\n([^]*?)\r\n0\r\n\r\n$/, "$1"));
  };
  t.is((await s.get("/up/x")).body, "1");
  let known = 1;
  for (const [path, body] of [
    ["/ssi", (n) => `${n},${n}.`],
    ["/echo", (n) => `${n}.`],
    ["/lua", (n) => `${n}.`],
  ]) {
    await sleep(2100);
    t.deepEqual(await twice(path), [body(known), body(known + 1)], path);
    t.is(seen.length, ++known, path);
  }
});

test("in the background the upstream is asked for the same", async (t) => {
  const { ask, seen } = await cached(t, {
    server: `proxy_cache_use_stale updating; proxy_cache_background_update on;
      location /as-it-came/ { proxy_cache_valid 200 1s; proxy_pass http://127.0.0.1:PORT; }
      location ~ ^/re/(?<named>.*)$ { proxy_cache_valid 200 1s; proxy_pass http://127.0.0.1:PORT/got-$1-$named; }`,
  });
  const paths = ["/as-it-came/%61%7e?x=%20", "/re/a"];
  for (const path of paths) t.regex(await ask(path), /^MISS/);
  await sleep(2100);
  for (const path of paths) t.regex(await ask(path), /^STALE/);
  await waitFor(() => seen.length === 4);
  t.deepEqual(
    seen.slice(2).map((req) => req.url),
    ["/as-it-came/%61%7e?x=%20", "/got-a-a"],
  );
});
