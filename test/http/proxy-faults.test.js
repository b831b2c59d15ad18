// SPDX-License-Identifier: MIT
// Upstream servers and clients that misbehave: what the client gets, and what the error log says.
import test from "ava"; // those that wait for moments, or move much, run one by one
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { constants, gunzipSync } from "node:zlib";
import { startMoonwire, splitResponse, waitFor } from "../helpers/index.js";
import { dnsServer } from "../helpers/dns.js";
import { answering, httpServer, rawServer } from "../helpers/upstream.js";

const head = (path = "/") => `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`;
const behind = async (t, serve, { location = "", ...rest } = {}) => {
  const port = await rawServer(t, serve);
  return startMoonwire(t, { server: `location / { ${location} proxy_pass http://127.0.0.1:${port}; }`, ...rest });
};

test("nobody listens", async (t) => {
  const s = await startMoonwire(t, { server: "location / { proxy_pass http://127.0.0.1:1; }" });
  const res = await s.get("/x?y");
  t.is(res.status, 502);
  t.regex(res.body, /<h1>502 Bad Gateway<\/h1>/);
  t.regex(
    s.log(),
    /\[error\].*connect\(\) failed \(111: Connection refused\) while connecting to upstream, client: 127.0.0.1, server: .*, request: "GET \/x\?y HTTP\/1.1", upstream: "http:\/\/127.0.0.1:1\/x\?y", host: "/,
  );
});

const malformed = {
  "no status line": [
    "garbage\r\n\r\n",
    /upstream sent no valid HTTP\/1.0 header while reading response header from upstream/,
  ],
  "another version": ["HTTP/2.0 200 OK\r\n\r\n", /no valid HTTP\/1.0 header/],
  "a bad field": ["HTTP/1.1 200 OK\r\nbad header: x\r\n\r\n", /upstream sent invalid header: "bad header: x"/],
  "two lengths": [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    /upstream sent duplicate header line/,
  ],
  "a bad length": ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", /upstream sent invalid "Content-Length" header/],
  "a huge length": ["HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", /invalid "Content-Length"/],
  "length and chunks": [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    /"Content-Length" and "Transfer-Encoding" headers at the same time/,
  ],
  "another coding": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", /unknown "Transfer-Encoding": "gzip"/],
  "a large head": [`HTTP/1.1 200 OK\r\nX: ${"x".repeat(5000)}\r\n\r\n`, /upstream sent too big header/],
  nothing: ["", /upstream prematurely closed connection while reading response header from upstream/],
  "half a head": ["HTTP/1.1 200 OK\r\nX: 1", /upstream prematurely closed connection while reading response header/],
  "interim heads without end": [
    "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33) + "HTTP/1.1 200 OK\r\n\r\n",
    /upstream sent too many interim responses while reading response header from upstream/,
  ],
  "another protocol": ["HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", /upstream switched protocols unasked/],
};
for (const [what, [bytes, line]] of Object.entries(malformed))
  test(`502: ${what}`, async (t) => {
    const s = await behind(t, answering(bytes));
    t.is((await s.get("/")).status, 502);
    t.regex(s.log(), line);
  });

test("32 interim heads are borne", async (t) => {
  const s = await behind(t, answering("HTTP/1.1 103 E\r\n\r\n".repeat(32) + "HTTP/1.1 200 OK\r\n\r\nok"));
  t.like(await s.get("/"), { status: 200, body: "ok" });
});

