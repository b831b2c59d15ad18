// SPDX-License-Identifier: MIT
// stub_status counts what the worker's connections really do.
import { connect } from "node:net";
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

test("connections that are idle, reading and being answered, and requests", async (t) => {
  const s = await startMoonwire(t, {
    server: `location = /status { stub_status; } location = /slow { content_by_lua_block { ngx.sleep(30) } }
      location = /ok { return 200 ok; }`,
  });
  const sockets = [];
  t.teardown(() => sockets.forEach((c) => c.destroy()));
  const open = (text) => {
    const c = connect(s.port, "127.0.0.1", () => c.write(text));
    sockets.push(c.on("error", () => {}));
    return c;
  };
  open("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  open("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  open("GET /ok HTTP/1.1\r\nHos");
  open("GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
  const wanted =
    /^Active connections: 5 \nserver accepts handled requests\n (\d+) \1 (\d+) \nReading: 1 Writing: 3 Waiting: 1 \n$/;
  const body = async () => (await s.get("/status")).body;
  t.true(await waitFor(async () => wanted.test(await body()), "the five connections"));
  const before = Number(wanted.exec(await body())[2]);
  t.is(Number(wanted.exec(await body())[2]), before + 1);
});
