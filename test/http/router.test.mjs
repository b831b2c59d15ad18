// SPDX-License-Identifier: MIT
// Which server and which location answer.
import test from "ava";
import { freePort } from "../helpers/index.js";
import { openWire, startServer, wireCase } from "../helpers/wire.js";

/** Sends each path (or [host, path]) and compares the answers' bodies. */
function routes(title, { server, http, table, ours }) {
  if (ours && process.env.MOONWIRE_TEST_AGAINST === "nginx") return;
  test(title, async (t) => {
    const s = await startServer(t, { server, http });
    const wire = openWire(t, s);
    for (const [request, body] of table) {
      const [host, path] = Array.isArray(request) ? request : ["a", request];
      wire.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      t.is((await wire.response()).body, body, `${host} ${path}`);
    }
  });
}

const say = (text) => `{ return 200 "${text}"; }`;

routes("locations: =, ^~, prefix, ~, ~*", {
  server: `location = / ${say("exact /")} location / ${say("/")} location /doc ${say("/doc")} location /doc/ ${say("/doc/")}
    location ^~ /img/ ${say("^~ /img/")} location ~ \\.png$ ${say("~ png")} location ~* \\.(gif|jpg)$ ${say("~* $1")}
    location ~ ^/doc/re ${say("~ first")} location ~ ^/doc/rex ${say("~ second")} location = /a.png ${say("= a.png")}`,
  table: [
    ["/", "exact /"],
    ["/x", "/"],
    ["/?a", "exact /"],
    ["/document", "/doc"],
    ["/doc/x", "/doc/"],
    ["/img/a.png", "^~ /img/"],
    ["/doc/a.png", "~ png"],
    ["/doc/a.PNG", "/doc/"],
    ["/a.JPG", "~* JPG"],
    ["/doc/rex", "~ first"],
    ["/a.png", "= a.png"],
    ["/do", "/"],
    ["/x/../doc/./y", "/doc/"],
    ["/%64oc/y", "/doc/"],
    ["//doc//y", "/doc/"],
  ],
});

routes("nested locations: ^~ and regexes of both levels", {
  server: `location /p { return 200 "/p"; location /p/in ${say("/p/in")} location ~ \\.in$ ${say("inner ~")} }
    location ^~ /c { return 200 "^~ /c"; location /c/in ${say("/c/in")} location ~ \\.in$ ${say("c inner ~")} }
    location /d { return 200 "/d"; location ^~ /d/in ${say("^~ /d/in")} location = /d/x.out ${say("= /d/x.out")} location ~ \\.in$ ${say("d inner ~")} }
    location ~ ^/r { location ~ \\.deep$ ${say("deep")} return 200 "~ ^/r"; }
    location ~ \\.out$ ${say("outer ~")}`,
  table: [
    ["/p/x", "/p"],
    ["/p/in/x", "/p/in"],
    ["/p/x.in", "inner ~"],
    ["/p/in/x.out", "outer ~"],
    ["/p/x.out", "outer ~"],
    ["/c/x", "^~ /c"],
    ["/c/x.out", "^~ /c"],
    ["/c/in/x.out", "/c/in"],
    ["/c/x.in", "c inner ~"],
    ["/d/in/x.in", "^~ /d/in"],
    ["/d/in/x.out", "outer ~"],
    ["/d/x.out", "= /d/x.out"],
    ["/r/x.deep", "deep"],
    ["/r/x", "~ ^/r"],
  ],
});

routes("regex captures", {
  server: `location ~ ^/user/(?<name>[a-z]+)/(\\d+)(?<rest>x)?$ { return 200 "$name $2 $1[$rest]"; } location / { return 200 "none"; }`,
  table: [
    ["/user/ann/12", "ann 12 ann[]"],
    ["/user/ann/", "none"],
  ],
});

const sites = (port, list, defaults = {}) =>
  list
    .map(
      (n, i) =>
        `server { listen 127.0.0.1:${port}${defaults[i] ?? ""}; server_name ${n}; return 200 "${n.replace(/[$~^]/g, "")}"; }`,
    )
    .join("\n");