test("a reset before the head, and in the body", async (t) => {
  const s = await behind(t, (socket, text) => {
    if (text.includes("GET /body")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    setTimeout(() => socket.resetAndDestroy(), 50);
  });
  t.is((await s.get("/head")).status, 502);
  t.regex(s.log(), /recv\(\) failed \(104: Connection reset by peer\) while reading response header from upstream/);
  const cut = splitResponse(await s.raw(head("/body")));
  t.like(cut, { status: 200, body: "abc" });
  t.regex(s.log(), /recv\(\) failed \(104: Connection reset by peer\) while reading upstream/);
});

const cuts = {
  "a length": ["Content-Length: 10\r\n\r\nabc", "abc"],
  chunks: ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3\r\nabc\r\n"],
  "a bad chunk": ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", "3\r\nabc\r\n"],
};
for (const [what, [bytes, body]] of Object.entries(cuts))
  test(`a body cut short, told by ${what}: the client sees that it is not whole`, async (t) => {
    const s = await behind(t, answering(`HTTP/1.1 200 OK\r\n${bytes}`));
    const res = splitResponse(await s.raw(head().replace("Connection: close\r\n", "")));
    t.is(res.status, 200);
    t.is(res.body, body);
    t.regex(
      s.log(),
      /upstream prematurely closed connection while reading upstream|upstream sent invalid chunked response/,
    );
    await t.throwsAsync(s.get("/"), { message: "aborted" });
  });

// To a client of HTTP/1.0 nothing but what filters leave out can tell that a body is not whole.
test("filters do not complete a body that was cut short", async (t) => {
  const s = await behind(t, answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10\r\n\r\nxyz"), {
    location: `sub_filter za ZA; gzip_http_version 1.0; gzip_min_length 1; if ($arg_gzip) { gzip on; }
      if ($arg_lua) { body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1] .. (ngx.arg[2] and "eof" or "") } }
      if ($arg_echo) { echo_after_body after; }`,
  });
  const body = async (path) => {
    const bytes = await s.raw(`GET ${path} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n`);
    return bytes.subarray(bytes.indexOf("\r\n\r\n") + 4);
  };
  for (const path of ["/", "/?lua=1", "/?echo=1"]) t.is(String(await body(path)), "xy", path);
  const packed = await body("/?gzip=1");
  t.throws(() => gunzipSync(packed), { message: /unexpected end/ });
  t.is(String(gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH })), "xy");
});

test("a reply that comes byte by byte", async (t) => {
  const bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n";
  const s = await behind(t, async (socket) => {
    socket.setNoDelay(true);
    for (const c of bytes) {
      socket.write(c);
      await sleep(1);
    }
    socket.end();
  });
  const res = await s.get("/");
  t.like(res, { status: 200, body: "hello" });
  t.is(res.headers["x-a"], "b");
});

test.serial("interim heads do not restart the read timeout", async (t) => {
  const s = await behind(
    t,
    (socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 103 E\r\n\r\n"), 200);
      socket.on("close", () => clearInterval(timer));
    },
    { location: "proxy_read_timeout 500ms;" },
  );
  t.is((await s.get("/")).status, 504);
});

test.serial("timeouts: before the head 504, in the body a cut", async (t) => {
  const s = await behind(
    t,
    (socket, text) => {
      if (text.includes("GET /body")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    },
    { location: "proxy_read_timeout 500ms;" },
  );
  const res = await s.get("/head");
  t.is(res.status, 504);
  t.regex(res.body, /504 Gateway Time-out/);
  t.regex(
    s.log(),
    /upstream timed out \(110: Connection timed out\) while reading response header from upstream, client: /,
  );
  t.like(splitResponse(await s.raw(head("/body"))), { status: 200, body: "" }, "as in nginx: no buffer was full");
  t.regex(s.log(), /upstream timed out \(110: Connection timed out\) while reading upstream, client: /);
});

test("the next server is tried where it may be", async (t) => {
  let calls = 0;
  const bad = await httpServer(t, (req, res) => {
    calls++;
    if (req.url === "/503") res.writeHead(503).end("busy");
    else req.socket.destroy();
  });
  const good = await httpServer(t, (_, res) => res.end("good"));
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${bad} max_fails=0 weight=100; server 127.0.0.1:${good} max_fails=0; }`,
    server: `location / { proxy_pass http://u; } location /503 { proxy_next_upstream error http_503; proxy_pass http://u; }
      location /once { proxy_next_upstream_tries 1; proxy_pass http://u; } location /off { proxy_next_upstream off; proxy_pass http://u; }`,
  });
  t.is((await s.get("/get")).body, "good");
  t.is((await s.get("/post", { method: "POST", body: "x" })).status, 502, "a POST may have been acted on");
  t.is((await s.get("/503")).body, "good");
  t.is((await s.get("/once")).status, 502);
  t.is((await s.get("/off")).status, 502);
  t.is(calls, 5);
});

