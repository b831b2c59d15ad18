// SPDX-License-Identifier: MIT
// proxy_pass against real servers: requests as they arrive there, replies as the client gets them.
import test from "ava";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { lua, serve } from "moonwire";
import { get, makePrefix, removePrefix, startMoonwire, splitResponse } from "../helpers/index.js";
import { answering, httpServer, rawServer } from "../helpers/upstream.js";

const echo = (req, res) => {
  const parts = [];
  req.on("data", (p) => parts.push(p));
  req.on("end", () =>
    res.end(
      JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(parts).toString() }),
    ),
  );
};
const proxied = async (t, handler, location, rest = {}) => {
  const port = await httpServer(t, handler);
  return startMoonwire(t, { server: location.replaceAll("PORT", port), ...rest });
};

test("a request arrives as nginx sends it", async (t) => {
  const port = await rawServer(t, (socket, text) =>
    socket.end(`HTTP/1.0 200 OK\r\nContent-Type: text/x\r\n\r\n${text}`),
  );
  const s = await startMoonwire(t, { server: `location / { proxy_pass http://127.0.0.1:${port}; }` });
  const res = await s.get("/a%20b?x=1", { headers: { "X-Own": "1", TE: "trailers", Connection: "keep-alive, x" } });
  t.is(res.status, 200);
  t.is(res.headers["content-type"], "text/x");
  t.is(res.body, `GET /a%20b?x=1 HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\nX-Own: 1\r\n\r\n`);
});

test("proxy_pass with a uri replaces the location's prefix", async (t) => {
  const s = await proxied(
    t,
    echo,
    `location /a/ { proxy_pass http://127.0.0.1:PORT/b/; }
    location = /x { proxy_pass http://127.0.0.1:PORT/y; } location /v { proxy_pass http://127.0.0.1:PORT/w?$args; }
    location /n/ { proxy_pass http://127.0.0.1:PORT; }`,
  );
  const url = async (path) => JSON.parse((await s.get(path)).body).url;
  t.is(await url("/a/c%2Fd?e=%20"), "/b/c/d?e=%20");
  t.is(await url("/a/%20%3f"), "/b/%20%3F");
  t.is(await url("/x?1"), "/y?1");
  t.is(await url("/v?q=1"), "/w?q=1");
  t.regex(
    String(await s.raw("GET /n/../n/%2e HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")),
    /"url":"\/n\/..\/n\/%2e"/,
  );
});

test("bodies: in memory, in a file, chunked; headers set and left out", async (t) => {
  const s = await proxied(
    t,
    echo,
    `client_body_buffer_size 1k; client_max_body_size 0; proxy_http_version 1.1; proxy_set_header Host own.test; proxy_set_header X-Gone "";
     proxy_set_header X-Uri $uri; location / { proxy_pass http://127.0.0.1:PORT; }
     location /set { proxy_set_body "<$args>"; proxy_method PUT; proxy_pass http://127.0.0.1:PORT; }
     location /none { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass_request_headers off; proxy_pass http://127.0.0.1:PORT; }`,
  );
  const post = async (path, body, headers = {}) =>
    JSON.parse((await s.get(path, { method: "POST", body, headers })).body);
  const small = await post("/p", "hello", { "X-Gone": "1", "X-Stay": "2" });
  t.like(small, { method: "POST", body: "hello" });
  t.like(small.headers, { host: "own.test", "x-uri": "/p", "x-stay": "2", "content-length": "5" });
  t.false("x-gone" in small.headers);
  const big = "x".repeat(300_000);
  t.is((await post("/f", big)).body, big);
  const chunked = await post("/c", big, { "Transfer-Encoding": "chunked" });
  t.is(chunked.body, big);
  t.is(chunked.headers["content-length"], "300000");
  t.like(await post("/set?q", "client"), { method: "PUT", body: "<q>" });
  const none = await post("/none", "client", { "X-Y": "1" });
  t.like(none, { method: "POST", body: "" });
  t.false("x-y" in none.headers);
});

