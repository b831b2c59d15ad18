// SPDX-License-Identifier: MIT
// charset: what Content-Type says, and content converted from one charset to another. The cases run against nginx too, see
// test/helpers/wire.js.
import test from "ava";
import { waitFor } from "../helpers/process.js";
import { againstNginx } from "../helpers/api.js";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");
const maps = `charset_map B A { 58 59; } charset_map koi utf-8 { 80 E282AC; C1 D0B0; C2 D0B1; e4 c3a4; }`;
const latin = (text) => Buffer.from(text, "utf8").toString("latin1");
const typed = (type) => ({ "content-type": type });

wireCase("charset with variables, charset_types, override_charset; a redirect has none", {
  http: maps,
  server: `default_type text/html;
    location = /var { charset $arg_c; return 200 x; }
    location = /foo { charset utf-8; charset_types text/foo; default_type text/foo; return 200 x; }
    location = /png { charset utf-8; default_type image/png; return 200 x; }
    location = /moved { charset utf-8; return 301 /x; }
    location = /gone { charset utf-8; return 404; }`,
  send: get("/var?c=utf-8") + get("/var?c=") + get("/foo") + get("/png") + get("/moved") + get("/gone"),
  answers: [
    { headers: typed("text/html; charset=utf-8") },
    { headers: typed("text/html") },
    { headers: typed("text/foo; charset=utf-8") },
    { headers: typed("image/png") },
    { status: 301, headers: typed("text/html") },
    { status: 404, headers: typed("text/html; charset=utf-8") },
  ],
});

wireCase("source_charset: bytes are converted, both ways of a map, and ranges are of the converted content", {
  http: maps,
  server: `default_type text/html; root html;
    location /ab { charset A; source_charset B; alias __PREFIX__/html/x; }
    location /ba { charset B; source_charset A; alias __PREFIX__/html/x; }
    location /aa { charset A; source_charset a; alias __PREFIX__/html/x; }`,
  files: { "html/x": "XYZ\xe9" },
  send: get("/ab") + get("/ba") + get("/aa") + get("/ab", "Range: bytes=0-1"),
  answers: [
    { body: "YYZ??", headers: { ...typed("text/html; charset=A"), "content-length": "5" } },
    { body: "XXZ??", headers: typed("text/html; charset=B") },
    { body: "XYZ\xc3\xa9", headers: typed("text/html; charset=A") },
    { status: 206, body: "YY", headers: { "content-range": "bytes 0-1/5" } },
  ],
});

wireCase("to UTF-8 and back: characters without a byte become entities", {
  http: maps,
  server: `default_type text/html;
    location /to { charset utf-8; source_charset koi; alias __PREFIX__/html/koi; }
    location /from { charset koi; source_charset UTF-8; alias __PREFIX__/html/utf; }`,
  files: {
    "html/koi": Buffer.from([0x61, 0x80, 0xc1, 0xc2, 0xe4, 0xff, 0x0a]),
    "html/utf": "a€абäя😀\n",
  },
  send: get("/to") + get("/from"),
  answers: [
    { body: latin("a€абä?\n"), headers: typed("text/html; charset=utf-8") },
    { body: "a\x80\xc1\xc2\xe4&#1103;&#128512;\n", headers: typed("text/html; charset=koi") },
  ],
});

wireCase("without a map between the two nothing is said or done", {
  http: maps,
  server: `default_type text/html;
    location = /none { charset $arg_c; source_charset koi; return 200 "X"; }`,
  send: get("/none?c=A") + get("/none?c=koi"),
  answers: [
    { body: "X", headers: typed("text/html") },
    { body: "X", headers: typed("text/html; charset=koi") },
  ],
  log: /\[error\].*no "charset_map" between the charsets "koi" and "A"/,
});

test("X-Accel-Charset of a charset that the configuration does not name: told, and as it was", async (t) => {
  const s = await startServer(t, {
    http: `server { listen unix:__PREFIX__/o.sock; default_type text/html; add_header X-Accel-Charset other; return 200 x; }`,
    server: `location / { charset utf-8; proxy_pass http://unix:__PREFIX__/o.sock; }`,
  });
  const answer = await openWire(t, s).send(get("/")).response();
  t.deepEqual(answer.headers["content-type"], ["text/html"]);
  await waitFor(() => /unknown charset "other" to override/.test(s.log()), "the line");
});

test("a proxied reply is converted from what it says it is", async (t) => {
  const s = await startServer(t, {
    http: `${maps} server { listen unix:__PREFIX__/o.sock; default_type text/html;
      location /a { charset A; return 200 "YY"; }
      location /accel { charset B; add_header X-Accel-Charset A; return 200 "XX"; }
      location /plain { add_header X-Accel-Charset koi; return 200 "XX"; } }`,
    server: `location /as-is { charset B; proxy_pass http://unix:__PREFIX__/o.sock:/a; }
      location /over { charset B; override_charset on; proxy_pass http://unix:__PREFIX__/o.sock:/a; }
      location /accel { proxy_pass http://unix:__PREFIX__/o.sock:/accel; }
      location /plain { proxy_pass http://unix:__PREFIX__/o.sock:/plain; }
      location /ignored { proxy_ignore_headers X-Accel-Charset; proxy_pass http://unix:__PREFIX__/o.sock:/accel; }`,
  });
  const wire = openWire(t, s);
  for (const [path, type, body] of [
    ["/as-is", "A", "YY"],
    ["/over", "B", "XX"],
    ["/accel", "A", "YY"],
    ["/plain", "koi", "XX"],
    ["/ignored", "B", "XX"],
  ]) {
    const answer = await wire.send(get(path)).response();
    t.deepEqual(answer.headers["content-type"], [`text/html; charset=${type}`], path);
    t.is(answer.body, body, path);
  }
});

wireCase("what is no UTF-8 is a question mark", {
  ours: "nginx loses what is behind it in its buffer",
  http: maps,
  server: `default_type text/html; location /utf { charset koi; source_charset UTF-8; alias __PREFIX__/html/utf; }`,
  files: {
    "html/utf": Buffer.from([
      0xff, 0x61, 0xd0, 0x62, 0xe2, 0x82, 0xd0, 0xb0, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xf8, 0xf0,
    ]),
  },
  send: get("/utf"),
  answers: { body: "?a?b?\xc1??????" },
});

test("a long text through Lua filters and small writes: a character that is cut between two of them", async (t) => {
  const s = await startServer(t, {
    http: maps,
    server: `location / { default_type text/html; charset koi; source_charset utf-8;
      content_by_lua_block { for i = 1, 3000 do ngx.print("\\xe2") ngx.flush() ngx.print("\\x82") ngx.flush() ngx.print("\\xac,") end ngx.print("\\xe2\\x82") } }`,
  });
  const answer = await openWire(t, s).send(get("/")).response();
  t.is(answer.body, "\x80,".repeat(3000) + (againstNginx ? "" : "?"));
});
