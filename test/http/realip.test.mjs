// SPDX-License-Identifier: MIT
// realip: the client's address from a trusted proxy's header, for as long as the request lives.
import { wireCase } from "../helpers/wire.js";

const get = (path, ...fields) => [`GET ${path} HTTP/1.1`, "Host: h.test", ...fields, "", ""].join("\r\n");
const say = `content_by_lua_block { ngx.print(ngx.var.remote_addr, " ", ngx.var.realip_remote_addr, " ", #ngx.var.binary_remote_addr) }`;

wireCase("set_real_ip_from: a trusted proxy's word counts, for that request", {
  server: `set_real_ip_from 127.0.0.0/8; location / { ${say} }`,
  send:
    get("/", "X-Real-IP: 192.0.2.7") +
    get("/") +
    get("/", "X-Real-IP: nonsense") +
    get("/", "X-Real-IP: 2001:db8::1") +
    get("/", "X-Real-IP: 192.0.2.7:4711") +
    get("/", "X-Real-IP: unix:/x") +
    get("/", "X-Real-IP:"),
  answers: [
    { body: "192.0.2.7 127.0.0.1 4" },
    { body: "127.0.0.1 127.0.0.1 4" },
    { body: "127.0.0.1 127.0.0.1 4" },
    { body: "2001:db8::1 127.0.0.1 16" },
    { body: "192.0.2.7 127.0.0.1 4" },
    { body: "127.0.0.1 127.0.0.1 4" },
    { body: "127.0.0.1 127.0.0.1 4" },
  ],
});

wireCase("real_ip_header X-Forwarded-For: the last address, or with real_ip_recursive the last that is not trusted", {
  server: `real_ip_header X-Forwarded-For;
    location /last { set_real_ip_from 127.0.0.1; ${say} }
    location /all { set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; real_ip_recursive on; ${say} }
    location /not { set_real_ip_from 10.0.0.0/8; ${say} }`,
  send:
    get("/last", "X-Forwarded-For: 192.0.2.1, 10.0.0.1") +
    get("/all", "X-Forwarded-For: 203.0.113.9, 192.0.2.1 ,10.0.0.2, 10.0.0.1,") +
    get("/all", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1") +
    get("/all", "X-Forwarded-For: 10.0.0.9, 10.0.0.1") +
    get("/all", "X-Forwarded-For: bad, 10.0.0.1") +
    get("/not", "X-Forwarded-For: 192.0.2.1"),
  answers: ["10.0.0.1", "192.0.2.1", "192.0.2.1", "10.0.0.9", "10.0.0.1", "127.0.0.1"].map((a) => ({
    body: `${a} 127.0.0.1 4`,
  })),
});

wireCase("what follows sees the address: deny, the port, limits, the error log", {
  http: "limit_req_zone $remote_addr zone=z:1m rate=1r/m;",
  server: `set_real_ip_from 127.0.0.1;
    location /deny { deny 192.0.2.7; content_by_lua_block { ngx.print("in") } }
    location /port { content_by_lua_block { ngx.print(ngx.var.remote_port, " ", ngx.var.realip_remote_port ~= "") } }
    location /limit { limit_req zone=z; content_by_lua_block { ngx.print("in") } }
    location /log { content_by_lua_block { ngx.log(ngx.ERR, "told") } }`,
  send:
    get("/deny", "X-Real-IP: 192.0.2.7") +
    get("/deny", "X-Real-IP: 192.0.2.8") +
    get("/port", "X-Real-IP: 192.0.2.7:99") +
    get("/limit", "X-Real-IP: 192.0.2.1") +
    get("/limit", "X-Real-IP: 192.0.2.2") +
    get("/limit", "X-Real-IP: 192.0.2.1") +
    get("/log", "X-Real-IP: 192.0.2.3"),
  answers: [{ status: 403 }, { body: "in" }, { body: "99 true" }, { body: "in" }, { body: "in" }, { status: 503 }, {}],
  log: /told.*client: 192\.0\.2\.3, server/,
});

wireCase("a log handler that waits keeps its client's address, and the connection's next requests have theirs", {
  server: `set_real_ip_from 127.0.0.1; location / { ${say} }
    location /waits { ${say} log_by_lua_block { ngx.sleep(0.2) ngx.log(ngx.ERR, "kept ", ngx.var.remote_addr) } }
    location /behind { content_by_lua_block { ngx.sleep(0.4) ngx.print(ngx.var.remote_addr) } }`,
  send: get("/waits", "X-Real-IP: 192.0.2.7") + get("/") + get("/behind", "X-Real-IP: 192.0.2.8"),
  answers: [{ body: "192.0.2.7 127.0.0.1 4" }, { body: "127.0.0.1 127.0.0.1 4" }, { body: "192.0.2.8" }],
  log: /kept 192\.0\.2\.7.*client: 192\.0\.2\.7,/,
});

wireCase("set_real_ip_from takes a host's name: all of its addresses", {
  server: `location /name { set_real_ip_from localhost; ${say} } location /unix { set_real_ip_from unix:; ${say} }`,
  send: get("/name", "X-Real-IP: 192.0.2.7") + get("/unix", "X-Real-IP: 192.0.2.7"),
  answers: [{ body: "192.0.2.7 127.0.0.1 4" }, { body: "127.0.0.1 127.0.0.1 4" }],
});
