// SPDX-License-Identifier: MIT
// proxy_cache beside Debian's nginx: `node test/differential/cache-nginx.mjs [NAME]` runs the same series of requests against
// both, each before an origin of its own that answers alike, and compares what clients got and what the origins were sent.
// Exit code 1 when something differs.
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "moonwire";
import { exchange, requireNginx, startDebianNginx } from "../helpers/debian-nginx.js";
import { freePort } from "../helpers/index.js";

requireNginx("cache-nginx");

// Of one moment for both sides and every answer, and further from it than the run takes.
const now = Math.floor(Date.now() / 1000);
const date = (seconds) => new Date((now + seconds) * 1000).toUTCString();
const known = "Thu, 18 Nov 2010 11:27:35 GMT";
/** What the origin says below each path; `n` counts the requests for it. */
const origin = {
  plain: (n) => ({ body: `plain ${n}` }),
  control: () => ({ headers: { "Cache-Control": "max-age=60" } }),
  "no-cache": () => ({ headers: { "Cache-Control": "no-cache" } }),
  private: () => ({ headers: { "Cache-Control": "PRIVATE, max-age=60" } }),
  shared: () => ({ headers: { "Cache-Control": "s-maxage=60, max-age=0" } }),
  zero: () => ({ headers: { "Cache-Control": "max-age=0" } }),
  "bad-age": () => ({ headers: { "Cache-Control": "max-age=x" } }),
  future: () => ({ headers: { Expires: date(600) } }),
  past: () => ({ headers: { Expires: date(-600) } }),
  "bad-date": () => ({ headers: { Expires: "0" } }),
  "control-expires": () => ({ headers: { "Cache-Control": "max-age=60", Expires: date(-600) } }),
  accel: () => ({ headers: { "X-Accel-Expires": "60", "Cache-Control": "max-age=60" } }),
  "accel-zero": () => ({ headers: { "X-Accel-Expires": "0" } }),
  "accel-at": () => ({ headers: { "X-Accel-Expires": `@${now + 600}` } }),
  "accel-bad": () => ({ headers: { "X-Accel-Expires": "soon" } }),
  cookie: () => ({ headers: { "Set-Cookie": "a=b" } }),
  star: () => ({ headers: { Vary: "*" } }),
  vary: (n, req) => ({ headers: { Vary: "X-Lang, Accept" }, body: `${req.headers["x-lang"]} ${n}` }),
  404: () => ({ status: 404, body: "gone" }),
  500: () => ({ status: 500, body: "broken" }),
  301: () => ({ status: 301, headers: { Location: "/other" } }),
  tagged: () => ({ headers: { ETag: '"t"', "Last-Modified": known, "Accept-Ranges": "bytes" }, body: "0123456789" }),
  chunked: () => ({ headers: { ETag: '"t"', "Accept-Ranges": "bytes" }, body: "0123456789", isChunked: true }),
  charset: () => ({ headers: { "Content-Type": "text/html", "X-Accel-Charset": "koi8-r" } }),
  "charset-own": () => ({ headers: { "Content-Type": "text/html; charset=x", "X-Accel-Charset": "koi8-r" } }),
  unbuffered: () => ({ headers: { "X-Accel-Buffering": "no" } }),
  "cond-plain": () => ({ headers: { ETag: '"t"', "Last-Modified": known } }),
  fails: (n) => (n === 1 ? { body: "first" } : { status: 500, body: "second" }),
  renewed: (n, req) =>
    req.headers["if-none-match"] === '"t"'
      ? { status: 304, headers: { ETag: '"t"' } }
      : { headers: { ETag: '"t"', "Last-Modified": known }, body: `body ${n}` },
  allows: (n) =>
    n === 1 ? { headers: { "Cache-Control": "max-age=1, stale-if-error=60" }, body: "kept" } : { isCut: true },
  dead: () => ({ isCut: true }),
};

