// SPDX-License-Identifier: MIT
// limit_rate: a response takes its time, all of it arrives, and others are not held up. Only least times are asked for.
import test from "ava";
import { startServer } from "../helpers/api.js";

const body = "content_by_lua_block { ngx.print(('x'):rep(30000)) ngx.flush(true) ngx.print(('y'):rep(30000)) }";

async function timed(s, path) {
  const start = Date.now();
  const answer = await s.get(path);
  return { ms: Date.now() - start, size: answer.body.length, body: answer.body };
}

test("limit_rate, limit_rate_after, $limit_rate", async (t) => {
  const s = await startServer(t, {
    files: { "html/big.bin": "z".repeat(60_000) },
    server: `send_timeout 1s; root __PREFIX__/html;
      location = /slow { limit_rate 20k; ${body} }
      location = /file { limit_rate 20k; alias __PREFIX__/html/big.bin; }
      location = /after { limit_rate 20k; limit_rate_after 100k; ${body} }
      location = /variable { limit_rate $arg_rate; ${body} }
      location = /set { access_by_lua_block { ngx.var.limit_rate = "20k" } ${body} }
      location = /value { set $limit_rate 3k; return 200 $limit_rate; }
      location = /free { return 200 free; }`,
  });
  for (const path of ["/slow", "/file", "/variable?rate=20k", "/set"]) {
    const slow = timed(s, path);
    t.true((await timed(s, "/free")).ms < 900, "another connection");
    const { ms, size } = await slow;
    t.is(size, 60_000, path);
    t.true(ms >= 900, `${path}: ${ms} ms`);
  }
  for (const path of ["/after", "/variable?rate=0"]) t.is((await timed(s, path)).size, 60_000, path);
  t.is((await timed(s, "/value")).body, "3072");
});

test("a response on a kept connection does not take its neighbour's limit", async (t) => {
  const s = await startServer(t, {
    server: `location = /slow { limit_rate 1k; return 200 slow; } location = /free { ${body} }`,
  });
  const start = Date.now();
  const bytes = await s.raw(
    "GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /free HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    { timeout: 20_000 },
  );
  t.true(bytes.toString().includes("y".repeat(30_000)));
  t.true(Date.now() - start < 20_000);
});
