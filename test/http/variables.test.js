// SPDX-License-Identifier: MIT
// Values of nginx's variables where they are easily told wrong. What is expected was read off nginx 1.22.
import test from "ava";
import { startServer } from "../helpers/api.js";
import { splitResponse, waitFor } from "../helpers/index.js";

async function bodyOf(s, head) {
  const bytes = await s.raw(`${head}\r\nHost: h\r\nConnection: close\r\n\r\n`);
  return splitResponse(bytes).body.toString();
}

test("$request_uri of an absolute request target is its path and query; $request is the whole line", async (t) => {
  const s = await startServer(t, {
    http: "log_format x '[$request] [$request_uri]';",
    server: `access_log logs/x.log x;
      location / { return 200 "$request_uri|$uri|$args"; }
      location /lua { content_by_lua_block { ngx.print(ngx.var.request_uri) } }`,
  });
  t.is(await bodyOf(s, "GET http://x.com/u%20u?q HTTP/1.1"), "/u%20u?q|/u u|q");
  t.is(await bodyOf(s, "GET http://x.com HTTP/1.1"), "/|/|");
  t.is(await bodyOf(s, "GET http://x.com?q=1 HTTP/1.1"), "?q=1|/|q=1");
  t.is(await bodyOf(s, "GET http://x.com/lua?q HTTP/1.0"), "/lua?q");
  await waitFor(() => s.log("logs/x.log").split("\n").length === 5, "the log");
  t.true(s.log("logs/x.log").startsWith("[GET http://x.com/u%20u?q HTTP/1.1] [/u%20u?q]\n"), s.log("logs/x.log"));
});
