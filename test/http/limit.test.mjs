// SPDX-License-Identifier: MIT
// limit_req and limit_conn, over all workers; valid_referers.
import test from "ava";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startMoonwire, waitFor } from "../helpers/index.js";
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
  http: zones("2r/s"),
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

const hold = `content_by_lua_block {
  local d = ngx.shared.d
  d:incr("in", 1, 0)
  while not d:get("go") do ngx.sleep(0.005) end
  ngx.print(ngx.var.limit_conn_status)
}`;

test("limit_conn: so many at once over all workers, and again when they have ended", async (t) => {
  const s = await startServer(t, {
    main: "worker_processes 2;",
    http: `${zones("1r/s")} lua_shared_dict d 1m;`,
    server: `limit_conn_log_level warn; location /hold { limit_conn c 2; ${hold} }
      location /now { limit_conn c 2; content_by_lua_block { ngx.print("in") } }
      location /count { content_by_lua_block { ngx.print(ngx.shared.d:get("in")) } }
      location /go { content_by_lua_block { ngx.shared.d:set("go", true) } }`,
  });
  const ask = async (path) => {
    const wire = openWire(t, s);
    wire.send(get(path));
    return wire;
  };
  const answer = async (path) => (await ask(path)).response();
  const [one, two] = [await ask("/hold?k=a"), await ask("/hold?k=a")];
  await waitFor(async () => (await answer("/count")).body === "2");
  t.is((await answer("/now?k=a")).status, 503);
  t.is((await answer("/now?k=b")).status, 200);
  await answer("/go");
  t.is((await one.response()).body, "PASSED");
  t.is((await two.response()).body, "PASSED");
  await waitFor(async () => (await answer("/now?k=a")).status === 200);
  t.regex(s.log(), /\[warn\] .*limiting connections by zone "c"/);
});

test("a client that goes while its request is delayed leaves nothing behind", async (t) => {
  const s = await startServer(t, {
    http: zones("2r/s"),
    server: `location / { limit_req zone=r burst=5; limit_conn c 1; content_by_lua_block { ngx.print("in") } }`,
  });
  const first = openWire(t, s);
  first.send(get("/?k=a") + get("/?k=a"));
  t.is((await first.response()).body, "in");
  await waitFor(() => /delaying request/.test(s.log()));
  first.destroy();
  const second = openWire(t, s);
  second.send(get("/?k=a") + get("/?k=b"));
  t.is((await second.response({ timeout: 10000 })).body, "in");
  t.is((await second.response()).body, "in");
});

test("a zone that a reload puts to another use begins anew", async (t) => {
  const s = await startMoonwire(t, {
    http: "limit_conn_zone $arg_k zone=z:32k;",
    server: `location / { limit_conn z 1; content_by_lua_block { ngx.print(ngx.var.limit_conn_status) } }`,
  });
  const held = openWire(t, s);
  held.send(get("/?k=a"));
  t.is((await held.response()).body, "PASSED");
  s.write(
    "nginx.conf",
    readFileSync(join(s.prefix, "nginx.conf"), "utf8")
      .replace("limit_conn_zone $arg_k zone=z:32k", "limit_req_zone $arg_k zone=z:32k rate=1r/m")
      .replace("limit_conn z 1", "limit_req zone=z")
      .replace("limit_conn_status", "limit_req_status"),
  );
  await s.server.reload();
  t.is((await s.get("/?k=a")).body, "PASSED");
  t.is((await s.get("/?k=a")).status, 503);
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

wireCase("valid_referers: regex names of the server, and texts too short for a host", {
  server: `server_name own.test ~foo ~^whole$;
    location /names { valid_referers server_names; content_by_lua_block { ngx.print("<", ngx.var.invalid_referer, ">") } }
    location /blocked { valid_referers blocked; content_by_lua_block { ngx.print("<", ngx.var.invalid_referer, ">") } }`,
  send: [
    ["/names", "http://a.fOo.test/x"],
    ["/names", "http://whole/x"],
    ["/names", "http://whole.test/"],
    ["/names", "foo"],
    ["/blocked", "http://su"],
    ["/blocked", "http://host.test"],
  ]
    .map(([path, referer]) => get(path, `Referer: ${referer}`))
    .join(""),
  answers: ["<>", "<>", "<1>", "<1>", "<>", "<1>"].map((body) => ({ body })),
});
