// SPDX-License-Identifier: MIT
// What proxy_* directives do to replies, in the cases that nginx's users know: cookies, fields that come twice or not at all,
// ranges, rates, files made of replies.
import test from "ava";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { startMoonwire } from "../helpers/index.js";
import { answering, httpServer, rawServer } from "../helpers/upstream.js";

const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

/** A server before a raw upstream that answers each path with the fields and body that `replies` has for it. */
async function before(t, replies, server, http = "") {
  const port = await rawServer(t, (socket, text) => {
    const [fields, body = ""] = replies[text.split(" ")[1].split("?")[0]] ?? ["", ""];
    answering(`${head}${fields}\r\n${body}`)(socket);
  });
  return startMoonwire(t, { http, server: server.replaceAll("UP", `http://127.0.0.1:${port}`) });
}

const fields = (res, name) => res.rawHeaders.filter((_, i) => i % 2 && res.rawHeaders[i - 1] === name);

test("cookies: a dot before a domain, regexes over the whole, flags from variables, what nothing fits", async (t) => {
  const cookie = (name, ...cookies) => [`/${name}`, [cookies.map((c) => `Set-Cookie: ${c}\r\n`).join("")]];
  const s = await before(
    t,
    Object.fromEntries([
      cookie("domain", "a=1; Domain=WWW.own.test", "a=2; Domain=.host.test", "a=3; domain=X.OTHER", "a=4; Domain=x.y"),
      cookie("flags", "a=1;Secure; x = y ", "b=1;  HttpOnly;samesite=none", "none; Domain=www.own.test"),
    ]),
    `proxy_cookie_domain www.own.test .own.example; proxy_cookie_domain .$host_name en.host.example;
     proxy_cookie_domain ~^(.+)\\.other$ $1.example;
     location / { set $host_name host.test; proxy_pass UP;
       proxy_cookie_flags ~^A $arg_f samesite=$arg_s $arg_none; proxy_cookie_flags ~never secure; }`,
  );
  t.deepEqual((await s.get("/domain")).headers["set-cookie"], [
    "a=1; Domain=own.example",
    "a=2; Domain=.en.host.example",
    "a=3; domain=X.example",
    "a=4; Domain=x.y",
  ]);
  t.deepEqual((await s.get("/flags?f=nosecure&s=strict")).headers["set-cookie"], [
    "a=1; x=y; SameSite=Strict",
    "b=1;  HttpOnly;samesite=none", // as it came
    "none; Domain=www.own.test",
  ]);
  t.deepEqual((await s.get("/flags?f=wrong&s=lax")).headers["set-cookie"][0], "a=1; Secure; x=y; SameSite=Lax");
  t.deepEqual((await s.get("/flags?f=wrong&s=worse")).headers["set-cookie"][0], "a=1;Secure; x = y"); // as it came
  t.regex(s.log(), /invalid proxy_cookie_flags flag "wrong"/);
});

test("a flag that a cookie has already stays where and as it is written", async (t) => {
  const kept = {
    "all=1;sEcUrE;path=/": "all=1; sEcUrE; path=/; HttpOnly; SameSite=Strict",
    "all=1; Path=/; HttpOnly; secure": "all=1; Path=/; HttpOnly; secure; SameSite=Strict",
    "all=1; Secure=x; samesite=strict; b": "all=1; Secure=x; samesite=strict; b; HttpOnly",
    "lax=1; SameSite=Strict; x": "lax=1; SameSite=Lax; x",
    "lax=1; samesite=lax; x": "lax=1; samesite=lax; x",
    "lax=1; SameSite; x": "lax=1; SameSite=Lax; x",
    "lax=1; samesite=none; samesite=lax": "lax=1; SameSite=Lax; samesite=lax",
    "two=1; samesite=none; samesite=strict; u": "two=1; SameSite=Strict; SameSite=Lax; u",
    "two=1; a": "two=1; a; SameSite=Strict",
    "both=1; secure; secure; x": "both=1; secure; x",
    "both=1; x": "both=1; x; Secure",
    "no=1; secure; HttpOnly; SameSite; x": "no=1; x",
  };
  const s = await before(
    t,
    {
      "/": [
        Object.keys(kept)
          .map((cookie) => `Set-Cookie: ${cookie}\r\n`)
          .join(""),
      ],
    },
    `location / { proxy_pass UP; proxy_cookie_flags all secure httponly samesite=strict; proxy_cookie_flags lax samesite=lax;
       proxy_cookie_flags two samesite=lax wrong samesite=strict; proxy_cookie_flags both secure nosecure;
       proxy_cookie_flags no nosecure nohttponly nosamesite; }`,
  );
  t.deepEqual((await s.get("/")).headers["set-cookie"], Object.values(kept));
});

