// SPDX-License-Identifier: MIT
// autoindex, random_index, gzip_static, gunzip, secure_link, limit_except. Their corners beside nginx:
// test/differential/modules-nginx.mjs.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import test from "ava";
import { startServer } from "../helpers/api.js";

test("autoindex", async (t) => {
  const s = await startServer(t, {
    files: { "list/b <&>.txt": "bb", "list/a.txt": "a", "list/.hidden": "", "list/sub/x": "" },
    server: `location /list/ { root __PREFIX__; autoindex on; }
      location /json/ { alias __PREFIX__/list/; autoindex on; autoindex_format json; }
      location /xml/ { alias __PREFIX__/list/; autoindex on; autoindex_format xml; }
      location /jsonp/ { alias __PREFIX__/list/; autoindex on; autoindex_format jsonp; }
      location /off/ { alias __PREFIX__/list/; }`,
  });
  const html = (await s.get("/list/")).body;
  t.regex(html, /<h1>Index of \/list\/<\/h1><hr><pre><a href="\.\.\/">\.\.\/<\/a>\r\n<a href="sub\/">sub\/<\/a> +/);
  t.regex(html, /<a href="b%20%3C%26%3E\.txt">b &lt;&amp;&gt;\.txt<\/a> +\d\d-\w{3}-\d{4} \d\d:\d\d +2\r\n/);
  t.false(html.includes("hidden"));
  const json = await s.get("/json/");
  t.is(json.headers["content-type"], "application/json");
  t.deepEqual(
    JSON.parse(json.body).map(({ name, type, size }) => [name, type, size]),
    [
      ["sub", "directory", undefined],
      ["a.txt", "file", 1],
      ["b <&>.txt", "file", 2],
    ],
  );
  t.regex((await s.get("/xml/")).body, /<file mtime="[^"]+Z" size="1">a\.txt<\/file>/);
  t.regex((await s.get("/jsonp/?callback=f.g")).body, /^\/\* callback \*\/\r\nf\.g\(\[/);
  t.is((await s.get("/jsonp/?callback=a(b")).status, 400);
  t.is((await s.get("/off/")).status, 403);
});

test("random_index", async (t) => {
  const s = await startServer(t, {
    files: { "one/a.txt": "a", "one/b.txt": "b", "one/.hidden": "no", "none/.hidden": "no" },
    server: "root __PREFIX__; location /one/ { random_index on; } location /none/ { random_index on; }",
  });
  for (let i = 0; i < 10; i++) t.true(["a", "b"].includes((await s.get("/one/")).body));
  t.is((await s.get("/none/")).status, 403);
});

test("gzip_static and gunzip", async (t) => {
  const packed = gzipSync("from the packed one\n".repeat(3000));
  const s = await startServer(t, {
    files: { "f.txt": "plain", "f.txt.gz": packed, "bad.txt.gz": "no gzip", "cut.txt.gz": packed.subarray(0, 60) },
    server: `location /on/ { alias __PREFIX__/; gzip_static on; gzip_vary on; }
      location /always/ { alias __PREFIX__/; gzip_static always; gunzip on; }
      location = /lua { gunzip on; content_by_lua_block {
        local f = assert(io.open("__PREFIX__/f.txt.gz")) local data = f:read("*a") f:close()
        ngx.header.content_encoding = "gzip" ngx.header.etag = '"x"'
        for i = 1, #data, 50 do ngx.print(data:sub(i, i + 49)) ngx.flush(true) end } }`,
  });
  const accepts = { headers: { "Accept-Encoding": "gzip" } };
  t.is((await s.get("/on/f.txt")).body, "plain");
  t.is((await s.get("/on/f.txt")).headers.vary, "Accept-Encoding");
  t.is((await s.get("/on/f.txt", accepts)).headers["content-encoding"], "gzip");
  t.is((await s.get("/always/f.txt", accepts)).headers["content-length"], String(packed.length));
  for (const path of ["/always/f.txt", "/lua"]) {
    const opened = await s.get(path);
    t.is(opened.body, "from the packed one\n".repeat(3000), path);
    t.is(opened.headers["content-encoding"], undefined);
  }
  t.is((await s.get("/lua")).headers.etag, 'W/"x"');
  await t.throwsAsync(s.get("/always/bad.txt"), undefined, "a broken body is never a whole answer");
  await t.throwsAsync(s.get("/always/cut.txt"));
  t.regex(s.log(), /inflate\(\) failed/);
  t.regex(s.log(), /inflate\(\) returned -?\d on response end/);
});

test("secure_link", async (t) => {
  const s = await startServer(t, {
    server: `location /s/ { secure_link $arg_md5,$arg_expires; secure_link_md5 "$arg_expires$uri word";
        return 200 "$secure_link|$secure_link_expires"; }
      location /p/ { secure_link_secret word; return 200 "$secure_link";
        location /p/new/ { secure_link $arg_md5; secure_link_md5 word; return 200 "$secure_link"; } }
      location /n/ { secure_link $arg_md5; secure_link_md5 word;
        location /n/p/ { secure_link_secret word; return 200 "$secure_link"; } }`,
  });
  const md5 = (text) => createHash("md5").update(text);
  const link = (until, hash = md5(`${until}/s/x word`).digest("base64url")) => `/s/x?md5=${hash}&expires=${until}`;
  t.is((await s.get(link(4_000_000_000))).body, "1|4000000000");
  t.is((await s.get(link(1_000_000_000))).body, "0|1000000000");
  t.is((await s.get(link(4_000_000_000, "AAAAAAAAAAAAAAAAAAAAAA"))).body, "|4000000000");
  t.is((await s.get("/s/x?md5=x&expires=never")).body, "|");
  t.is((await s.get(`/p/${md5("a/bword").digest("hex")}/a/b`)).body, "a/b");
  t.is((await s.get(`/p/${md5("a/bword").digest("hex")}/a/c`)).body, "");
  t.is(
    (await s.get(`/p/new/x?md5=${md5("word").digest("base64url")}`)).body,
    "1",
    "in place of the other way's secret",
  );
  t.is((await s.get(`/n/p/x?md5=${md5("word").digest("base64url")}`)).body, "");
});

test("limit_except", async (t) => {
  const s = await startServer(t, {
    files: { "f.txt": "file" },
    server: `location /read { limit_except GET { deny all; } alias __PREFIX__/f.txt; }
      location /most { deny all; limit_except DELETE { allow all; } alias __PREFIX__/f.txt; }`,
  });
  const status = async (method, path) => (await s.get(path, { method })).status;
  t.is(await status("GET", "/read"), 200);
  t.is(await status("HEAD", "/read"), 200);
  t.is(await status("POST", "/read"), 403);
  t.is(await status("DELETE", "/read"), 403);
  t.is(await status("GET", "/most"), 200);
  t.is(await status("DELETE", "/most"), 403);
});
