// SPDX-License-Identifier: MIT
// post_action.
import test from "ava";
import { setTimeout as sleep } from "node:timers/promises";
import { startMoonwire, waitFor } from "../helpers/index.js";
import { httpServer } from "../helpers/upstream.js";

test("post_action: the request goes on to another location once it is answered, and nobody gets that one's answer", async (t) => {
  const seen = [];
  const port = await httpServer(t, (req, res) => {
    seen.push(`${req.method} ${req.url}`);
    res.end("HIDDEN");
  });
  const s = await startMoonwire(t, {
    server: `location / { return 200 shown; post_action /behind; }
      location /named { return 200 shown; post_action @behind; } location /none { return 200 shown; }
      location /if { if ($arg_a) { post_action /behind; } return 200 shown; } location /off { return 200 shown; post_action off; }
      location /behind { proxy_pass http://127.0.0.1:${port}/plain?$uri; }
      location @behind { proxy_pass http://127.0.0.1:${port}; }`,
  });
  for (const path of ["/", "/named?a=b", "/none", "/off", "/if", "/if?a=1"]) t.is((await s.get(path)).body, "shown");
  t.is((await s.get("/", { method: "POST", body: "x" })).body, "shown");
  const pipelined = await s.raw("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.0\r\n\r\n"); // the connection goes on
  t.is(pipelined.toString().match(/shown/g).length, 2);
  await waitFor(() => seen.length >= 5);
  await sleep(50);
  t.deepEqual(seen.toSorted(), [
    "GET /named?a=b",
    "GET /plain?/behind",
    "GET /plain?/behind",
    "GET /plain?/behind",
    "POST /plain?/behind",
  ]);
});