test("replies: lengths, chunks, to the end of the stream, without a body, statuses", async (t) => {
  const replies = {
    "/length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello",
    "/chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
    "/close": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
    "/none": "HTTP/1.1 204 No Content\r\n\r\n",
    "/unmodified": 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    "/own": "HTTP/1.1 299 Own Words\r\nContent-Length: 0\r\nServer: up\r\nDate: x\r\nX-Pad: x\r\n\r\n",
    "/hundred":
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok",
    "/more": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokMORE",
  };
  const port = await rawServer(t, (socket, text) => socket.end(replies[text.split(" ")[1]]));
  const s = await startMoonwire(t, { server: `location / { proxy_pass http://127.0.0.1:${port}; }` });
  const raw = async (path) =>
    splitResponse(await s.raw(`GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`));
  const length = await raw("/length");
  t.regex(length.head, /^HTTP\/1.1 200 OK\r\n[^]*Content-Length: 5\r\n[^]*X-A: 1\r\nX-A: 2/);
  t.notRegex(length.head, /Content-Type/);
  t.is(length.body, "hello");
  const chunks = await raw("/chunks");
  t.regex(chunks.head, /Transfer-Encoding: chunked/);
  t.is(chunks.body, "5\r\nabcde\r\n0\r\n\r\n");
  t.is((await s.get("/close")).body, "to the end");
  t.is((await raw("/none")).head.split("\r\n")[0], "HTTP/1.1 204 No Content");
  t.regex((await raw("/unmodified")).head, /^HTTP\/1.1 304 Not Modified[^]*ETag: "a"/);
  const own = (await raw("/own")).head;
  t.regex(own, /^HTTP\/1.1 299 Own Words\r\n/);
  t.regex(own, /Server: moonwire/);
  t.notRegex(own, /X-Pad|Server: up|Date: x/);
  t.like(await raw("/hundred"), { status: 201, body: "ok" });
  t.is((await raw("/more")).body, "ok");
  t.is((await s.get("/length", { method: "HEAD" })).headers["content-length"], "5");
});

test("a large reply comes whole, through buffers and without", async (t) => {
  const body = Buffer.alloc(5_000_000, "0123456789abcdef");
  const s = await proxied(
    t,
    (req, res) => {
      if (req.url.includes("length")) res.setHeader("Content-Length", body.length);
      res.end(body);
    },
    `proxy_http_version 1.1; location /on { proxy_pass http://127.0.0.1:PORT; } location /off { proxy_buffering off; proxy_pass http://127.0.0.1:PORT; }
     location /lua { proxy_pass http://127.0.0.1:PORT; body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() } }`,
  );
  for (const path of ["/on", "/on-length", "/off", "/off-length"]) t.true((await s.get(path)).bytes.equals(body), path);
  t.true((await s.get("/lua")).bytes.equals(Buffer.from(body.toString().toUpperCase())));
});

test("groups: turns by weight, backups, failures", async (t) => {
  const [a, b] = [await httpServer(t, (_, res) => res.end("a")), await httpServer(t, (_, res) => res.end("b"))];
  const s = await startMoonwire(t, {
    http: `upstream both { server 127.0.0.1:${a} weight=3; server 127.0.0.1:${b}; }
      upstream spare { server 127.0.0.1:1; server 127.0.0.1:${b} backup; }
      upstream gone { server 127.0.0.1:1 down; }`,
    server: `location /both { proxy_pass http://both; } location /spare { add_header X-Addr $upstream_addr; add_header X-Status $upstream_status; proxy_pass http://spare/; }
      location /gone { proxy_pass http://gone; } location /var { set $g both; proxy_pass http://$g/; }`,
  });
  const many = async (path, n) => {
    let text = "";
    for (let i = 0; i < n; i++) text += (await s.get(path)).body;
    return text;
  };
  t.is([...(await many("/both", 8))].toSorted().join(""), "aaaaaabb");
  const first = await s.get("/spare");
  t.is(first.body, "b");
  t.is(first.headers["x-addr"], `127.0.0.1:1, 127.0.0.1:${b}`);
  t.is(first.headers["x-status"], "502, 200");
  t.is((await s.get("/spare")).headers["x-addr"], `127.0.0.1:${b}`, "the failed one is left alone for a while");
  t.is((await s.get("/gone")).status, 502);
  t.regex(
    s.log(),
    /no live upstreams while connecting to upstream, client: 127.0.0.1, .*upstream: "http:\/\/gone\/gone"/,
  );
  t.is((await many("/var", 1)).length, 1);
});

test("a unix socket", async (t) => {
  const path = join(tmpdir(), `mw-proxy-${process.pid}.sock`);
  await httpServer(t, echo, path);
  const s = await startMoonwire(t, {
    server: `location /u/ { proxy_pass http://unix:${path}:/w/; } location /no { proxy_pass http://unix:/nowhere.sock; }`,
  });
  t.like(JSON.parse((await s.get("/u/x?y")).body), {
    url: "/w/x?y",
    headers: { host: "localhost", connection: "close" },
  });
  t.is((await s.get("/no")).status, 502);
  t.regex(
    s.log(),
    /\[crit\].*connect\(\) to unix:\/nowhere.sock failed \(2: No such file or directory\) while connecting to upstream, client: 127.0.0.1/,
  );
});

