// SPDX-License-Identifier: MIT
// Range requests for files, and conditional requests for files and for what Lua writes (RFC 9110 sections 13 and 14).
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import test from "ava";
import { startProcess, waitFor } from "../helpers/index.js";
import { wireCase } from "../helpers/wire.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");
const files = { "html/a.txt": "0123456789abcdefghij", "html/empty.txt": "" };
const root = "root __PREFIX__/html;";
const boundary = /^multipart\/byteranges; boundary=\d{20}$/;

wireCase("a range: first and last byte, suffix, open end, past the end", {
  files,
  server: `${root} types { text/plain txt; }`,
  send: ["0-4", "-5", "15-", "15-400", "-400"].map((range) => get("/a.txt", `Range: bytes=${range}`)).join(""),
  answers: [
    {
      status: 206,
      body: "01234",
      headers: { "Content-Range": "bytes 0-4/20", "Content-Length": "5", "Accept-Ranges": null },
    },
    { status: 206, body: "fghij", headers: { "Content-Range": "bytes 15-19/20" } },
    { status: 206, body: "fghij", headers: { "Content-Range": "bytes 15-19/20" } },
    { status: 206, body: "fghij", headers: { "Content-Range": "bytes 15-19/20" } },
    { status: 206, body: files["html/a.txt"], headers: { "Content-Range": "bytes 0-19/20" } },
  ],
});

wireCase("a range: numbers up to the largest offset", {
  files,
  server: `${root} types { text/plain txt; }`,
  send: ["0-9223372036854775807", "0-9223372036854775808", "-9223372036854775807", "9223372036854775807-"]
    .map((range) => get("/a.txt", `Range: bytes=${range}`))
    .join(""),
  answers: [
    { status: 206, body: files["html/a.txt"], headers: { "Content-Range": "bytes 0-19/20" } },
    { status: 416 },
    { status: 206, body: files["html/a.txt"], headers: { "Content-Range": "bytes 0-19/20" } },
    { status: 416 },
  ],
});

wireCase("several ranges: a multipart body", {
  files,
  server: `${root} types { text/plain txt; }`,
  send: get("/a.txt", "Range: bytes=0-0, 5-2 ,2-3"),
  answers: {
    status: 206,
    body: /^\r\n--(\d{20})\r\nContent-Type: text\/plain\r\nContent-Range: bytes 0-0\/20\r\n\r\n0\r\n--\1\r\nContent-Type: text\/plain\r\nContent-Range: bytes 2-3\/20\r\n\r\n23\r\n--\1--\r\n$/,
    headers: { "Content-Type": boundary, "Content-Range": null },
  },
});

wireCase("no such bytes: 416 with the size, what add_header gave stays", {
  files,
  server: `${root} add_header X-A b; location /page { alias __PREFIX__/html; error_page 416 /a.txt; }`,
  send: ["30-", "x", "5-2", "-0", "1-99999999999999999999999", ""]
    .map((range) => get("/a.txt", `Range: bytes=${range}`))
    .concat(get("/page/a.txt", "Range: bytes=99-"))
    .join(""),
  answers: [
    ...Array(5).fill({
      status: 416,
      body: /416 Requested Range Not Satisfiable/,
      headers: { "Content-Range": "bytes */20", "X-A": "b", ETag: null, "Content-Type": "text/html" },
    }),
    { status: 200 },
    { status: 416, body: files["html/a.txt"] },
  ],
});

wireCase("the whole file: other units, too many ranges, more bytes than there are, max_ranges 0, an empty file", {
  files,
  server: `${root} location /one/ { alias __PREFIX__/html/; max_ranges 1; } location /off/ { alias __PREFIX__/html/; max_ranges 0; }`,
  send:
    get("/a.txt", "Range: lines=1-2") +
    get("/one/a.txt", "Range: bytes=0-0,2-3") +
    get("/a.txt", "Range: bytes=0-15,2-13") +
    get("/off/a.txt", "Range: bytes=0-0") +
    get("/empty.txt", "Range: bytes=0-"),
  answers: [
    { body: files["html/a.txt"], headers: { "Accept-Ranges": "bytes" } },
    { body: files["html/a.txt"] },
    { body: files["html/a.txt"] },
    { body: files["html/a.txt"], headers: { "Accept-Ranges": null } },
    { body: "" },
  ],
});

wireCase("a Lua body filter sees the range alone; HEAD gets its header", {
  files,
  server: `${root} header_filter_by_lua_block { ngx.header["X-Status"] = ngx.status }
    body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }`,
  send: get("/a.txt", "Range: bytes=8-12") + get("/a.txt", "Range: bytes=8-12").replace("GET", "HEAD"),
  answers: [
    { status: 206, body: "89ABC", headers: { "Content-Range": "bytes 8-12/20", "X-Status": "200" } },
    { head: true, status: 206, headers: { "Content-Length": "5" } },
  ],
});