function hosts(title, list, table, defaults) {
  test(title, async (t) => {
    const port = await freePort();
    await startServer(t, { http: sites(port, list, defaults) });
    const wire = openWire(t, { port });
    for (const [host, body] of table) {
      wire.send(
        host === null ? "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" : `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      );
      t.is((await wire.response()).body, body, String(host));
    }
  });
}

hosts(
  "server names: exact, then *.suffix, then prefix.*, then regex, then the first",
  [
    "first.test",
    "exact.one.test",
    "*.one.test",
    "*.b.one.test",
    "www.*",
    "www.one.*",
    ".dot.test",
    "~^re\\d+\\.",
    "~^re.*x\\.",
  ],
  [
    ["first.test", "first.test"],
    ["unknown.test", "first.test"],
    [null, "first.test"],
    ["exact.one.test", "exact.one.test"],
    ["EXACT.One.Test", "exact.one.test"],
    ["exact.one.test:8080", "exact.one.test"],
    ["exact.one.test.", "exact.one.test"],
    ["a.one.test", "*.one.test"],
    ["a.b.one.test", "*.b.one.test"],
    ["a.c.one.test", "*.one.test"],
    ["one.test", "first.test"],
    ["www.one.test", "*.one.test"],
    ["www.other.org", "www.*"],
    ["www.one.org", "www.one.*"],
    ["dot.test", ".dot.test"],
    ["x.dot.test", ".dot.test"],
    ["re12.org", "re\\d+\\."],
    ["re1x.org", "re.*x\\."],
    ["re5.dot.test", ".dot.test"],
  ],
);

hosts(
  "default_server answers for unknown names",
  ["first.test", "second.test"],
  [
    ["unknown", "second.test"],
    ["first.test", "first.test"],
    ["127.0.0.1", "second.test"],
  ],
  { 1: " default_server" },
);

wireCase("absolute-form: its host wins over Host, the path is its own", {
  server: `return 200 "$host $uri $args $request_uri $http_host";`,
  send:
    "GET http://One.test:81/a?b=c HTTP/1.1\r\nHost: two.test\r\n\r\n" +
    "GET http://one.test HTTP/1.1\r\nHost: one.test\r\n\r\n" +
    "GET http://one.test?x=1 HTTP/1.1\r\nHost: one.test\r\n\r\n",
  answers: [
    { body: /^one\.test \/a b=c \S*\/a\?b=c two\.test$/ },
    { body: /^one\.test \/ {2}/ },
    { body: /^one\.test \/ x=1 / },
  ],
});

wireCase("OPTIONS * is answered and the connection goes on", {
  server: `location / { return 200 "$uri"; }`,
  send: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
  answers: [{ status: 200, headers: { Allow: /GET/, "Content-Length": "0" } }, { body: "/2" }],
  ours: "nginx 1.22 refuses it",
});

wireCase("internal locations are not for clients", {
  server: `location /in { internal; return 200 in; } location / { try_files /nothing /in?x; }`,
  send: "GET /in HTTP/1.1\r\nHost: a\r\n\r\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n",
  answers: [404, { body: "in" }],
});

wireCase("merge_slashes off", {
  server: `merge_slashes off; location /a/b { return 200 one; } location / { return 200 "$uri"; }`,
  send: "GET //a//b HTTP/1.1\r\nHost: a\r\n\r\nGET /a/b HTTP/1.1\r\nHost: a\r\n\r\n",
  answers: [{ body: "//a//b" }, { body: "one" }],
});

test("named groups of a server name are variables", async (t) => {
  const port = await freePort();
  const name = String.raw`"~^(?<user>\w+)\.(?P<zone>\w+)\.test$"`;
  await startServer(t, { http: `server { listen 127.0.0.1:${port}; server_name ${name}; return 200 "$user/$zone"; }` });
  const wire = openWire(t, { port }).send("GET / HTTP/1.1\r\nHost: ann.EU.test\r\n\r\n");
  t.is((await wire.response()).body, "ann/eu");
});
