// SPDX-License-Identifier: MIT
// A client that resets its connection while its handler waits: the handler's end must not touch the connection that has
// meanwhile taken the dead one's place.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { startMoonwire, startProcess, waitFor } from "../helpers/index.js";
import { httpServer } from "../helpers/upstream.js";

test("a handler whose client is gone ends without harm to later connections", async (t) => {
  const s = await startMoonwire(t, {
    server: `
      location = /wait { content_by_lua_block { ngx.sleep(0.2) ngx.say("late") } }
      location = /ok { content_by_lua_block { ngx.say("ok") } }`,
  });
  for (let i = 0; i < 8; i++) {
    const gone = connect(s.port, "127.0.0.1", () => gone.write("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    gone.on("error", () => {});
    await sleep(10);
    gone.resetAndDestroy();
  }
  await sleep(20);
  const closed = [];
  const later = Array.from({ length: 16 }, (_, i) =>
    connect(s.port, "127.0.0.1")
      .on("error", () => {})
      .on("close", () => closed.push(i)),
  );
  await sleep(400);
  t.deepEqual(closed, []);
  for (const socket of later) socket.destroy();
  t.is((await s.get("/ok")).body, "ok\n");
});

/** Sends bytes, and resets the connection a little later. */
function leave(port, bytes) {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(bytes);
      setTimeout(() => socket.resetAndDestroy(), 10);
    });
    socket.on("error", () => {});
    socket.on("close", done);
  });
}

test("an upstream is not asked for a client that has reset its connection, and the request ends", async (t) => {
  let asked = 0;
  const port = await httpServer(t, (_, res) => {
    asked++;
    res.end("answer");
  });
  const s = await startMoonwire(t, {
    http: 'log_format f "$uri $status"; access_log logs/access.log f;',
    server: `location / { access_by_lua_block { ngx.sleep(0.1) } proxy_pass http://127.0.0.1:${port}; }
      location = /kept { access_by_lua_block { ngx.sleep(0.1) } proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:${port}; }`,
  });
  await leave(s.port, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor(() => s.log("logs/access.log") === "/gone 499\n", "the log's line");
  t.is(asked, 0);
  await leave(s.port, "GET /kept HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor(() => s.log("logs/access.log").includes("/kept"), "the log's line");
  t.is(asked, 1);
});

test("100 Continue for a client that is gone takes no memory", async (t) => {
  const s = await startProcess(t, {
    server: "location / { content_by_lua_block { ngx.sleep(0.05) ngx.req.read_body() } }",
  });
  const pages = () => Number(readFileSync(`/proc/${s.child.pid}/statm`, "utf8").split(" ")[1]);
  const clients = async (n) => {
    for (let i = 0; i < n; i += 50)
      await Promise.all(
        Array.from({ length: 50 }, () =>
          leave(s.port, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        ),
      );
    await sleep(100);
  };
  await clients(300);
  const before = pages();
  await clients(5000);
  t.true((pages() - before) * 4096 < 10 << 20, `${(pages() - before) * 4} KB`);
});
