// SPDX-License-Identifier: MIT
// headers_more: headers of responses and requests set, added and cleared, by status and type, inherited by inner blocks.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

test("headers of responses", async (t) => {
  const s = await startMoonwire(t, {
    http: "default_type text/plain;",
    server: `more_set_headers "X-Server: s";
      location = /set { set $v val; more_set_headers "X-A: $v" "Server: z" "Content-Type: text/x"; echo hi; }
      location = /clear { add_header X-B 1; add_header X-C 2; add_header Y 3; more_clear_headers "X-*" Date Server; echo hi; }
      location = /status { more_set_headers -s "404 500" "X-Bad: yes"; return 404; }
      location = /status-ok { more_set_headers -s 404 "X-Bad: yes"; echo hi; }
      location = /type { more_set_headers -t "text/html text/plain" "X-T: yes"; echo hi; }
      location = /type-not { more_set_headers -t text/html "X-T: yes"; echo hi; }
      location = /append { more_set_headers -a "X-L: 1" "X-L: 2"; echo hi; }
      location = /empty { more_set_headers "X-Server:"; echo hi; }`,
  });
  const headers = async (path) => (await s.get(path)).headers;
  const set = await headers("/set");
  t.is(set["x-a"], "val");
  t.is(set["x-server"], "s");
  t.is(set.server, "z");
  t.is(set["content-type"], "text/x");
  const cleared = await headers("/clear");
  for (const name of ["x-b", "x-c", "x-server", "date", "server"]) t.is(cleared[name], undefined, name);
  t.is(cleared.y, "3");
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
