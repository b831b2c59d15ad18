// SPDX-License-Identifier: MIT
// access_log and error_log: formats, escaping, what a line says of a request.
import { wireCase } from "../helpers/wire.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");

wireCase("access_log: the combined format", {
  server: `access_log logs/access.log; return 200 hello;`,
  send: get("/a?b=c", "Referer: r", 'User-Agent: u\\"x'),
  answers: 200,
  access:
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/a\?b=c HTTP\/1\.1" 200 5 "r" "u\\x5C\\x22x"\n$/,
});

wireCase("log_format: own, escape=json, escape=none, missing values", {
  http: `log_format a '[$arg_x] [$arg_none] $status $body_bytes_sent $request_method'; log_format j escape=json '{"x":"$arg_x","u":"$http_user_agent"}';
    log_format n escape=none '<$http_user_agent>';`,
  server: `access_log logs/access.log a; access_log logs/access.log j; access_log logs/access.log n; return 200 hello;`,
  send: get("/?x=1", 'User-Agent: a"b\tc'),
  answers: 200,
  access: /^\[1\] \[-\] 200 5 GET\n\{"x":"1","u":"a\\"b\\tc"\}\n<a"b\tc>\n$/,
});

wireCase("access_log off, and one of a location", {
  http: `log_format u $uri;`,
  server: `access_log off; location /b { access_log logs/access.log u; return 200; } location / { return 200; }`,
  send: get("/a") + get("/b") + get("/c") + get("/b2"),
  answers: [200, 200, 200, 200],
  access: /^\/b\n\/b2\n$/,
});

wireCase("access_log has refused requests", {
  http: `log_format l '"$request" $status';`,
  server: `access_log logs/access.log l; return 200;`,
  send: "GET / HTTP/1.1\r\n\r\n",
  answers: 400,
  closes: true,
  access: /^"GET \/ HTTP\/1\.1" 400\n$/,
});

wireCase("access_log says 444 of a request without an answer", {
  http: `log_format l '$uri $status $body_bytes_sent';`,
  server: `access_log logs/access.log l; return 444;`,
  send: get("/x"),
  answers: [],
  closes: true,
  access: /^\/x 444 0\n$/,
});

wireCase("access_log of a head that does not end in time: 408", {
  http: `log_format l '"$request" $status';`,
  server: `client_header_timeout 200ms; access_log logs/access.log l; return 200;`,
  send: "GET /x HTTP/1.1\r\nHost",
  answers: [],
  closes: true,
  access: /^"GET \/x HTTP\/1\.1" 408\n$/,
});

wireCase("access_log of a head that is broken off: 400", {
  http: `log_format l '"$request" $status';`,
  server: `access_log logs/access.log l; return 200;`,
  send: "GET /x HTTP/1.1\r\nHost",
  half: true,
  answers: [],
  closes: true,
  access: /^"GET \/x HTTP\/1\.1" 400\n$/,
});

wireCase("access_log of a body that does not come in time: 408", {
  http: `log_format l '$uri $status';`,
  server: `client_body_timeout 200ms; access_log logs/access.log l; content_by_lua_block { ngx.req.read_body() }`
    .replace("content_by", "location / { content_by")
    .concat(" }"),
  send: "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
  answers: [],
  closes: true,
  access: /^\/x 408\n$/,
});

const at = String.raw`^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[error\] \d+#\d+: \*\d+ `;
wireCase("error_log: a line's form, with every part of the tail", {
  server: `server_name n.test; root __PREFIX__/html;`,
  send: get("/none?x"),
  answers: 404,
  log: new RegExp(
    at +
      String.raw`open\(\) "\S+\/html\/none" failed \(2: No such file or directory\), client: 127\.0\.0\.1, server: n\.test, request: "GET \/none\?x HTTP\/1\.1", host: "h\.test"$`,
    "m",
  ),
});

wireCase("error_log: what a request's refusal says", {
  server: "server_name n.test;",
  send: "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
  answers: 400,
  closes: true,
  log: /\[info\] \d+#\d+: \*\d+ client sent invalid method while reading client request line, client: 127\.0\.0\.1, server: n\.test, request: "G@T \/ HTTP\/1\.1"$/m,
});

wireCase("error_log: refusals of fields", {
  server: "server_name n.test;",
  send: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
  answers: 400,
  closes: true,
  log: /\[info\] \d+#\d+: \*\d+ client sent invalid host header while reading client request headers, client: 127\.0\.0\.1, server: n\.test, request: "GET \/ HTTP\/1\.1", host: "a\/b"$/m,
});

wireCase("error_log of a location, with its level", {
  files: { "html/a": "" },
  server: `root __PREFIX__/html; location /quiet { error_log logs/quiet.log crit; } location /silent { log_not_found off; }`,
  send: get("/quiet") + get("/silent") + get("/loud"),
  answers: [404, 404, 404],
  log: /html\/loud" failed/,
  noLog: [/html\/quiet/, /html\/silent/],
});
