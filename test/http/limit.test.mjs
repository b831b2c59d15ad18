// SPDX-License-Identifier: MIT
// limit_req and limit_conn, over all workers; valid_referers.
import test from "ava";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");
const zones = (rate) => `limit_req_zone $arg_k zone=r:1m rate=${rate}; limit_conn_zone $arg_k zone=c:1m;`;

wireCase("limit_req: the burst is let in; another key has its own, an empty one is not counted", {
  http: zones("1r/m"),
  server: `location / { limit_req zone=r burst=2 nodelay; content_by_lua_block { ngx.print(tostring(ngx.var.limit_req_status)) } }`,
  send: ["/?k=a", "/?k=a", "/?k=a", "/?k=a", "/?k=a", "/?k=b", "/", "/", "/", "/"].map((p) => get(p)).join(""),
  answers: [
    ...Array(3).fill({ body: "PASSED" }),
    ...Array(2).fill({ status: 503 }),
    { body: "PASSED" },
    ...Array(4).fill({ body: "nil" }),
  ],
});

wireCase("limit_req: status, log, dry run, delay", {
  http: zones("10r/s"),
  server: `limit_req_status 429;
    location /refuse { limit_req zone=r; content_by_lua_block { ngx.print(ngx.var.limit_req_status) } }
    location /dry { limit_req zone=r; limit_req_dry_run on; content_by_lua_block { ngx.print(ngx.var.limit_req_status) } }
    location /slow { limit_req zone=r burst=5; content_by_lua_block { ngx.print(ngx.var.limit_req_status) } }
    location /sub { limit_req zone=r; content_by_lua_block { ngx.print(ngx.location.capture("/refuse?k=s").body) } }
    location /none { content_by_lua_block { ngx.print(tostring(ngx.var.limit_req_status)) } }`,
  send: [
    "/refuse?k=a",
    "/refuse?k=a",
    "/dry?k=b",
    "/dry?k=b",
    "/slow?k=c",
    "/slow?k=c",
    "/slow?k=c",
    "/sub?k=s",
    "/none",
  ]
    .map((p) => get(p))
    .join(""),
  answers: [
    { body: "PASSED" },
    { status: 429 },
    { body: "PASSED" },
    { body: "REJECTED_DRY_RUN" },
    { body: "PASSED" },
    { body: "DELAYED" },
    { body: "DELAYED" },
    { body: "PASSED" },
    { body: "nil" },
  ],
  log: [
    /\[error\] .*limiting requests, excess: [01]\.\d{3} by zone "r", client: 127\.0\.0\.1/,
    /\[error\] .*limiting requests, dry run, excess: [01]\.\d{3} by zone "r"/,
    /\[warn\] .*delaying request, excess: [01]\.\d{3}, by zone "r"/,
  ],
});

test("limit_req counts over all workers", async (t) => {
  const s = await startServer(t, {
    main: "worker_processes 2;",
    http: zones("1r/m"),
    server: `location / { limit_req zone=r burst=4 nodelay; content_by_lua_block { ngx.print("in") } }`,
  });
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const wire = openWire(t, s);
      wire.send(get("/?k=a"));
      return (await wire.response()).status;
    }),
  );
  t.is(statuses.filter((status) => status === 200).length, 5);
  t.is(statuses.filter((status) => status === 503).length, 15);
});

test("limit_conn: so many at once, and again when one has ended or its client has gone", async (t) => {
  const s = await startServer(t, {
    main: "worker_processes 2;",
    http: zones("1r/s"),
    server: `limit_conn_log_level warn;
      location / { limit_conn c 2; content_by_lua_block { ngx.sleep(tonumber(ngx.var.arg_s)) ngx.print(ngx.var.limit_conn_status) } }`,
  });
  const ask = (seconds, key = "a") => {
    const wire = openWire(t, s);
    wire.send(get(`/?k=${key}&s=${seconds}`));
    return wire;
  };
  const [one, two] = [ask(0.5), ask(0.5)];
  await new Promise((done) => setTimeout(done, 150));
  t.is((await ask(0).response()).status, 503);
  t.is((await ask(0, "b").response()).status, 200);
  t.is((await one.response()).body, "PASSED");
  t.is((await two.response()).body, "PASSED");
  t.is((await ask(0).response()).status, 200);
  t.regex(s.log(), /\[warn\] .*limiting connections by zone "c"/);
});

wireCase("valid_referers", {
  server: `server_name own.test;
    location /names { valid_referers www.foo.com *.wild.com end.* .both.com path.com/in; content_by_lua_block { ngx.print("<", ngx.var.invalid_referer, ">") } }
    location /words { valid_referers none blocked server_names ~re[0-9]; content_by_lua_block { ngx.print("<", ngx.var.invalid_referer, ">") } }
    location /any { content_by_lua_block { ngx.print("<", ngx.var.invalid_referer, ">") } }`,
  send: [
    ["/names", "http://www.foo.com/"],
    ["/names", "https://WWW.FOO.com:8080/x"],
    ["/names", "http://www.bar.com"],
    ["/names", "http://a.b.wild.com/"],
    ["/names", "http://wild.com/"],
    ["/names", "http://end.org/"],
    ["/names", "http://both.com/"],
    ["/names", "http://x.both.com/"],
    ["/names", "http://path.com/in/side"],
    ["/names", "http://path.com/out"],
    ["/names", ""],
    ["/names"],
    ["/words"],
    ["/words", "hidden"],
    ["/words", "http://own.test/a"],
    ["/words", "http://a.re7.test/"],
    ["/words", "http://other.test/"],
    ["/any", "http://other.test/"],
  ]
    .map(([path, referer]) => (referer === undefined ? get(path) : get(path, `Referer: ${referer}`)))
    .join(""),
  answers: ["", "", "1", "", "1", "", "", "", "", "1", "1", "1", "", "", "", "", "1", ""].map((v) => ({
    body: `<${v}>`,
  })),
});
