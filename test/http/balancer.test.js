// SPDX-License-Identifier: MIT
// Idle connections of upstream groups, and groups whose servers balancer_by_lua* chooses.
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { httpServer, rawServer } from "../helpers/upstream.js";

const kept = 'proxy_http_version 1.1; proxy_set_header Connection "";';

/** A node http server that says how many connections it has had. */
const counting = async (t, answer = (_req, res) => res.end(`${res.socket.number}`)) => {
  let connections = 0;
  const seen = { open: 0 };
  const port = await httpServer(t, (req, res) => {
    if (!res.socket.number) {
      res.socket.number = ++connections;
      seen.open++;
      res.socket.on("close", () => seen.open--);
    }
    answer(req, res);
  });
  return { port, seen };
};

test("connections are kept and used again, the newest first, no more than said", async (t) => {
  const { port, seen } = await counting(t, (req, res) =>
    setTimeout(() => res.end(`${res.socket.number}`), req.url === "/slow" ? 200 : 0),
  );
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${port}; keepalive 2; } upstream three { server 127.0.0.1:${port}; keepalive 1; keepalive_requests 3; }
      upstream short { server 127.0.0.1:${port}; keepalive 1; keepalive_timeout 100ms; }`,
    server: `${kept} location / { proxy_pass http://u; } location /three { proxy_pass http://three; } location /short { proxy_pass http://short; }
      location /closing { proxy_set_header Connection close; proxy_pass http://u; }`,
  });
  const one = async (path = "/") => (await s.get(path)).body;
  t.is(await one(), "1");
  t.is(await one(), "1");
  t.deepEqual((await Promise.all([one("/slow"), one("/slow"), one("/slow"), one("/slow")])).toSorted(), [
    "1",
    "2",
    "3",
    "4",
  ]);
  await waitFor(() => seen.open === 2);
  t.is(await one("/three"), "5");
  t.is(await one("/three"), "5");
  t.is(await one("/three"), "5");
  t.is(await one("/three"), "6");
  t.is(await one("/short"), "7");
  await waitFor(() => seen.open === 3);
  t.is(await one("/short"), "8");
  t.true(Number(await one("/closing")) < 5);
});

test("a reply that cannot be told from the next is the last on its connection", async (t) => {
  let connections = 0;
  const replies = {
    "/more": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc",
    "/extra": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "/close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
    "/old": "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
    "/chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
  };
  const port = await rawServer(t, (socket, text) => {
    connections++;
    socket.write(replies[text.split(" ")[1]]);
  });
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${port}; keepalive 9; }`,
    server: `${kept} location / { proxy_pass http://u; }`,
  });
  let n = 0;
  for (const path of Object.keys(replies)) {
    t.is((await s.get(path)).status, 200, path);
    t.is(connections, ++n, path);
  }
});

test("a kept connection that has gone stale: another one is tried", async (t) => {
  let connections = 0;
  const port = await rawServer(t, (socket) => {
    connections++;
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    socket.on("data", () => socket.destroy());
  });
  const s = await startMoonwire(t, {
    http: `upstream u { server 127.0.0.1:${port}; keepalive 9; }`,
    server: `${kept} location / { proxy_pass http://u; }`,
  });
  t.is((await s.get("/")).body, "ok");
  t.is((await s.get("/")).body, "ok");
  t.is(connections, 2);
});

test("a balancer in Lua: the peer, more tries, the last failure, timeouts, keep-alive", async (t) => {
  const { port } = await counting(t, (req, res) => {
    if (req.url === "/slow") return;
    if (req.url === "/busy" && !res.socket.wasBusy) {
      res.socket.wasBusy = true;
      return res.writeHead(503).end();
    }
    res.end(`${res.socket.number} ${req.headers["x-try"] ?? ""}`);
  });
  const s = await startMoonwire(t, {
    http: `upstream u { server 0.0.0.1; balancer_by_lua_block {
        local balancer = require "ngx.balancer"
        local tries = (ngx.ctx.tries or 0) + 1
        ngx.ctx.tries = tries
        if tries == 1 then
          assert(balancer.get_last_failure() == nil)
          assert(balancer.set_more_tries(2))
          assert(balancer.set_current_peer("127.0.0.1", 1))
        else
          local state, status = balancer.get_last_failure()
          ngx.req.set_header("X-Try", state .. " " .. status)
          assert(balancer.recreate_request())
          assert(balancer.set_timeouts(1, 1, 0.5))
          assert(balancer.set_current_peer("127.0.0.1:" .. ngx.var.upstream_port))
          assert(balancer.enable_keepalive(10, 5))
        end
      } }
      upstream refused { server 127.0.0.1:${port}; balancer_by_lua_block {
        local balancer = require "ngx.balancer"
        local how = ngx.var.arg_how
        if how == "exit" then ngx.exit(403) end
        if how == "error" then error("own error") end
        if how == "sleep" then ngx.sleep(0.01) end
        if how == "name" then
          local ok, err = balancer.set_current_peer("localhost", 80)
          ngx.log(ngx.WARN, "peer: ", ok, " ", err)
        end
      } }`,
    server: `${kept} set $upstream_port ${port}; proxy_next_upstream error http_503; location /refused { proxy_pass http://refused/; } location / { proxy_pass http://u; }
      location /outside { content_by_lua_block { ngx.print(pcall(require("ngx.balancer").set_current_peer, "127.0.0.1", 80)) } }`,
  });
  t.is((await s.get("/")).body, "1 failed 502");
  t.is((await s.get("/")).body, "1 failed 502", "the connection was kept");
  t.is((await s.get("/slow")).status, 504);
  t.is((await s.get("/refused?how=exit")).status, 403);
  t.is((await s.get("/refused?how=error")).status, 500);
  t.regex(s.log(), /\[error\].*failed to run balancer_by_lua\*: balancer_by_lua\(nginx.conf:\d+\):\d+: own error/);
  t.is((await s.get("/refused?how=sleep")).status, 200);
  t.is((await s.get("/refused?how=name")).status, 200);
  t.regex(s.log(), /peer: nil no host allowed while connecting to upstream/);
  t.regex((await s.get("/outside")).body, /^falseAPI disabled in the current context|false.*API disabled/);
});