test("proxy_redirect default: all of a server without a URI, wherever the location is; with one what is below it", async (t) => {
  const port = await rawServer(t, (socket, text) => {
    const [, path] = text.split("?to=");
    const url = `http://127.0.0.1:${port}${path.split(" ")[0]}`;
    answering(`${head}Location: ${url}\r\nRefresh: 1; url=${url}\r\n\r\n`)(socket);
  });
  const s = await startMoonwire(t, {
    server: `location /ph { proxy_pass http://127.0.0.1:${port}; } location ~ ^/re { proxy_pass http://127.0.0.1:${port}; }
      location /base/ { proxy_pass http://127.0.0.1:${port}/b/; } location @named { proxy_pass http://127.0.0.1:${port}; }
      location /off { proxy_redirect off; proxy_pass http://127.0.0.1:${port}; }
      location /named { try_files /none @named; } location /var { proxy_pass http://127.0.0.1:${port}$arg_none; }`,
  });
  const up = `http://127.0.0.1:${port}`;
  const redirects = [
    ["/ph", "/login", `${s.url}/login`, "/login"],
    ["/ph", "/ph/z", `${s.url}/ph/z`, "/ph/z"],
    ["/ph", "", up, up],
    ["/re", "/login", `${s.url}/login`, "/login"],
    ["/named", "/login", `${s.url}/login`, "/login"],
    ["/base/", "/b/x", `${s.url}/base/x`, "/base/x"],
    ["/base/", "/login", `${up}/login`, `${up}/login`],
    ["/off", "/login", `${up}/login`, `${up}/login`],
    ["/var", "/login", `${up}/login`, `${up}/login`],
  ];
  for (const [path, to, location, refresh] of redirects) {
    const { headers } = await s.get(`${path}?to=${to}`);
    t.deepEqual([headers.location, headers.refresh], [location, `1; url=${refresh}`], `${path} ${to}`);
  }
});

test("a regex of proxy_redirect stands for all of the URL", async (t) => {
  const s = await before(
    t,
    { "/a": ["Location: http://up.test/Reegex/more\r\nRefresh: 7; url=http://up.test/b/regex\r\n"] },
    "location / { proxy_pass UP; proxy_redirect ~*re+gex /new; }",
  );
  const { headers } = await s.get("/a");
  t.is(headers.location, `${s.url}/new`);
  t.is(headers.refresh, "7; url=/new");
});

test("a field that comes twice counts once; Set-Cookie and the like come as often as they are sent", async (t) => {
  const s = await before(
    t,
    {
      "/a": ["Expires: one\r\nExpires: two\r\nETag: x\r\nETag: y\r\nVary: a\r\nVary: b\r\nLink: c\r\nLink: d\r\n"],
      "/type": ["Content-Type: a/b\r\nContent-Type: c/d\r\nX-Own: 1\r\nX-Own: 2\r\n"],
    },
    "location / { add_header X-Expires $upstream_http_expires; proxy_pass UP; }",
  );
  const a = await s.get("/a");
  t.deepEqual(
    ["Expires", "ETag", "Vary", "Link", "X-Expires"].map((name) => fields(a, name).join()),
    ["one", "x", "a,b", "c,d", "one"],
  );
  const type = await s.get("/type");
  t.deepEqual([fields(type, "Content-Type"), fields(type, "X-Own")], [["a/b"], ["1", "2"]]);
  t.regex(s.log(), /upstream sent duplicate header line: "Expires: two", previous value: "Expires: one", ignored/);
});

