// SPDX-License-Identifier: MIT
// Error pages, headers and log lines in their small print. What is expected was read off nginx 1.22.
import test from "ava";
import { startServer } from "../helpers/api.js";
import { waitFor } from "../helpers/index.js";

test("recursive_error_pages counts in the location whose error is answered by a page", async (t) => {
  const s = await startServer(t, {
    server: `location = /page { return 200 "page"; }
      location = /on { recursive_error_pages on; error_page 404 /off; return 404; }
      location = /off { error_page 403 /page; return 403; }
      location = /off-on { error_page 404 /on-page; return 404; }
      location = /on-page { recursive_error_pages on; error_page 403 /page; return 403; }
      location = /circle { recursive_error_pages on; error_page 404 500 /circle; return 404; }`,
  });
  t.is((await s.get("/on")).body, "page");
  t.regex((await s.get("/off-on")).body, /403 Forbidden/);
  t.is((await s.get("/circle")).status, 500);
});

test("a response of 204 has no type; the page of 401 and the log's lines are nginx's", async (t) => {
  const s = await startServer(t, {
    main: "error_log logs/error.log info;",
    server: `location = /204 { content_by_lua_block { ngx.status = 204 ngx.header.content_type = "a/b" } }
      location = /204r { default_type a/b; return 204; } location = /401 { return 401; }
      location /dir/ { index a.html b.html; }
      location = /log { content_by_lua_block { ngx.say("x") } log_by_lua_block { ngx.log(ngx.WARN, "seen") error("bad") } }`,
  });
  for (const path of ["/204", "/204r"]) {
    const answer = await s.get(path);
    t.is(answer.status, 204);
    t.is(answer.headers["content-type"], undefined);
  }
  t.regex((await s.get("/401")).body, /<title>401 Authorization Required<\/title>/);
  t.is((await s.get("/dir/")).status, 404);
  await s.get("/log");
  await waitFor(() => s.log().includes(": bad"), "the log handler's error");
  t.regex(s.log(), /"\S+\/html\/dir\/a\.html" is not found \(2: /);
  t.regex(s.log(), /\[warn\] .* seen while logging request, client: /);
  t.regex(s.log(), /main chunk while logging request, client: /);
});

test("444 in a captured subrequest ends the main request with 444", async (t) => {
  const s = await startServer(t, {
    http: "log_format x '$uri $status';",
    server: `access_log logs/x.log x; location = /444 { return 444; }
      location = /main { content_by_lua_block { ngx.location.capture("/444") ngx.say("goes on") } }
      location = /exit { content_by_lua_block { ngx.exit(444) } }
      location = /of-exit { content_by_lua_block { ngx.location.capture("/exit") ngx.say("goes on") } }`,
  });
  for (const path of ["/main", "/of-exit"])
    t.is((await s.raw(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).catch(() => "")).toString(), "");
  await waitFor(() => s.log("logs/x.log").split("\n").length === 3, "the log");
  t.is(s.log("logs/x.log"), "/main 444\n/of-exit 444\n");
});
