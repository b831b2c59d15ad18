// SPDX-License-Identifier: MIT
// resty.http as a proxy: proxy_request, proxy_response, get_client_body_reader.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";
import { httpServer } from "../helpers/upstream.js";

/** A server that tells what it was sent, with a status and fields of one connection. */
const backend = (t) =>
  httpServer(t, (req, res) => {
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      const {
        connection,
        te,
        "x-mine": mine,
        "x-hop": hop,
        "content-length": length,
        "transfer-encoding": coding,
      } = req.headers;
      res.writeHead(203, {
        "X-Answer": ["a", "b"],
        Connection: "X-Secret",
        "X-Secret": "s",
        "Keep-Alive": "timeout=9",
      });
      const body = Buffer.concat(parts);
      res.write([req.method, req.url, connection, te, mine, hop, length, coding].join("|"));
      res.end(`\n${body.length > 100 ? body.length : body}`);
    });
  });

const start = async (t) => {
  const port = await backend(t);
  return startMoonwire(t, {
    http: "lua_socket_log_errors off;",
    server: `client_max_body_size 1m;
    location / { content_by_lua_block {
      local httpc = require("resty.http").new()
      assert(httpc:connect { scheme = "http", host = "127.0.0.1", port = ${port} })
      local res, err = httpc:proxy_request(8)
      if not res then ngx.status = 502 ngx.say(err) return end
      httpc:proxy_response(res, 7)
      httpc:set_keepalive()
    } }
    location /read { content_by_lua_block {
      local reader, err = require("resty.http").new():get_client_body_reader(4)
      if not reader then return ngx.say(reader, " ", err) end
      local out = {}
      for piece in reader do out[#out + 1] = piece end
      out[#out + 1] = tostring(reader())
      ngx.say(table.concat(out, ","))
    } }`,
  });
};

test("requests go on with their bodies, responses come back, without the fields of one connection", async (t) => {
  const s = await start(t);
  const plain = await s.get("/a%20b/%C3%A9?c=d%20e", {
    headers: { "X-Mine": "m", "X-Hop": "h", Connection: "X-Hop", TE: "trailers" },
  });
  t.is(plain.status, 203);
  t.is(plain.body, "GET|/a%20b/%C3%A9?c=d%20e|||m|||\n");
  t.deepEqual(
    [plain.headers["x-answer"], plain.headers["x-secret"], plain.headers["keep-alive"]],
    ["a, b", undefined, undefined],
  );
  const posted = await s.get("/p", { method: "POST", body: "a body of some bytes" });
  t.is(posted.body, "POST|/p|||||20|\na body of some bytes");
  const big = await s.get("/p", { method: "PUT", body: "x".repeat(300_000) });
  t.is(big.body, "PUT|/p|||||300000|\n300000");
  const empty = await s.get("/p", { method: "POST", headers: { "Content-Length": "0" } });
  t.is(empty.body, "POST|/p|||||0|\n");
  const head = await s.get("/h", { method: "HEAD" });
  t.deepEqual([head.status, head.body], [203, ""]);
});

test("the client's body in pieces", async (t) => {
  const s = await start(t);
  t.is((await s.get("/read", { method: "POST", body: "0123456789" })).body, "0123,4567,89,nil\n");
  t.is((await s.get("/read")).body, "nil nil\n");
});