test("proxy_pass_header Date and Server: the upstream's, or none", async (t) => {
  const s = await before(
    t,
    { "/with": ["Date: today\r\nServer: up\r\n"] },
    "location / { proxy_pass UP; proxy_pass_header Date; proxy_pass_header Server; } location /own { proxy_pass UP; }",
  );
  const { headers } = await s.get("/with");
  t.deepEqual([headers.date, headers.server], ["today", "up"]);
  const without = (await s.get("/without")).headers;
  t.deepEqual([without.date, without.server], [undefined, undefined]);
  t.truthy((await s.get("/own")).headers.date);
});

test("$upstream_cookie_NAME: blanks around name and value", async (t) => {
  const s = await before(
    t,
    {
      "/a": [
        "Set-Cookie: ab = x y ; z\r\nSet-Cookie: c= ;d\r\nSet-Cookie: \r\nSet-Cookie: e\t=1\r\nSet-Cookie: fg=1\r\n",
      ],
    },
    `location / { proxy_pass UP; add_header X "[$upstream_cookie_ab][$upstream_cookie_c][$upstream_cookie_e][$upstream_cookie_f]"; }`,
  );
  t.is((await s.get("/a")).headers.x, "[x y ][][][]");
});

test("proxy_ignore_headers may stand several times; X-Accel-Limit-Rate holds behind X-Accel-Redirect", async (t) => {
  const s = await before(
    t,
    {
      "/a": ["X-Accel-Redirect: /else\r\nX-Accel-Limit-Rate: 5000\r\n"],
      "/slow": ["X-Accel-Redirect: /big\r\nX-Accel-Limit-Rate: 10000\r\n"],
    },
    `location / { proxy_pass UP; }
     location /ignoring/ { proxy_pass UP/; proxy_ignore_headers X-Accel-Limit-Rate; proxy_ignore_headers X-Accel-Redirect; }
     location /else { return 200 else; } location /big { content_by_lua_block { ngx.print(("x"):rep(25000)) } }`,
  );
  t.is((await s.get("/a")).body, "else");
  t.is((await s.get("/ignoring/a")).body, "");
  const from = Date.now();
  t.is((await s.get("/slow")).body.length, 25_000);
  t.true(Date.now() - from >= 900, String(Date.now() - from));
});

test("proxy_force_ranges: parts of what says nothing of ranges; add_header in the place of ETag and Last-Modified", async (t) => {
  const date = "Mon, 28 Sep 1970 06:00:00 GMT";
  const tagged = `Content-Length: 8\r\nETag: "e"\r\nLast-Modified: ${date}\r\n`;
  const s = await before(
    t,
    { "/t": [tagged, "SEE-THIS"], "/u": [tagged, "SEE-THIS"] },
    `location / { proxy_pass UP; } location /forced/ { proxy_pass UP/; proxy_force_ranges on; }
     location /cached/ { proxy_pass UP/; proxy_force_ranges on; proxy_cache one; proxy_cache_valid 1m; }
     location /mine/ { proxy_pass UP/; add_header ETag '"mine"'; add_header Last-Modified ""; }`,
    "proxy_cache_path c keys_zone=one:1m;",
  );
  const ask = async (path, headers) => (({ status, body }) => `${status} ${body}`)(await s.get(path, { headers }));
  const range = { range: "bytes=4-" };
  t.is(await ask("/t", range), "200 SEE-THIS");
  t.is(await ask("/forced/t", range), "206 THIS");
  t.is(await ask("/forced/t", { ...range, "if-range": '"e"' }), "206 THIS");
  t.is(await ask("/forced/t", { ...range, "if-range": date }), "206 THIS");
  t.is(await ask("/forced/t", { ...range, "if-range": '"f"' }), "200 SEE-THIS");
  for (let i = 0; i < 2; i++) t.is(await ask("/cached/t", range), "206 THIS");
  t.regex(await ask("/cached/t", { range: "bytes=0-2,4-" }), /^206 .*SEE.*THIS/s);
  const mine = await s.get("/mine/u");
  t.deepEqual([fields(mine, "ETag"), fields(mine, "Last-Modified")], [['"mine"'], []]);
});