test("the last server's own error page is the answer: those that are down are no more tries, nor those out of time", async (t) => {
  const port = await httpServer(t, (req, res) => setTimeout(() => res.writeHead(404).end("theirs"), 150));
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${port}; server 127.0.0.1:${port} down; server 127.0.0.1:${port} backup down; }
      upstream two { server 127.0.0.1:${port}; server 127.0.0.1:${port}; }`,
    server: `proxy_next_upstream http_404; location / { proxy_pass http://u; }
      location /late { proxy_next_upstream_timeout 100ms; proxy_pass http://two; }
      location /two { add_header X-Time $upstream_response_time always; proxy_pass http://two; }`,
  });
  t.like(await s.get("/"), { status: 404, body: "theirs" });
  t.like(await s.get("/late"), { status: 404, body: "theirs" });
  t.regex((await s.get("/two")).headers["x-time"], /^\d\.\d{3}, -$/, "an attempt under way has no time yet");
});

test("error pages: of the gateway, and of the upstream's errors", async (t) => {
  const port = await httpServer(t, (_, res) => res.writeHead(404).end("theirs"));
  const s = await startMoonwire(t, {
    server: `error_page 404 502 /page; location /page { return 200 "ours $status"; } location /dead { proxy_pass http://127.0.0.1:1; }
      location /in { proxy_intercept_errors on; proxy_pass http://127.0.0.1:${port}; } location / { proxy_pass http://127.0.0.1:${port}; }
      location /back { error_page 502 = @good; proxy_pass http://127.0.0.1:1; }
      location @good { add_header X-Addr $upstream_addr; proxy_intercept_errors off; proxy_pass http://127.0.0.1:${port}; }`,
  });
  t.like(await s.get("/dead"), { status: 502 });
  t.regex((await s.get("/dead")).body, /ours/);
  t.regex((await s.get("/in")).body, /ours/);
  t.like(await s.get("/"), { status: 404, body: "theirs" });
  t.like(await s.get("/back"), { status: 404, body: "theirs" });
});

test.serial("a slow client holds the upstream back; memory stays small", async (t) => {
  let sent = 0;
  const s = await behind(t, (socket) => {
    socket.write("HTTP/1.0 200 OK\r\n\r\n");
    const part = Buffer.alloc(65536);
    const more = () => {
      while (sent < 200e6) {
        sent += part.length;
        if (!socket.write(part)) return socket.once("drain", more);
      }
      socket.end();
    };
    more();
  });
  const client = connect(s.port, "127.0.0.1");
  client.on("error", () => {});
  client.write(head());
  await sleep(300);
  client.pause();
  await sleep(500);
  const stopped = sent;
  await sleep(300);
  t.true(sent - stopped < 1e6, "the upstream waits");
  t.true(sent < 60e6);
  client.destroy();
  t.is((await s.get("/")).status, 200);
});

test.serial("the client goes: the upstream connection is closed too, unless that is to be ignored", async (t) => {
  const ends = [];
  const serve = (socket, text) => {
    const path = text.split(" ")[1];
    socket.on("close", () => ends.push(path));
    if (path === "/ignored") setTimeout(() => socket.end("HTTP/1.0 200 OK\r\n\r\nok"), 300);
  };
  const port = await rawServer(t, serve);
  const s = await startMoonwire(t, {
    http: "log_format f '$request_uri $status $upstream_status';",
    server: `access_log logs/access.log f; location / { proxy_pass http://127.0.0.1:${port}; } location /ignored { proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:${port}; }`,
  });
  for (const [path, leave] of [
    ["/destroyed", "resetAndDestroy"],
    ["/closed", "end"],
    ["/ignored", "destroy"],
  ]) {
    const client = connect(s.port, "127.0.0.1");
    client.on("error", () => {});
    client.write(head(path));
    await sleep(100);
    client[leave]();
  }
  await waitFor(() => ends.length === 3);
  t.deepEqual(ends, ["/destroyed", "/closed", "/ignored"]);
  await waitFor(() => /\/ignored 200 200/.test(s.log("logs/access.log")));
  t.regex(s.log("logs/access.log"), /\/destroyed 499 -\n\/closed 499 -\n/);
  t.regex(
    s.log(),
    /epoll_wait\(\) reported that client prematurely closed connection, so upstream connection is closed too while reading response header from upstream, client: /,
  );
});