const locations = (up) => `
  location / { proxy_pass http://127.0.0.1:${up}; }
  location /min/ { proxy_cache_min_uses 2; proxy_pass http://127.0.0.1:${up}/; }
  location /bypass/ { proxy_cache_bypass $arg_b; proxy_no_cache $arg_n; proxy_pass http://127.0.0.1:${up}/; }
  location /short/ { proxy_cache_valid 200 1s; proxy_cache_use_stale error http_500; proxy_cache_revalidate on;
    proxy_pass http://127.0.0.1:${up}/; }
  location /back/ { proxy_cache_valid 200 1s; proxy_cache_use_stale updating; proxy_cache_background_update on;
    proxy_pass http://127.0.0.1:${up}/; }
  location /errors/ { proxy_cache_valid any 1m; proxy_intercept_errors on; error_page 404 500 502 /page;
    proxy_pass http://127.0.0.1:${up}/; }
  location /page { proxy_cache off; return 200 "page"; }
  location /ignore/ { proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
    proxy_pass http://127.0.0.1:${up}/; }
  location /range/ { proxy_cache_max_range_offset 5; proxy_pass http://127.0.0.1:${up}/; }
  location /post/ { proxy_cache_methods POST; proxy_pass http://127.0.0.1:${up}/; }
  location /head/ { proxy_cache_convert_head off; proxy_cache_key $request_method$uri; proxy_pass http://127.0.0.1:${up}/; }
  location /uncached/ { proxy_cache off; proxy_pass http://127.0.0.1:${up}/; }`;