test("proxy_limit_rate: a buffered reply is read so fast, and no faster", async (t) => {
  const body = "x".repeat(25_000);
  const s = await before(
    t,
    { "/a": [`Content-Length: ${body.length}\r\n`, body] },
    `proxy_limit_rate $arg_rate; location / { proxy_pass UP; }
     location /unbuffered/ { proxy_buffering off; proxy_pass UP/; }`,
  );
  const time = async (path) => {
    const from = Date.now();
    t.is((await s.get(path)).body, body);
    return Date.now() - from;
  };
  const [slow, free, unbuffered] = await Promise.all(["/a?rate=10k", "/a?rate=0", "/unbuffered/a?rate=1k"].map(time));
  t.true(slow >= 900, String(slow));
  t.true(free < slow && unbuffered < slow, `${free} ${unbuffered} ${slow}`);
});

test("proxy_store: whole replies with status 200 become files", async (t) => {
  const when = new Date("2020-02-02T02:02:02Z");
  const s = await before(
    t,
    {
      "/a": [`Last-Modified: ${when.toUTCString()}\r\nContent-Length: 5\r\n`, "whole"],
      "/deep/b": ["Content-Length: 4\r\n", "deep"],
      "/cut": ["Content-Length: 50\r\n", "only this"],
      "/stream": ["", "to the end"],
      "/folder/": ["Content-Length: 1\r\n", "x"],
    },
    `root html; location / { proxy_pass UP; proxy_store on; proxy_store_access user:rw group:r all:r; }
     location /at/ { proxy_pass UP/; proxy_store __PREFIX__$arg_to; }
     location /off/ { proxy_pass UP/; proxy_store off; }`,
  );
  const path = (name) => join(s.prefix, "html", name);
  t.is((await s.get("/a")).body, "whole");
  t.is(readFileSync(path("a"), "utf8"), "whole");
  t.is(statSync(path("a")).mode & 0o777, 0o644);
  t.deepEqual(statSync(path("a")).mtime, when);
  await s.get("/deep/b");
  await s.get("/stream");
  t.is(readFileSync(path("deep/b"), "utf8"), "deep");
  t.is(readFileSync(path("stream"), "utf8"), "to the end");
  await s.get("/cut").catch(() => {});
  await s.get("/deep/c", { method: "HEAD" });
  await s.get("/folder/");
  await s.get("/off/a");
  t.deepEqual(readdirSync(path("")).toSorted(), ["a", "deep", "stream"]);
  t.false(existsSync(path("deep/c")));
  await s.get("/at/a?to=/stored.txt");
  t.is(readFileSync(join(s.prefix, "stored.txt"), "utf8"), "whole");
});

test("proxy_bind transparent: from an address that the server has not", async (t) => {
  if (process.getuid() !== 0) return t.pass();
  const port = await httpServer(t, (req, res) => res.end(req.socket.remoteAddress));
  const s = await startMoonwire(t, {
    server: `location / { proxy_bind 127.0.0.9 transparent; proxy_pass http://127.0.0.1:${port}; }`,
  });
  const res = await s.get("/");
  if (res.status === 500) return t.regex(s.log(), /setsockopt\(\) failed/); // without the right to
  t.is(res.body, "127.0.0.9");
});

test("ignore_invalid_headers off: names with underscores are taken", async (t) => {
  const s = await startMoonwire(t, {
    server: `ignore_invalid_headers off; location / { content_by_lua_block { ngx.print(ngx.req.get_headers()["a_b"]) } }`,
  });
  t.is((await s.get("/", { headers: { a_b: "c" } })).body, "c");
});
