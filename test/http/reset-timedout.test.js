// SPDX-License-Identifier: MIT
// reset_timedout_connection: which clients get a reset instead of a close.
import test from "ava";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startMoonwire, waitFor } from "../helpers/index.js";

/** How the connection ends: the error's code, or "end". */
const closeOf = (socket) =>
  new Promise((resolve) => {
    let code = "end";
    socket.on("error", (e) => (code = e.code)).on("close", () => resolve(code));
  });

function endOf(t, port, bytes) {
  const socket = connect(port, "127.0.0.1");
  t.teardown(() => socket.destroy());
  socket.write(bytes);
  socket.resume();
  return closeOf(socket);
}

test("reset_timedout_connection: heads and bodies that do not come, and 444", async (t) => {
  const [on, off] = await Promise.all(
    ["on", "off"].map((value) =>
      startMoonwire(t, {
        http: `reset_timedout_connection ${value}; client_header_timeout 100ms; client_body_timeout 100ms; keepalive_timeout 100ms;`,
        server: `location /444 { return 444; } location /ok { return 200 ok; }
          location /body { content_by_lua_block { ngx.req.read_body() ngx.say("read") } }`,
      }),
    ),
  );
  const cases = {
    head: "GET / HTT",
    body: "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab",
    444: "GET /444 HTTP/1.1\r\nHost: h\r\n\r\n",
  };
  for (const [name, bytes] of Object.entries(cases)) {
    t.is(await endOf(t, on.port, bytes), "ECONNRESET", name);
    t.is(await endOf(t, off.port, bytes), "end", name);
  }
  t.is(await endOf(t, on.port, "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n"), "end", "an idle connection has nothing to lose");
});

/** What a client gets that reads only when the server has given it up; what ngx.flush and the log said of that. */
async function slowReader(t, value) {
  const s = await startMoonwire(t, {
    main: "error_log logs/error.log info;",
    http: `reset_timedout_connection ${value}; send_timeout 200ms; lua_shared_dict d 1m;`,
    server: `location / { content_by_lua_block { local part = ("x"):rep(100000)
      for _ = 1, 400 do ngx.print(part) local ok, err = ngx.flush(true)
        if not ok then ngx.shared.d:set("err", err) return end end } }
      location /err { content_by_lua_block { ngx.print(tostring(ngx.shared.d:get("err"))) } }`,
  });
  const socket = connect(s.port, "127.0.0.1").pause();
  t.teardown(() => socket.destroy());
  const closed = closeOf(socket);
  socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await waitFor(async () => (await s.get("/err")).body !== "nil");
  const err = (await s.get("/err")).body;
  socket.resume();
  await closed;
  return { err, log: s.log(), size: socket.bytesRead };
}

test("a client that does not read: ngx.flush says timeout, and the log; with a reset it gets no more of the response", async (t) => {
  const [on, off] = await Promise.all([slowReader(t, "on"), slowReader(t, "off")]);
  for (const { err, log } of [on, off]) {
    t.is(err, "timeout");
    t.regex(
      log,
      /\[info\] .*client timed out \(110: Connection timed out\) while sending to client, client: 127\.0\.0\.1/,
    );
  }
  t.true(on.size < off.size, `${on.size} and ${off.size} bytes`);
});

test("a client that goes while ngx.flush waits for it: client aborted", async (t) => {
  const s = await startMoonwire(t, {
    http: "lua_shared_dict d 1m;",
    server: `location / { content_by_lua_block { local d, part = ngx.shared.d, ("x"):rep(100000)
      for i = 1, 400 do d:set("waits", i) ngx.print(part) local ok, err = ngx.flush(true)
        if not ok then d:set("err", err) return end end } }
      location /get { content_by_lua_block { ngx.print(tostring(ngx.shared.d:get(ngx.var.arg_key))) } }`,
  });
  const get = async (key) => (await s.get(`/get?key=${key}`)).body;
  const socket = connect(s.port, "127.0.0.1").pause();
  socket.on("error", () => {}).write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  let before = "";
  await waitFor(async () => {
    const now = await get("waits");
    if (now !== "nil" && now === before) return true;
    before = now;
    await sleep(200);
    return false;
  });
  socket.resetAndDestroy();
  await waitFor(async () => (await get("err")) !== "nil");
  t.is(await get("err"), "client aborted");
});
