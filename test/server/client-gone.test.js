// SPDX-License-Identifier: MIT
// A client that resets its connection while its handler waits: the handler's end must not touch the connection that has
// meanwhile taken the dead one's place.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

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