test("redirects and accelerated redirects", async (t) => {
  const s = await proxied(
    t,
    (req, res) => {
      const { url } = req;
      if (url.startsWith("/b/accel"))
        res.writeHead(200, { "X-Accel-Redirect": "/own?z=1", "Content-Type": "x/y", "X-Lost": "1" }).end();
      else
        res
          .writeHead(302, { Location: url.includes("far") ? "http://far/" : `http://${req.headers.host}/b/there?x` })
          .end();
    },
    `location /a/ { proxy_pass http://127.0.0.1:PORT/b/; } location /own { internal; return 200 "own $args"; }
     location /r/ { proxy_redirect http://$proxy_host/b/ /q/; proxy_pass http://127.0.0.1:PORT/; }`,
  );
  t.like(await s.get("/a?x"), { status: 301 }, "a folder is proxied: to the folder");
  t.is((await s.get("/a?x")).headers.location, `${s.url}/a/?x`);
  t.is((await s.get("/a/x")).headers.location, `${s.url}/a/there?x`);
  t.is((await s.get("/a/far")).headers.location, "http://far/");
  t.is((await s.get("/r/x")).headers.location, `${s.url}/q/there?x`);
  const own = await s.get("/a/accel");
  t.is(own.body, "own z=1");
  t.is(own.headers["x-lost"], undefined);
});

test("a capture of a proxied location", async (t) => {
  const port = await rawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"));
  const cut = await rawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"));
  const s = await startMoonwire(t, {
    server: `location /p { proxy_pass http://127.0.0.1:${port}; } location /cut { proxy_pass http://127.0.0.1:${cut}; }
      location /dead { proxy_pass http://127.0.0.1:1; }
      location / { content_by_lua_block {
        for _, path in ipairs { "/p", "/cut", "/dead" } do
          local res = ngx.location.capture(path)
          ngx.say(path, " ", res.status, " ", res.body, " ", res.header["X-A"], " ", res.truncated)
        end
      } }`,
  });
  t.is((await s.get("/")).body, "/p 200 hello b false\n/cut 200 hello nil true\n/dead 502  nil true\n");
});

test("redirects by regex; cookies: domain, path, flags", async (t) => {
  const s = await proxied(
    t,
    (req, res) =>
      req.url === "/moved"
        ? res.writeHead(301, { Location: "http://up.test:81/a/b", Refresh: "3; url=http://up.test:81/c" }).end()
        : res
            .writeHead(200, {
              "Set-Cookie": ["a=1; Domain=.up.test; Path=/one/x; Secure", "b=2; path=/three; domain=other", "sid=3"],
            })
            .end(),
    `proxy_redirect ~^http://([^:]+):\\d+/(.*)$ /$1/$2; proxy_cookie_domain up.test own.test; proxy_cookie_domain ~^oth(er)$ $1.test;
     proxy_cookie_path /one/ /two/; proxy_cookie_flags a nosecure samesite=lax; proxy_cookie_flags ~*^SI httponly secure;
     location / { proxy_pass http://127.0.0.1:PORT; }`,
  );
  const moved = await s.get("/moved");
  t.is(moved.headers.location, `${s.url}/up.test/a/b`);
  t.is(moved.headers.refresh, "3; url=/up.test/c");
  t.deepEqual((await s.get("/")).headers["set-cookie"], [
    "a=1; Domain=.own.test; Path=/two/x; SameSite=Lax",
    "b=2; path=/three; domain=er.test",
    "sid=3; Secure; HttpOnly",
  ]);
  const bad = startMoonwire(t, { server: "location / { proxy_redirect ~( /; proxy_pass http://127.0.0.1; }" });
  t.regex((await t.throwsAsync(bad)).message, /pcre2_compile\(\) failed/);
});

test("a configuration object", async (t) => {
  const port = await httpServer(t, echo);
  const prefix = makePrefix();
  t.teardown(() => removePrefix(prefix));
  const server = await serve(
    {
      errorLog: "stderr crit",
      http: {
        upstream: {
          api: { server: [`127.0.0.1:${port} weight=2`, "127.0.0.1:1 backup"], keepalive: 4, keepaliveTimeout: "5s" },
          lua: {
            server: "0.0.0.1",
            balancerByLua: lua`assert(require("ngx.balancer").set_current_peer("127.0.0.1", ${port}))`,
          },
        },
        proxySetHeader: { Host: "obj.test" },
        server: [
          {
            listen: "127.0.0.1:0",
            location: {
              "/a/": { proxyPass: "http://api/b/", proxyBuffers: [4, "8k"] },
              "/l": { proxyPass: "http://lua" },
            },
          },
        ],
      },
    },
    { prefix },
  );
  t.teardown(() => server.close());
  const url = `http://${server.addresses[0]}`;
  t.like(JSON.parse((await get(`${url}/a/c`)).body), { url: "/b/c", headers: { host: "obj.test" } });
  t.like(JSON.parse((await get(`${url}/l`)).body), { url: "/l" });
});