test("a location's settings are checked", async (t) => {
  const refused = async (server, message, http = "") =>
    t.regex((await t.throwsAsync(startMoonwire(t, { server, http }))).message, message);
  await refused("location / { proxy_pass ftp://x; }", /invalid URL prefix/);
  await refused("location / { proxy_pass https://x; }", /https protocol requires SSL support/);
  await refused(
    "location / { proxy_pass http://no.such.host.invalid; }",
    /host not found in upstream "no.such.host.invalid"/,
  );
  const http = "proxy_cache_path c keys_zone=one:1m;";
  await refused(
    "location / { proxy_cache one; proxy_store on; proxy_pass http://127.0.0.1; }",
    /"proxy_store" directive is incompatible with "proxy_cache"/,
    http,
  );
  await refused(
    "location / { proxy_store on; proxy_cache one; proxy_pass http://127.0.0.1; }",
    /"proxy_cache" directive is incompatible with "proxy_store"/,
    http,
  );
  await refused("proxy_limit_rate fast;", /"proxy_limit_rate" directive invalid value/);
  await refused("proxy_bind 127.0.0.1 opaque;", /invalid parameter "opaque"/);
  await refused("", /no servers are inside upstream/, "upstream u { }");
  await refused("", /"sticky" in "upstream" is not supported/, "upstream u { sticky cookie c; server 127.0.0.1; }");
});

test("a proxied name that is only known at the request needs a resolver", async (t) => {
  const s = await startMoonwire(t, { server: "location / { set $h no.such.host; proxy_pass http://$h/; }" });
  t.is((await s.get("/")).status, 502);
  t.regex(s.log(), /no resolver defined to resolve no.such.host/);
});