const get = (path, ...lines) => ({
  bytes: [`GET ${path} HTTP/1.1`, "Host: h", "Connection: close", ...lines, "", ""].join("\r\n"),
});
const as = (method, path) => ({
  bytes: `${method} ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
});
const twice = (path, ...lines) => [get(path, ...lines), get(path, ...lines)];
const pause = { pause: 2100 };
/** Series of requests by name. */
const cases = {
  ...Object.fromEntries(Object.keys(origin).map((name) => [name, twice(`/${name}`)])),
  ...Object.fromEntries(
    ["cookie", "star", "no-cache", "past"].map((name) => [`ignore ${name}`, twice(`/ignore/${name}`)]),
  ),
  arguments: [get("/plain?a"), get("/plain?b"), get("/plain?a")],
  variants: ["en", "de", "en", "de"].map((lang) => get("/vary", `X-Lang: ${lang}`)),
  "a ranged miss": [get("/tagged", "Range: bytes=2-4"), get("/tagged", "Range: bytes=2-4"), get("/tagged")],
  "two ranges": twice("/tagged", "Range: bytes=0-1,3-4"),
  "no such range": [...twice("/tagged"), get("/tagged", "Range: bytes=20-")],
  "a range of chunks": twice("/chunked", "Range: bytes=2-4"),
  "a known tag": twice("/tagged", 'If-None-Match: "t"'),
  "a known date": twice("/tagged", `If-Modified-Since: ${known}`),
  "another tag": twice("/tagged", 'If-Match: "u"'),
  "conditions without a cache": [get("/uncached/cond-plain", 'If-None-Match: "t"'), get("/uncached/cond-plain")],
  "a head first": [as("HEAD", "/tagged"), get("/tagged"), as("HEAD", "/tagged")],
  "a head of its own": [as("HEAD", "/head/tagged"), as("HEAD", "/head/tagged"), get("/head/tagged")],
  "a post": [as("POST", "/plain"), as("POST", "/plain"), get("/plain")],
  "a post that is kept": [as("POST", "/post/plain"), as("POST", "/post/plain")],
  uses: [...twice("/min/plain"), ...twice("/min/plain")],
  "bypass and no_cache": [
    get("/bypass/plain?n=1"),
    get("/bypass/plain?b=1"),
    get("/bypass/plain?b=0"),
    get("/bypass/plain?b=0"),
  ],
  expired: [get("/short/plain"), pause, ...twice("/short/plain")],
  "stale for a status": [get("/short/fails"), pause, ...twice("/short/fails")],
  renewed: [get("/short/renewed"), pause, ...twice("/short/renewed")],
  "stale by its own word": [get("/allows"), pause, ...twice("/allows")],
  "in the background": [get("/back/plain"), pause, get("/back/plain"), { pause: 300 }, get("/back/plain")],
  errors: [...twice("/errors/404"), ...twice("/errors/500")],
  "a kept 502": twice("/errors/dead"),
  "ranges too far": [
    get("/range/tagged", "Range: bytes=7-"),
    get("/range/tagged", "Range: bytes=2-3"),
    get("/range/tagged"),
  ],
};

const config = (port, up, dir, main) => `${main} error_log ${dir}/error.log; pid ${dir}/pid; events { }
  http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi; proxy_cache_path ${dir}/cache levels=1:2 keys_zone=one:1m;
  server { listen 127.0.0.1:${port}; proxy_cache one; proxy_cache_valid 200 301 404 1h;
  add_header X-Cache "$upstream_cache_status" always; ${locations(up)} } }`;

async function startOrigin() {
  const counts = new Map();
  const seen = [];
  const server = createServer((req, res) => {
    const name = req.url.slice(1).split("?")[0];
    counts.set(req.url, (counts.get(req.url) ?? 0) + 1);
    const told = Object.entries(req.headers).filter(([field]) => field !== "host");
    seen.push(`${req.method} ${req.url} ${JSON.stringify(told.toSorted())}`);
    const { status = 200, headers = {}, body = name, isChunked, isCut } = origin[name](counts.get(req.url), req);
    if (isCut) return void req.socket.destroy();
    res.sendDate = false;
    res.writeHead(status, { ...(isChunked || status === 304 ? {} : { "Content-Length": body.length }), ...headers });
    res.end(status === 304 ? undefined : body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, seen, counts, port: server.address().port };
}

const folder = mkdtempSync(join(tmpdir(), "moonwire-differential-"));
const sides = [];
for (const [name, main] of [
  ["nginx", "daemon off; master_process off;"],
  ["moonwire", ""],
]) {
  const side = { name, port: await freePort(), origin: await startOrigin(), prefix: join(folder, name) };
  mkdirSync(side.prefix);
  writeFileSync(join(side.prefix, "nginx.conf"), config(side.port, side.origin.port, side.prefix, main));
  sides.push(side);
}
const stopNginx = await startDebianNginx(sides[0].prefix, sides[0].port);
const server = await serve(join(sides[1].prefix, "nginx.conf"), { prefix: sides[1].prefix });

/** A reply without what always differs: who serves, when, where, and in which order fields stand. */
const normal = (text, side) => {
  const [head = "", ...rest] = text.replaceAll(`127.0.0.1:${side.origin.port}`, "ORIGIN").split("\r\n\r\n");
  // A 416 has what add_header adds twice in nginx; error pages name the server, and are as long as its name makes them.
  const isPage = /<hr><center>/.test(rest[0] ?? "");
  const lines = [...new Set(head.split("\r\n"))].filter(
    (l) => !/^(Server: |Date: \w{3}, )/.test(l) && !(isPage && l.startsWith("Content-Length: ")),
  );
  const body = rest.join("\n").replace(/<center>(nginx|moonwire)[^<]*/g, "<center>SERVER");
  return [lines[0], ...lines.slice(1).toSorted(), "", body].join("\n").replace(/\d{20}/g, "BOUNDARY");
};

let differences = 0;
const only = process.argv[2];
for (const [name, steps] of Object.entries(cases)) {
  if (only && name !== only) continue;
  const results = await Promise.all(
    sides.map(async (side) => {
      const out = [];
      side.origin.seen.length = 0;
      for (const step of steps) {
        if (step.pause) await sleep(step.pause);
        else {
          // Each series has URLs of its own: they end with its name.
          const tag = `t=${encodeURIComponent(name)}`;
          const bytes = step.bytes.replace(
            /^(\S+ )(\S+)/,
            (_, method, url) => `${method}${url}${url.includes("?") ? "&" : "?"}${tag}`,
          );
          out.push(normal(await exchange(side.port, bytes), side));
        }
      }
      return [...out, ...side.origin.seen];
    }),
  );
  if (results[0].join() === results[1].join()) continue;
  differences++;
  for (const [i, side] of sides.entries()) console.log(`== ${name}: ${side.name}\n${results[i].join("\n--\n")}`);
}
console.log(`${Object.keys(cases).length} series, ${differences} differ`);
await stopNginx();
await server.close();
for (const side of sides) side.origin.server.close();
rmSync(folder, { recursive: true });
process.exitCode = differences ? 1 : 0;