test("line ends and blanks from variables and arguments stay within their line", async (t) => {
  const port = await rawServer(t, (socket, text) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${text}`));
  const s = await startMoonwire(t, {
    server: `location /hdr/ { proxy_set_header X-Uri $uri; proxy_pass http://127.0.0.1:${port}/h; }
      location /var/ { proxy_pass http://127.0.0.1:${port}$uri; }
      location /method/ { proxy_method $arg_m$uri; proxy_pass http://127.0.0.1:${port}/m; }
      location /sub/ { proxy_pass http://127.0.0.1:${port}; }
      location /exec { content_by_lua_block { ngx.exec("/sub/y", "a=1 HTTP/1.1\\r\\nX-Evil: 1") } }
      location /capture { content_by_lua_block {
        ngx.print(ngx.location.capture("/sub/z", { args = "b=\\r\\nX-Evil: 1" }).body) } }
      location /set { content_by_lua_block { ngx.req.set_header("X-Own", "1\\r\\nX-Evil: 1") ngx.exec("/sub/h") } }`,
  });
  const lines = async (path) => (await s.get(path)).body.split("\r\n");
  t.true((await lines("/hdr/a%0d%0aX-Evil:%20x%09")).includes("X-Uri: /hdr/a%0D%0AX-Evil: x\t"));
  t.is((await lines("/var/a%0d%0aX-Evil:%20x%01"))[0], "GET /var/a%0D%0AX-Evil:%20x%01 HTTP/1.0");
  t.is((await lines("/method/%0aX"))[0], "/method/%0AX /m%0AX HTTP/1.0");
  t.is((await lines("/exec"))[0], "GET /sub/y?a=1%20HTTP/1.1%0D%0AX-Evil:%201 HTTP/1.0");
  t.is((await lines("/capture"))[0], "GET /sub/z?b=%0D%0AX-Evil:%201 HTTP/1.0");
  t.true((await lines("/set")).includes("X-Own: 1%0D%0AX-Evil: 1"));
});

test("a body that is not passed on leaves kept connections in step", async (t) => {
  const connections = new Set();
  const port = await httpServer(t, (req, res) => {
    connections.add(req.socket);
    echo(req, res);
  });
  const common = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://up;`;
  const s = await startMoonwire(t, {
    http: `upstream up { server 127.0.0.1:${port}; keepalive 4; }`,
    server: `location /on { ${common} } location /off { proxy_pass_request_body off; ${common} }
      location /none { proxy_pass_request_body off; proxy_set_header Content-Length ""; ${common} }
      location /wrong { proxy_pass_request_body off; proxy_set_header Content-Length $http_x_length; ${common} }`,
  });
  const post = async (path, headers) =>
    JSON.parse((await s.get(path, { method: "POST", body: "hello", headers })).body);
  const off = await post("/off");
  t.like(off, { method: "POST", body: "" });
  t.is(off.headers["content-length"], "0");
  t.false("content-length" in (await post("/none")).headers);
  t.is((await post("/wrong", { "X-Length": "0" })).headers["content-length"], "0");
  t.is((await post("/on")).body, "hello");
  t.is(connections.size, 1);
});

test("a length of one's own that the body has not ends the connection", async (t) => {
  const seen = [];
  const port = await rawServer(t, (socket, text) => {
    seen.push(text);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const s = await startMoonwire(t, {
    http: `upstream up { server 127.0.0.1:${port}; keepalive 4; }`,
    server: `proxy_http_version 1.1; proxy_set_header Connection "";
      location /length { proxy_pass_request_body off; proxy_set_header Content-Length 5; proxy_pass http://up; }
      location /chunks { proxy_set_header Connection ""; proxy_set_header Transfer-Encoding chunked; proxy_pass http://up; }`,
  });
  for (const path of ["/length", "/chunks", "/length"])
    t.is((await s.get(path, { method: "POST", body: "hello" })).body, "ok");
  t.is(seen.length, 3, "each on a connection of its own");
});
