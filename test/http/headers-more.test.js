// SPDX-License-Identifier: MIT
// headers_more: headers of responses and requests set, added and cleared, by status and type, inherited by inner blocks.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

test("headers of responses", async (t) => {
  const s = await startMoonwire(t, {
    files: { "f.txt": "file" },
    http: "default_type text/plain;",
    server: `more_set_headers "X-Server: s";
      location = /set { set $v val; more_set_headers "X-A: $v" "Server: z" "Content-Type: text/x"; echo hi; }
      location = /clear { more_clear_headers "X-*" Date Server "Etag: any"; add_header X-After 1;
        content_by_lua_block { ngx.header["X-B"] = 1 ngx.header["X-C"] = 2 ngx.header.Y = 3 ngx.header.ETag = "x" ngx.say("hi") } }
      location = /order { more_set_headers "X-A: mine" "Cache-Control: mine"; more_clear_headers Y; add_header Cache-Control after;
        header_filter_by_lua_block { ngx.header["X-Seen"] = ngx.header["X-A"] ngx.header["X-A"] = "lua" }
        content_by_lua_block { ngx.header.Y = 1 ngx.say("hi") } }
      location = /ranges { alias __PREFIX__/f.txt; more_clear_headers Accept-Ranges; }
      location = /exit { more_set_headers "X-A: mine"; header_filter_by_lua_block { return ngx.exit(403) } echo hi; }
      location = /typed { more_set_headers -t "text/plain; charset=utf-8" "X-T: yes"; echo hi; }
      location = /status { more_set_headers -s "404 500" "X-Bad: yes"; return 404; }
      location = /status-ok { more_set_headers -s 404 "X-Bad: yes"; echo hi; }
      location = /type { more_set_headers -t "text/html text/plain" "X-T: yes"; echo hi; }
      location = /type-not { more_set_headers -t text/html "X-T: yes"; echo hi; }
      location = /append { more_set_headers -a "X-L: 1" "X-L: 2"; echo hi; }
      location = /empty { more_set_headers "X-Server:"; echo hi; }`,
  });
  const headers = async (path, options) => (await s.get(path, options)).headers;
  const set = await headers("/set");
  t.is(set["x-a"], "val");
  t.is(set["x-server"], "s");
  t.is(set.server, "z");
  t.is(set["content-type"], "text/x");
  const cleared = await headers("/clear");
  for (const name of ["x-b", "x-c", "x-server", "date", "server", "etag"]) t.is(cleared[name], undefined, name);
  t.is(cleared.y, "3");
  t.is(cleared["x-after"], "1", "add_header comes behind");
  const order = await headers("/order");
  t.like(order, { "x-seen": "mine", "x-a": "lua", y: undefined, "cache-control": "mine, after" });
  const ranges = await headers("/ranges", { headers: { Range: "bytes=0-0" } });
  t.like(ranges, { "accept-ranges": undefined, "content-range": undefined, "content-length": "4" });
  t.is((await headers("/exit"))["x-a"], "mine");
  t.is((await headers("/typed"))["x-t"], "yes");
  t.is((await headers("/status"))["x-bad"], "yes");
  t.is((await headers("/status-ok"))["x-bad"], undefined);
  t.is((await headers("/type"))["x-t"], "yes");
  t.is((await headers("/type-not"))["x-t"], undefined);
  t.is((await headers("/append"))["x-l"], "1, 2");
  t.is((await headers("/empty"))["x-server"], undefined);
});

test("headers of requests", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /in { more_set_input_headers "Foo: $arg_f" "Host: h.example"; more_clear_input_headers Bar "X-*";
        echo "$http_foo|$http_bar|$http_x_a|$host"; }
      location = /replace { more_set_input_headers -r "Foo: new"; echo "$http_foo"; }`,
  });
  const request = { headers: { bar: "1", "x-a": "2" } };
  t.is((await s.get("/in?f=9", request)).body, "9|||h.example\n");
  t.is((await s.get("/replace")).body, "\n");
  t.is((await s.get("/replace", { headers: { foo: "old" } })).body, "new\n");
});
