// SPDX-License-Identifier: MIT
// Every mistake has its place and nginx's wording, and none hides another.
import test from "ava";
import { loadConfig } from "../../dist/conf/index.js";
import { http, location, problemsOf, server } from "./load.js";

const cases = [
  // where directives stand and how they end
  ["bogus on;", '1:1 unknown directive "bogus"'],
  ["events { } bogus { a; b { } }", '1:12 unknown directive "bogus"'],
  ["events { } listen 80;", '1:12 "listen" directive is not allowed here'],
  ["events { } server { }", '1:12 "server" directive is not allowed here'],
  ["events { } types { a b; }", '1:12 "types" directive is not allowed here'],
  ["events;", '1:1 directive "events" has no opening "{"'],
  ["events {", '1:9 unexpected end of file, expecting "}"'],
  ["events { } env A", '1:17 unexpected end of file, expecting ";" or "}"'],
  ["events { } }", '1:12 unexpected "}"'],
  ["events { } ;", '1:12 unexpected ";"'],
  ["events { } { env A; }", '1:12 unexpected "{"'],
  ['events { } env "a"b;', '1:19 unexpected "b"'],
  ['events { } env "a', '1:16 unexpected end of file, expecting ";" or "}"'],
  ["http { }", '0:0 no "events" section in configuration'],
  ["events { } events { }", '1:12 "events" directive is duplicate'],
  [http("sendfile;"), '2:1 invalid number of arguments in "sendfile" directive'],
  [http("sendfile on on;"), '2:1 invalid number of arguments in "sendfile" directive'],
  [http("sendfile yes;"), '2:10 invalid value "yes" in "sendfile" directive, it must be "on" or "off"'],
  [http("sendfile on; sendfile on;"), '2:14 "sendfile" directive is duplicate'],
  [http("sendfile on { }"), '2:1 directive "sendfile" is not terminated by ";"'],
  [http("server { sendfile on }"), '2:22 unexpected "}"'],
  [http("tcp_nopush maybe;"), '2:12 invalid value "maybe" in "tcp_nopush" directive, it must be "on" or "off"'],
  // include
  ["events { } include nope.conf;", /1:12 open\(\) ".*nope\.conf" failed \(2: No such file or directory\)/],
  ["events { } include;", '1:12 invalid number of arguments in "include" directive'],
  [http("include mime.types;"), /2:1 open\(\) ".*\/mime\.types" failed \(2: No such file or directory\)/],
  ["events { } include nginx.conf;", /1:12 "include" of ".*\/nginx\.conf" inside itself/],
  // simple values
  ["events { worker_connections x; }", '1:29 invalid number "x"'],
  ["events { } worker_processes 0;", '1:12 "worker_processes" directive invalid value'],
  [http("client_max_body_size 1x;"), '2:1 "client_max_body_size" directive invalid value'],
  [http("client_body_buffer_size 1g;"), '2:1 "client_body_buffer_size" directive invalid value'],
  [http("send_timeout 5q;"), '2:1 "send_timeout" directive invalid value'],
  [http("keepalive_requests many;"), '2:1 "keepalive_requests" directive invalid number'],
  [http("keepalive_timeout fast;"), '2:1 "keepalive_timeout" directive invalid value'],
  [http("lingering_close maybe;"), '2:17 invalid value "maybe"'],
  [http("large_client_header_buffers 4 x;"), '2:1 "large_client_header_buffers" directive invalid value'],
  ["events { } error_log x loud;", '1:24 invalid log level "loud"'],
  ["events { } error_log syslog:server=a;", '1:22 "syslog:" in "error_log" is not supported'],
  // listen, server_name
  [server("listen 1.2.3.4:99999;"), '2:8 invalid port in "1.2.3.4:99999" of the "listen" directive'],
  [
    server("listen no.such.host.invalid:80;"),
    '2:8 host not found in "no.such.host.invalid:80" of the "listen" directive',
  ],
  [server("listen :80;"), '2:8 no host in ":80" of the "listen" directive'],
  [server("listen [::1:80;"), '2:8 invalid IPv6 address in "[::1:80" of the "listen" directive'],
  [server("listen unix:;"), '2:8 no path in the unix domain socket in "unix:" of the "listen" directive'],
  [server("listen 80 ssl;"), '2:11 the "ssl" parameter requires ngx_http_ssl_module'],
  [server("listen 80 http2;"), '2:11 the "http2" parameter requires ngx_http_v2_module'],
  [server("listen 80 proxy_protocol;"), '2:11 the "proxy_protocol" parameter is not supported'],
  [server("listen 80 backlog=x;"), '2:11 invalid backlog "x"'],
  [server("listen 80 ipv6only=on;"), '2:11 ipv6only is not supported on addr "0.0.0.0:80"'],
  [server("listen 80 bogus;"), '2:11 invalid parameter "bogus"'],
  [server("listen 80; listen *:80;"), "2:19 a duplicate listen 0.0.0.0:80"],
  [
    http("server { listen 80 default_server; } server { listen 80 default_server; server_name a; }"),
    "2:54 a duplicate default server for 0.0.0.0:80",
  ],
  [
    http("server { listen 80 backlog=5; } server { listen 80 backlog=5; server_name a; }"),
    "2:49 duplicate listen options for 0.0.0.0:80",
  ],
  [
    http("server { listen 80; server_name a; } server { listen 80; server_name a; }"),
    '2:70 warn conflicting server name "a" on 0.0.0.0:80, ignored',
  ],
  [server("server_name *a.com;"), '2:13 server name "*a.com" is invalid'],
  [server("server_name a.*.com;"), '2:13 invalid server name or wildcard "a.*.com"'],
  [server("server_name ~;"), '2:13 empty regex in server name "~"'],
  [server("server_name a/b;"), '2:13 warn server name "a/b" has suspicious symbols'],
  // locations
  [server("location / { } location / { }"), '2:16 duplicate location "/"'],
  [server("location = / { } location =/ { }"), '2:18 duplicate location "/"'],
  [server("location /a { } location ^~ /a { }"), '2:17 duplicate location "/a"'],
  [server("location @a { } location @a { }"), '2:17 duplicate location "@a"'],
  [server("location ! /a { }"), '2:1 invalid location modifier "!"'],
  [server("location /a { location /b { } }"), '2:15 location "/b" is outside location "/a"'],
  [server("location = /a { location /a { } }"), '2:17 location "/a" cannot be inside the exact location "/a"'],
  [server("location @a { location /b { } }"), '2:15 location "/b" cannot be inside the named location "@a"'],
  [server("location / { location @b { } }"), '2:14 named location "@b" can be on the server level only'],
  [server("location @a { alias /x; }"), '2:15 the "alias" directive cannot be used inside the named location'],
  [location("root /a; alias /b;"), '2:10 "alias" directive is duplicate, "root" directive was specified earlier'],
  [location("root $document_root/a;"), '2:6 the $document_root variable cannot be used in the "root" directive'],
  // rewrite, headers, errors, logs
  [location("return nope;"), '2:8 invalid return code "nope"'],
  [location("set x 1;"), '2:5 invalid variable name "x"'],
  [location("set $host x;"), '2:5 the duplicate "host" variable'],
  [location("return 200 $nope;"), '2:12 unknown "nope" variable'],
  [location('return 200 "a$";'), "2:12 invalid variable name"],
  [location("return 200 '${uri';"), '2:12 the closing bracket in "uri" variable is missing'],
  [location("add_header A b sometimes;"), '2:16 invalid parameter "sometimes"'],
  [location("error_page 200 /x;"), '2:12 value "200" must be between 300 and 599'],
  [location("error_page x /x;"), '2:12 invalid value "x"'],
  [location("error_page =200 /x;"), '2:1 invalid number of arguments in "error_page" directive'],
  [location("try_files a =x;"), '2:13 invalid code "x"'],
  [location("access_log x.log nope;"), '2:18 unknown log format "nope"'],
  [location("access_log x.log combined if=$arg_x;"), '2:27 "if=$arg_x" in "access_log" is not supported'],
  [http("log_format a b; log_format a c;"), '2:28 duplicate "log_format" name "a"'],
  [http("log_format a escape=x b;"), '2:14 unknown log format escaping "x"'],
  [
    http("types { a/b c; a/d c; }"),
    '2:20 warn duplicate extension "c", content type: "a/d", previous content type: "a/b"',
  ],
  // Lua
  [http("lua_shared_dict d 1x;"), '2:19 invalid lua shared dict size "1x"'],
  [http("lua_shared_dict d 1m; lua_shared_dict d 1m;"), '2:39 lua_shared_dict "d" is already defined as "d"'],
  [location("content_by_lua_block x;"), '2:1 directive "content_by_lua_block" has no opening "{"'],
  [location("content_by_lua_block x { }"), '2:1 invalid number of arguments in "content_by_lua_block" directive'],
  [location("content_by_lua 'x()'; content_by_lua_block { }"), '2:23 "content_by_lua_block" directive is duplicate'],
  [server("content_by_lua_block { }"), '2:1 "content_by_lua_block" directive is not allowed here'],
  [
    location("content_by_lua_block { {{{{{"),
    "2:22 unexpected end of file, expecting terminating characters for lua code block",
  ],
  [location("content_by_lua_block { x = [==[ ]=] }"), '2:22 Lua code block missing the closing long bracket "]==]"'],
  [location("content_by_lua_file nope.lua;"), /^2:21 warn open\(\) ".*nope\.lua" failed \(2: No such file/],
  [http("init_by_lua_file nope.lua;"), /^2:18 open\(\) ".*nope\.lua" failed \(2: No such file/],
];

for (const [conf, expected] of cases)
  test(conf.replaceAll("\n", " "), async (t) => {
    const found = await problemsOf(t, conf);
    t.is(found.length, 1, found.join("\n"));
    if (expected instanceof RegExp) t.regex(found[0], expected);
    else t.is(found[0], expected);
  });

test("ten mistakes of all kinds are ten messages, in the order of the file", async (t) => {
  const conf = `worker_processes none;
events { worker_connections x; }
http {
  bogus on;
  sendfile "on"x;
  server {
    listen 80 ssl;
    location / { return 200 $nope }
    location / { root a; root b; }
    location ^ /x { }
  }
  types { a b; c { } }
}
;
`;
  t.deepEqual(await problemsOf(t, conf), [
    '1:1 "worker_processes" directive invalid value',
    '2:29 invalid number "x"',
    '4:3 unknown directive "bogus"',
    '5:16 unexpected "x"',
    '7:15 the "ssl" parameter requires ngx_http_ssl_module',
    '8:35 unexpected "}"',
    '9:5 duplicate location "/"',
    '9:26 "root" directive is duplicate',
    '10:5 invalid location modifier "^"',
    '12:16 unexpected "{"',
    '14:1 unexpected ";"',
  ]);
});

test("mistakes in an included file name that file", async (t) => {
  const { load } = await import("./load.js");
  const { problems } = await load(t, "events { }\ninclude a.conf;\nbogus;", { "a.conf": "\n  foo;\n" });
  t.deepEqual(
    problems.map((p) => `${p.file.split("/").at(-1)}:${p.line}:${p.column} ${p.message}`),
    ['nginx.conf:3:1 unknown directive "bogus"', 'a.conf:2:3 unknown directive "foo"'],
  );
});

test("mistakes of an object say where in it", async (t) => {
  const { problems } = await loadConfig({
    http: {
      server: [
        { location: { "/": { rooot: "x", sendfile: "maybe", contentByLua: 1, root: ["a", "b"] } } },
        { listen: {}, location: ["x"], serverName: "a" },
        7,
      ],
      content_by_lua: "x",
    },
    htpp: {},
  });
  t.deepEqual(problems.map((p) => p.message).sort(), [
    'htpp: unknown directive "htpp"',
    'http.content_by_lua: unknown directive "content_by_lua"',
    'http.server[0].location["/"].contentByLua: expected lua`...`, luaFile(...) or a string, not a value of type number',
    'http.server[0].location["/"].rooot: unknown directive "rooot"',
    'http.server[0].location["/"].root: invalid value: an array',
    'http.server[0].location["/"].sendfile: invalid value "maybe" in "sendfile" directive, it must be "on" or "off"',
    "http.server[1].listen: invalid value: a value of type object",
    "http.server[1].location: expected an object, not an array",
    'http.server[2]: conflicting server name "" on 0.0.0.0:80, ignored',
    "http.server[2]: expected an object of directives, not a value of type number",
  ]);
});

test("what is no file of a configuration is one problem", async (t) => {
  const { plan, problems } = await loadConfig("/nonexistent/nginx.conf");
  t.is(plan, null);
  t.is(problems.length, 1);
  t.regex(problems[0].message, /^open\(\) "\/nonexistent\/nginx\.conf" failed \(2: No such file or directory\)$/);
});

test("checkLua sees every chunk; its line is found in the configuration", async (t) => {
  const { load } = await import("./load.js");
  const seen = [];
  const checkLua = (source, chunkname) => {
    seen.push([source, chunkname.replace(/.*\//, "@")]);
    return source.includes("bad") ? `${chunkname.slice(1)}:2: '=' expected near 'bad'` : null;
  };
  const conf = location("content_by_lua_block { good()\n bad bad }\nlog_by_lua_file l.lua;");
  const { problems } = await load(t, conf, { "l.lua": "#!/usr/bin/lua\nx()" }, { checkLua });
  t.deepEqual(
    problems.map((p) => `${p.line} ${p.message}`),
    ["3 content_by_lua(nginx.conf:2):2: '=' expected near 'bad'"],
  );
  t.deepEqual(seen, [
    [" good()\n bad bad ", "=content_by_lua(nginx.conf:2)"],
    ["\nx()", "@l.lua"],
  ]);
});