wireCase("If-Range, If-Match, If-Unmodified-Since on a file", {
  ours: "nginx closes after a 412",
  files,
  server: root,
  send:
    get("/a.txt", "Range: bytes=0-1", 'If-Range: "other"') +
    get("/a.txt", "Range: bytes=0-1", "If-Range: Mon, 01 Jan 2001 00:00:00 GMT") +
    get("/a.txt", 'If-Match: "other", "another"') +
    get("/a.txt", "If-Match: *") +
    get("/a.txt", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT") +
    get("/a.txt", "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
  answers: [
    { body: files["html/a.txt"] },
    { body: files["html/a.txt"] },
    { status: 412, body: /412 Precondition Failed/, headers: { "Last-Modified": null } },
    { body: files["html/a.txt"] },
    { status: 412 },
    { body: files["html/a.txt"] },
  ],
});

const lua = `ngx.header["Last-Modified"] = ngx.http_time(1290079655) ngx.header.ETag = '"v1"' ngx.say("hi") ngx.flush() ngx.say("there")`;

wireCase("conditions on what Lua writes, and ngx.resp.bypass_if_checks", {
  ours: "Debian's resty.core is older",
  server: `location /lua { content_by_lua_block { ${lua} } }
    location /filtered { header_filter_by_lua_block { ngx.header["X-Status"] = ngx.status } content_by_lua_block { ${lua} } }
    location /all { access_by_lua_block { require("ngx.resp").bypass_if_checks() } content_by_lua_block { ${lua} } }
    location /page { error_page 412 /failed; content_by_lua_block { ${lua} } } location /failed { return 200 "failed"; }`,
  send:
    get("/lua", "If-Modified-Since: Thu, 18 Nov 2010 11:27:35 GMT") +
    get("/lua", 'If-None-Match: "v0", W/"v1"') +
    get("/lua", 'If-Match: W/"v1"') +
    get("/filtered", 'If-Match: "v2"') +
    get("/all", 'If-Match: "v2"') +
    get("/page", 'If-Match: "v2"') +
    get("/lua", 'If-Match: "v1"'),
  answers: [
    { status: 304, body: "", headers: { "Last-Modified": "Thu, 18 Nov 2010 11:27:35 GMT", "Transfer-Encoding": null } },
    { status: 304, body: "", headers: { ETag: '"v1"' } },
    { status: 412, body: /412 Precondition Failed/ },
    { status: 412, body: /412 Precondition Failed/, headers: { "X-Status": "412" } },
    { body: "hi\nthere\n" },
    { status: 412, body: "failed" },
    { body: "hi\nthere\n" },
  ],
});

wireCase("ngx.resp.set_status with its reason", {
  ours: "Debian's resty.core is older",
  server: `location / { content_by_lua_block { require("ngx.resp").set_status(531, "user defined\\r\\nX: y") ngx.say(ngx.status) } }`,
  send: get("/"),
  answers: { status: 531, body: "531\n", headers: { X: null } },
});

test("hundreds of ranges take one descriptor", async (t) => {
  const content = "0123456789".repeat(2_000_000);
  const s = await startProcess(t, { server: root, files: { "html/a.bin": content } });
  const open = () => readdirSync(`/proc/${s.child.pid}/fd`).length;
  const before = open();
  const client = connect(s.port, "127.0.0.1").pause();
  t.teardown(() => client.destroy());
  const parts = Array.from({ length: 900 }, (_, i) => `${i}-${i + (i % 9 ? 0 : 3000)}`);
  client.write(get("/a.bin", `Range: bytes=0-15000000,${parts}`));
  await waitFor(() => client.readableLength > 0 || open() > before + 1, "the connection");
  t.true(open() < before + 10, `${open()} descriptors, ${before} before`);
  let text = "";
  client
    .setEncoding("latin1")
    .on("data", (part) => (text += part))
    .resume();
  const ending = () => /^\r\n--(\d{20})\r\n/.exec(text.slice(text.indexOf("\r\n\r\n") + 4))?.[1];
  await waitFor(() => ending() && text.endsWith(`--${ending()}--\r\n`), "the whole answer");
  const bodies = text
    .split(`--${ending()}`)
    .slice(1, -1)
    .map((part) => part.slice(part.indexOf("\r\n\r\n") + 4, -2));
  const wanted = [
    content.slice(0, 15_000_001),
    ...parts.map((range) => content.slice(Number(range.split("-")[0]), Number(range.split("-")[1]) + 1)),
  ];
  t.is(bodies.length, 901);
  t.true(bodies.every((body, i) => body === wanted[i]));
  t.is(open(), before + 1, "the connection alone");
});
