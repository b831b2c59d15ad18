// SPDX-License-Identifier: MIT
// proxy_pass beside Debian's nginx: `node test/differential/proxy-nginx.mjs` sends the same raw requests to both, before one
// upstream that answers from a table, and compares what the upstream was sent and what the client got. Exit code 1 when
// something differs that is not known to.
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "moonwire";
import { exchange, requireNginx, startDebianNginx } from "../helpers/debian-nginx.js";
import { freePort } from "../helpers/index.js";

requireNginx("proxy-nginx");

const replies = {
  "/len": `HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\nX-A: 1\r\nLast-Modified: Thu, 18 Nov 2010 11:27:35 GMT\r\nETag: "x"\r\nVary: a\r\nVary: b\r\n\r\nhello`,
  "/chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "/close": "HTTP/1.0 200 OK\r\n\r\nhello",
  "/words": "HTTP/1.1 404 Nope Here\r\nContent-Length: 2\r\n\r\nno",
  "/no-words": "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nno",
  "/302":
    "HTTP/1.1 302 Found\r\nLocation: /rel\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\nServer: up\r\nDate: now\r\n\r\n",
  "/401": "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
  "/204": "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
  "/304": 'HTTP/1.1 304 Not Modified\r\nETag: "q"\r\nContent-Length: 7\r\n\r\n',
  "/many": `HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nExpires: 0\r\nAge: 3\r\nContent-Encoding: gzip\r\nAccept-Ranges: bytes\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nLink: <x>\r\nRefresh: 3; url=/z\r\nContent-Disposition: x\r\nContent-Length: 1\r\n\r\nz`,
  "/cut": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
  "/empty": "HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
  "/more": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello",
};
const targets =
  `/pre/a%20b/%3fc?x=%20 /pre/a//b /re/x%20y?z /v/a%2Fb?c /vu?q=1 /vu /11/x /rx/a%20b?c /err /a/../b /pre/../c /x?
  /pre/x? http://h.test/abs?x`.split(/\s+/);
const fields = `Host: h.test:99\r\nX-Forwarded-For: 9.9.9.9\r\nUser-Agent: u\r\nTE: x\r\nUpgrade: y\r\nKeep-Alive: 1\r\nAccept: a\r\nAccept: b`;
const close = "Host: h\r\nConnection: close\r\n";
const cases = [
  ...Object.keys(replies).flatMap((path) => [
    `GET ${path} HTTP/1.1\r\n${close}\r\n`,
    `GET ${path} HTTP/1.0\r\nHost: h\r\n\r\n`,
  ]),
  ...targets.map((target) => `GET ${target} HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`),
  `HEAD /len HTTP/1.1\r\n${close}\r\n`,
  `HEAD /chunk HTTP/1.1\r\n${close}\r\n`,
  `POST /p HTTP/1.1\r\n${close}Content-Length: 3\r\nContent-Type: t\r\n\r\nabc`,
  `POST /p HTTP/1.1\r\n${close}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  `POST /p HTTP/1.1\r\n${close}Content-Length: 0\r\n\r\n`,
];

const config = (port, up, dir, main) => `${main} error_log ${dir}/error.log; pid ${dir}/pid; events { }
  http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi; server { listen 127.0.0.1:${port};
  location / { proxy_pass http://127.0.0.1:${up}; } location /pre/ { proxy_pass http://127.0.0.1:${up}/u/; }
  location /re { proxy_pass http://127.0.0.1:${up}/; rewrite ^/re/(.*)$ /rw/$1 break; }
  location /v { set $x 127.0.0.1:${up}; proxy_pass http://$x; }
  location /vu { set $x 127.0.0.1:${up}; proxy_pass http://$x/a%20b$is_args$args; }
  location /11 { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Proxy $proxy_host:$proxy_port; proxy_pass http://127.0.0.1:${up}; }
  location ~ ^/rx/(.*) { proxy_pass http://127.0.0.1:${up}; }
  location /err { error_page 502 = @e; proxy_pass http://127.0.0.1:1; } location @e { proxy_pass http://127.0.0.1:${up}; } } }`;

const seen = [];
const upstream = createServer((socket) => {
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (part) => {
    text += part.toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (end < 0 || text.length < end + 4 + length) return;
    seen.push(text);
    socket.end(replies[text.split(" ")[1].split("?")[0]] ?? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "latin1");
  });
});
await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve));
const folder = mkdtempSync(join(tmpdir(), "moonwire-differential-"));
const ports = [await freePort(), await freePort()];
const prefixes = ["nginx", "moonwire"].map((name) => join(folder, name));
for (const [i, main] of ["daemon off; master_process off;", ""].entries()) {
  mkdirSync(prefixes[i]);
  writeFileSync(join(prefixes[i], "nginx.conf"), config(ports[i], upstream.address().port, prefixes[i], main));
}
const stopNginx = await startDebianNginx(prefixes[0], ports[0]);
const server = await serve(join(prefixes[1], "nginx.conf"), { prefix: prefixes[1] });

/** A reply without what always differs: who serves, when, and in which order fields stand. */
const normal = (text) => {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [line, ...lines] = head.split("\r\n").filter((l) => !/^(Server: |Date: \w{3}, )/.test(l));
  return [line, ...lines.toSorted(), "", ...rest].join("\n");
};
let differences = 0;
for (const bytes of cases) {
  const [theirs, ours] = [[], []];
  for (const [i, to] of [theirs, ours].entries()) {
    seen.length = 0;
    to.push(normal(await exchange(ports[i], bytes)), ...seen);
  }
  if (theirs.join() === ours.join()) continue;
  differences++;
  console.log(`== ${JSON.stringify(bytes)}\n-- nginx\n${theirs.join("\n")}\n-- moonwire\n${ours.join("\n")}`);
}
console.log(`${cases.length} requests, ${differences} differ`);
await stopNginx();
await server.close();
upstream.close();
rmSync(folder, { recursive: true });
process.exitCode = differences ? 1 : 0;
