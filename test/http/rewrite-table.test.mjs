// SPDX-License-Identifier: MIT
// set, if, rewrite, break and return: the table of rewrite-cases.js, and what goes to the log.
import test from "ava";
import { openWire, startServer, wireCase } from "../helpers/wire.js";
import { rewriteCases, rewriteFiles, shown } from "./rewrite-cases.js";

for (const [title, server, table, http] of rewriteCases)
  test(title, async (t) => {
    const s = await startServer(t, { server, http, files: rewriteFiles });
    let wire = openWire(t, s);
    for (const [path, expected] of table) {
      wire.send(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
      const answer = await wire.response();
      t.is(shown(answer, expected), expected.replace("__PORT__", String(s.port)), path);
      if (answer.headers["connection"]?.[0] === "close") wire = openWire(t, s);
    }
  });

wireCase("rewrite_log, uninitialized variables", {
  main: "error_log logs/error.log notice;",
  server: `rewrite_log on; location / { rewrite ^/(a)$ /b/$1?x=1 last; rewrite ^/r http://x.y/ redirect; return 200 "$u"; }
    location /b { set $u 1; return 200 "b$u"; } location /q { uninitialized_variable_warn off; return 200 "$q$w"; } location /w { set $q 1; set $w 2; }`,
  send: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /r HTTP/1.1\r\nHost: h\r\n\r\nGET /z HTTP/1.1\r\nHost: h\r\n\r\nGET /q HTTP/1.1\r\nHost: h\r\n\r\n",
  answers: [{ body: "b1" }, 302, { body: "" }, { body: "" }],
  log: [
    /\[notice\] .*"\^\/\(a\)\$" matches "\/a", client/,
    /"\^\/\(a\)\$" does not match "\/r"/,
    /rewritten data: "\/b\/a", args: "x=1"/,
    /rewritten redirect: "http:\/\/x\.y\/"/,
    /\[warn\] .*using uninitialized "u" variable, client/,
  ],
  noLog: [/uninitialized "[qw]"/],
});
