// SPDX-License-Identifier: MIT
// Every variable that a configuration may name is one that the server has.
import test from "ava";
import { builtin, families } from "../../dist/conf/variables.js";
import { startMoonwire, waitFor } from "../helpers/index.js";

test("the server knows every built-in variable and family", async (t) => {
  const names = [...builtin, ...families.map((family) => `${family}x`)];
  const text = names.map((name) => `${name}=\${${name}}`).join("|");
  const s = await startMoonwire(t, { server: `location / { return 200 "${text}"; }` });
  const { status, body } = await s.get("/?x=a");
  t.is(status, 200);
  for (const name of names) t.true(body.includes(`${name}=`), name);
  t.true(body.includes("arg_x=a"));
  t.true(body.includes("|uri=/|"));
});

test("what only TLS and HTTP/2 know has no value, and a log format may name it", async (t) => {
  const http = `log_format f '$ssl_protocol/$ssl_cipher "$http2" $uri';`;
  const server = `access_log logs/a.log f; location / { content_by_lua_block { ngx.say(ngx.var.ssl_protocol) } }`;
  const s = await startMoonwire(t, { http, server });
  t.is((await s.get("/x")).body, "nil\n");
  await waitFor(() => s.log("logs/a.log") !== "", "the line");
  t.is(s.log("logs/a.log"), '-/- "-" /x\n');
});