test.serial(
  "an upstream that answers early and resets is not followed by another in the middle of the body",
  async (t) => {
    let others = 0;
    const early = await rawServer(t, async (socket) => {
      socket.pause().write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial");
      await sleep(200);
      socket.resetAndDestroy();
    });
    const other = await httpServer(t, (_, res) => {
      others++;
      res.end("other");
    });
    const s = await startMoonwire(t, {
      http: `upstream u { server 127.0.0.1:${early}; server 127.0.0.1:${other} backup; }`,
      server: "client_max_body_size 100m; location / { proxy_pass http://u; }",
    });
    const body = "x".repeat(20_000_000);
    const res = splitResponse(
      await s.raw(
        head().replace("GET", "PUT").replace("\r\n\r\n", `\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
      ),
    );
    t.is(res.status, 200);
    t.true("partial".startsWith(res.body), res.body);
    t.is(others, 0);
  },
);

/** A kept connection, and how many were made. */
const behindKept = async (t, serve, location = "") => {
  const count = { connections: 0 };
  const port = await rawServer(t, (socket, text) => {
    count.connections++;
    serve(socket, text);
  });
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${port}; keepalive 4; }`,
    server: `location / { proxy_http_version 1.1; proxy_set_header Connection ""; ${location} proxy_pass http://u; }`,
  });
  return { s, count };
};
const planted = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted";

test("bytes behind a reply, still in the kernel, do not answer the next request", async (t) => {
  const { s, count } = await behindKept(
    t,
    (socket) => {
      const rest = (n) => `HTTP/1.1 200 OK\r\nContent-Length: ${n}\r\n\r\n`;
      const length = 4096 - rest(1000).length; // head and body fill the buffer that one recv() reads into
      socket.write(rest(length) + "x".repeat(length) + planted);
    },
    "proxy_buffer_size 4096;",
  );
  t.regex((await s.get("/")).body, /^x+$/);
  t.regex((await s.get("/")).body, /^x+$/);
  t.is(count.connections, 2);
});

test("proxy_method: whether a reply has a body says the method that was sent", async (t) => {
  const asHead = await behind(t, (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), {
    location: "proxy_method HEAD;",
  });
  t.regex((await asHead.raw(head())).toString(), /^HTTP\/1\.1 200 OK\r\n/);
  t.notRegex(asHead.log(), /timed out/);
  const { s } = await behindKept(
    t,
    (socket) => {
      const answer = () => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        setTimeout(() => socket.write("hello"), 200);
      };
      answer();
      socket.on("data", answer);
    },
    "proxy_method GET;",
  );
  t.is((await s.get("/", { method: "HEAD" })).status, 200);
  t.like(await s.get("/"), { status: 200, body: "hello" }, "the body of the reply before is no reply");
});

test("Connection: close among other options, or beside keep-alive, is honoured", async (t) => {
  let n = 0;
  const options = ["TE, close", "keep-alive", "close\r\nConnection: keep-alive"];
  const { s, count } = await behindKept(t, (socket) => {
    const answer = () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: ${options[n++]}\r\n\r\nok`);
    answer();
    socket.on("data", answer);
  });
  for (const connections of [1, 2, 2, 3]) {
    options.push("close");
    t.is((await s.get("/")).body, "ok");
    t.is(count.connections, connections);
  }
});

test("X-Accel-Redirect: its path is unescaped, and may not lead up", async (t) => {
  const port = await httpServer(t, (req, res) => res.writeHead(200, { "X-Accel-Redirect": req.headers["x-to"] }).end());
  const s = await startMoonwire(t, {
    server: `location / { proxy_pass http://127.0.0.1:${port}; } location /files/ { internal; root __PREFIX__/html; }`,
    files: { "secret.txt": "secret", "html/files/a b.txt": "a b" },
  });
  const to = async (uri) => s.get("/", { headers: { "X-To": uri } });
  t.is((await to("/files/a%20b.txt?x")).body, "a b");
  for (const uri of ["/files/../../secret.txt", "/files/%2e%2e/%2E./secret.txt", "/files/a%00", "/files/.."])
    t.is((await to(uri)).status, 404, uri);
  t.regex(s.log(), /unsafe URI "\/files\/\.\.\/\.\.\/secret\.txt" was detected/);
});

test.serial("a name in a variable is looked up with the resolver, and all its addresses are asked", async (t) => {
  const port = await httpServer(t, (req, res) => res.end(`${req.headers.host} ${req.url}`));
  let isHeld = true;
  const answers = { "two.test": ["127.0.0.1", "127.0.0.9"], "one.test": ["127.0.0.1"], localhost: ["127.0.0.9"] };
  const dns = await dnsServer(t, (name, type) => {
    if (name === "silent.test" && isHeld) return undefined;
    return answers[name] ? { addresses: type === "A" ? answers[name] : [] } : { code: "NXDOMAIN" };
  });
  const s = await startMoonwire(t, {
    http: `log_format up "$uri $status $upstream_addr"; access_log logs/access.log up;`,
    server: `resolver 127.0.0.1:${dns.port}; resolver_timeout 300ms;
      location = /patient { resolver_timeout 1m; proxy_pass http://silent.test$arg_none:${port}/x; }
      location = /local { proxy_pass http://localhost$arg_none:${port}/x; }
      location ~ ^/(.+) { proxy_pass http://$1.test:${port}/x; } location = /bad { proxy_pass http://one.test:$args/; }`,
  });
  t.is((await s.get("/one")).body, `one.test:${port} /x`);
  for (let i = 0; i < 2; i++) t.is((await s.get("/two")).body, `two.test:${port} /x`);
  t.is((await s.get("/none")).status, 502);
  t.is((await s.get("/silent")).status, 502);
  t.is((await s.get("/bad?70000")).status, 500);
  t.is((await s.get("/local")).status, 502);
  const client = connect(s.port, "127.0.0.1", () => client.end("GET /patient HTTP/1.0\r\n\r\n"));
  await waitFor(() => s.log("logs/access.log").includes("/patient 499"));
  isHeld = false;
  t.regex(s.log(), /none.test could not be resolved \(3: Host not found\), client: /);
  t.regex(s.log(), /silent.test could not be resolved \(110: Operation timed out\)/);
  t.regex(s.log(), /invalid port in upstream "one.test:70000"/);
  const log = s.log("logs/access.log");
  t.true(log.includes(`/one 200 127.0.0.1:${port}\n`), log);
  // The other address refuses: it is asked first one time in two.
  t.regex(log, new RegExp(`/two 200 127.0.0.9:${port}, 127.0.0.1:${port}\n`), log);
  t.true(log.includes("/none 502 -\n"), log);
  t.true(log.includes(`/local 502 127.0.0.9:${port}\n`), "as in nginx the name server is asked for it too");
});
