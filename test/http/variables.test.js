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

test("named groups that nothing has set: no value, no warning; of set: empty, with a warning", async (t) => {
  const s = await startServer(t, {
    http: `log_format x "[$named] [$of_map]"; map $arg_m $mapped { ~^(?<of_map>a)?b $of_map; default d; }`,
    server: `access_log logs/x.log x; server_name ~^(?<of_name>q); set $of_set 1;
      location ~ ^/n(?<named>x)?$ { return 200 "[$named]"; }
      location = /lua { content_by_lua_block {
        local v = ngx.var
        ngx.print(tostring(v.named), " ", tostring(v.of_map), " ", tostring(v.of_name), " ", v.mapped, " ", tostring(v.of_map))
        v.named = "set" ngx.print(" ", v.named) } }
      location = /mix { set $named "a$named"; return 200 "<$named>"; }
      location = /warns { set $other "a$other"; return 200 "<$other>"; }`,
  });
  t.is((await s.get("/lua?m=ab")).body, "nil nil nil a a set");
  t.is((await s.get("/lua?m=b")).body, "nil nil nil   set");
  t.is((await s.get("/lua")).body, "nil nil nil d nil set");
  t.is((await s.get("/n")).body, "[]");
  t.is((await s.get("/nx")).body, "[x]");
  t.is((await s.get("/mix")).body, "<a>");
  t.notRegex(s.log(), /uninitialized/);
  t.is((await s.get("/warns")).body, "<a>");
  await waitFor(() => s.log("logs/x.log").split("\n").length === 8, "the log");
  t.is(s.log("logs/x.log"), "[set] [a]\n[set] []\n[set] [-]\n[] [-]\n[x] [-]\n[a] [-]\n[-] [-]\n");
  t.regex(s.log(), /\[warn\] .*using uninitialized "other" variable/);
});

test("$status in the text of return is its code; in an error page the error's", async (t) => {
  const s = await startServer(t, {
    server: `location = /a { return 404 '{"status":$status}'; } location = /b { error_page 404 =200 /c; return 404; }
      location = /c { return 403 "status $status"; } location = /d { return 302 /new/$status; }`,
  });
  t.is((await s.get("/a")).body, '{"status":404}');
  t.is((await s.get("/b")).body, "status 200");
  t.regex((await s.get("/d")).headers.location, /\/new\/302$/);
});

test("$args: nil without any, also behind a bare question mark; empty where they have been taken away", async (t) => {
  const s = await startServer(t, {
    server: `location = /a { content_by_lua_block { ngx.print(tostring(ngx.var.args), "|", ngx.var.is_args) } }
      location = /b { content_by_lua_block {
        for _, args in ipairs { "", {} } do ngx.req.set_uri_args(args) ngx.print(tostring(ngx.var.args), "|") end } }
      location = /c { rewrite ^ /show? break; content_by_lua_block { ngx.print(tostring(ngx.var.args)) } }
      location = /d { rewrite ^ /show?$arg_none? break; content_by_lua_block { ngx.print(tostring(ngx.var.args)) } }`,
  });
  for (const [path, body] of [
    ["/a", "nil|"],
    ["/a?", "nil|"],
    ["/a?x", "x|?"],
    ["/b?x", "||"],
    ["/b", "||"],
    ["/c?x", ""],
    ["/c", "nil"],
    ["/c?", "nil"],
    ["/d", ""],
    ["/d?x=1", ""],
  ])
    t.is((await s.get(path)).body, body, path);
});

test("variables of smaller modules: a configuration may name them, and what they are", async (t) => {
  const names =
    "pipe connection_time tcpinfo_rtt tcpinfo_rttvar tcpinfo_snd_cwnd tcpinfo_rcv_space connections_active connections_reading " +
    "connections_writing connections_waiting msie date_local date_gmt gzip_ratio proxy_protocol_addr proxy_protocol_port " +
    "proxy_protocol_server_addr proxy_protocol_server_port sent_trailer_x upstream_trailer_x";
  const s = await startServer(t, {
    http: "log_format x '$pipe $gzip_ratio $sent_trailer_x_y';",
    server: `access_log logs/x.log x; gzip_types text/plain; gzip_min_length 1; add_trailer X-Y "t$status";
      location = /all { return 200 "${names.replace(/(\w+)/g, "$$$1|")}"; }
      location = /zip { gzip on; return 200 "${"a".repeat(2000)}"; }
      location = /lua { content_by_lua_block { ngx.say("x") ngx.flush() ngx.say(tostring(ngx.var.gzip_ratio)) } }`,
  });
  const all = (await s.get("/all")).body;
  const number = "[1-9]\\d*";
  const zone = "\\w+, \\d\\d-\\w{3}-\\d{4} \\d\\d:\\d\\d:\\d\\d";
  const start = `^\\.\\| 0\\.\\d{3}\\| ${number}\\| \\d+\\| ${number}\\| ${number}\\| ${number}\\| 0\\| ${number}\\| \\d+\\| `;
  t.regex(all, new RegExp(`${start}\\| ${zone} [\\w+-]+\\| ${zone} GMT\\|( \\|){7}$`));
  const old = await s.get("/all", { headers: { "User-Agent": "Mozilla/4.0 (compatible; MSIE 6.0; x)" } });
  t.is(old.body.split("| ")[10], "1");
  t.is((await s.get("/lua")).body, "x\nnil\n");
  await s.get("/zip", { headers: { "Accept-Encoding": "gzip" } });
  await s.raw("GET /lua HTTP/1.1\r\nHost: h\r\n\r\nGET /all HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  await waitFor(() => s.log("logs/x.log").split("\n").length === 7, "the log");
  const lines = s.log("logs/x.log").split("\n");
  t.deepEqual(
    [...lines.slice(0, 3), ...lines.slice(4)],
    [". - t200", ". - t200", ". - t200", ". - t200", "p - t200", ""],
  );
  t.regex(lines[3], /^\. \d\d\.\d\d t200$/);
});
