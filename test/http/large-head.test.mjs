// SPDX-License-Identifier: MIT
// Heads beyond 64 KiB where the configuration allows them: taken at the limit, answered past it.
import test from "ava";
import { openWire, startServer } from "../helpers/wire.js";

const conf = {
  server: "large_client_header_buffers 8 16k; location / { content_by_lua_block { ngx.print(#ngx.req.raw_header()) } }",
};
const head = (n) =>
  "GET / HTTP/1.1\r\nHost: a\r\n" + Array.from({ length: n }, (_, i) => `X${i}: ${"v".repeat(9990)}\r\n`).join("");

test("a head of 120 kB within large_client_header_buffers", async (t) => {
  const s = await startServer(t, conf);
  const bytes = head(12) + "\r\n";
  const wire = openWire(t, s).send(bytes);
  t.is((await wire.response()).body, String(bytes.length));
  wire.send(bytes.slice(0, 70000));
  await new Promise((next) => setTimeout(next, 50));
  wire.send(bytes.slice(70000));
  t.is((await wire.response()).body, String(bytes.length));
});

test("a head that ends nowhere is answered at the limit", async (t) => {
  const s = await startServer(t, conf);
  const wire = openWire(t, s).send(head(14));
  const answer = await wire.response();
  t.is(answer.status, 400);
  t.regex(answer.body, /Request Header Or Cookie Too Large/);
  await wire.closed();
});
