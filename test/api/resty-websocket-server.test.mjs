// SPDX-License-Identifier: MIT
// resty.websocket.server against the client of the npm package ws, against resty.websocket.client, and against requests that are
// no handshake.
import test from "ava";
import WebSocket from "ws";
import { get, startMoonwire, waitFor } from "../helpers/index.js";

/** Echoes messages with their types; "close" closes with 4000, "big" sends a message of that many bytes. */
const ECHO = `local server = require "resty.websocket.server"
  local wb, err = server:new { timeout = 5000, max_payload_len = 200000, send_masked = ngx.var.arg_masked == "1" }
  if not wb then ngx.log(ngx.WARN, "refused: ", err) return ngx.exit(400) end
  local parts = {}
  while true do
    local data, kind, more = wb:recv_frame()
    if not data then ngx.log(ngx.WARN, "end: ", more) return ngx.exit(444) end
    if kind == "close" then ngx.log(ngx.WARN, "close: ", more, " ", data) wb:send_close(more, data) return end
    if kind == "ping" then wb:send_pong(data)
    elseif kind == "pong" then ngx.log(ngx.WARN, "pong: ", data)
    else
      parts[#parts + 1] = data
      if not more then
        local text = table.concat(parts)
        parts = {}
        if text == "close" then wb:send_close(4000, "asked for") 
        elseif text == "fragments" then wb:send_frame(false, 1, "one ") wb:send_ping("between") wb:send_frame(false, 0, "two ") wb:send_continue("three")
        elseif kind == "binary" then wb:send_binary(text) else wb:send_text(text) end
      end
    end
  end`;

const start = (t) =>
  startMoonwire(t, {
    http: "lua_socket_log_errors off;",
    server: `location /echo { content_by_lua_block { ${ECHO} } }
    location /chosen { content_by_lua_block { ngx.header["Sec-WebSocket-Protocol"] = "b" ${ECHO} } }
    location /client { content_by_lua_block {
      local wb = require("resty.websocket.client"):new { max_payload_len = 200000 }
      wb:set_timeout(5000)
      local out = { (wb:connect("ws://127.0.0.1:" .. ngx.var.server_port .. "/echo?masked=" .. ngx.var.arg_masked)) }
      for _, n in ipairs { 0, 1, 125, 126, 65535, 65536, 150000 } do
        local text = ("é"):rep(n / 2) .. ("x"):rep(n % 2)
        wb:send_text(text) local data, kind = wb:recv_frame()
        out[#out + 1] = data == text and kind or "bad"
      end
      wb:send_ping("p") out[#out + 1] = table.concat({ wb:recv_frame() }, " ")
      wb:send_text("fragments") for _ = 1, 4 do out[#out + 1] = table.concat({ wb:recv_frame() }, " ") end
      wb:send_text("close") out[#out + 1] = table.concat({ wb:recv_frame() }, " ")
      wb:send_close(1000, "bye") out[#out + 1] = table.concat({ wb:recv_frame() }, " ")
      local _, _, err = wb:recv_frame() out[#out + 1] = err
      ngx.say(table.concat(out, "\\n"))
    } }`,
  });

/** A ws client that collects what comes. */
async function open(t, s, path = "/echo", protocols = []) {
  const socket = new WebSocket(s.url.replace("http", "ws") + path, protocols);
  const seen = [];
  socket.on("message", (data, isBinary) => seen.push(isBinary ? data : data.toString()));
  socket.on("ping", (data) => seen.push(`ping ${data}`));
  socket.on("pong", (data) => seen.push(`pong ${data}`));
  socket.on("close", (code, reason) => seen.push(`close ${code} ${reason}`));
  t.teardown(() => socket.terminate());
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  return { socket, seen, until: (n) => waitFor(() => seen.length >= n, `${n} events`).then(() => seen) };
}

test("ws: text, binary, pings, fragments, close by either side", async (t) => {
  const s = await start(t);
  const a = await open(t, s);
  a.socket.send("héllo");
  a.socket.send(Buffer.from([0, 255, 10, 13]));
  a.socket.ping("are you there");
  a.socket.send("x".repeat(150_000));
  a.socket.send("fragments");
  const seen = await a.until(6);
  t.deepEqual(seen.slice(0, 3), ["héllo", Buffer.from([0, 255, 10, 13]), "pong are you there"]);
  t.is(seen[3], "x".repeat(150_000));
  t.deepEqual(seen.slice(4), ["ping between", "one two three"]);
  await waitFor(() => /pong: between/.test(s.log()), "the pong in the log");
  a.socket.close(1001, "leaving");
  t.is((await a.until(7))[6], "close 1001 leaving");
  await waitFor(() => /close: 1001 leaving/.test(s.log()), "the close in the log");
  const b = await open(t, s);
  b.socket.send("close");
  t.is((await b.until(1))[0], "close 4000 asked for");
});

test("subprotocols: the first offered, or the one that the handler chose", async (t) => {
  const s = await start(t);
  t.is((await open(t, s, "/echo", ["a", "b"])).socket.protocol, "a");
  t.is((await open(t, s, "/chosen", ["a", "b"])).socket.protocol, "b");
  t.is((await open(t, s)).socket.protocol, "");
});

test("resty.websocket.client and server, masked by both sides or by one", async (t) => {
  const s = await start(t);
  for (const masked of [0, 1]) {
    const { body } = await s.get(`/client?masked=${masked}`);
    t.deepEqual(body.trimEnd().split("\n"), [
      ...["1", "text", "text", "text", "text", "text", "text", "text", "p pong"],
      ...["one  text again", "between ping", "two  continuation again", "three continuation"],
      ...["asked for close 4000", "bye close 1000", "failed to receive the first 2 bytes: closed"],
    ]);
  }
});

const HANDSHAKE = {
  Connection: "keep-alive, Upgrade",
  Upgrade: "WebSocket",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

test("requests that are no handshake", async (t) => {
  const s = await start(t);
  const refused = async (changes, reason, { method = "GET", version = "1.1" } = {}) => {
    const fields = Object.entries({ Host: "a", ...HANDSHAKE, ...changes }).filter(([, v]) => v !== null);
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const answer = await s.raw(`${method} /echo HTTP/${version}\r\n${head}\r\n`, { until: /<\/html>|101/ });
    t.regex(answer.toString(), /^HTTP\/1\.1 400/, reason);
    t.true(s.log().includes(`refused: ${reason}`), reason);
  };
  await refused({ Upgrade: null }, 'bad "upgrade" request header: nil');
  await refused({ Upgrade: "h2c" }, 'bad "upgrade" request header: h2c');
  await refused({ Connection: "close" }, 'bad "connection" request header');
  await refused({ "Sec-WebSocket-Key": null }, 'bad "sec-websocket-key" request header');
  await refused({ "Sec-WebSocket-Key": "c2hvcnQ=" }, 'bad "sec-websocket-key" request header');
  await refused({ "Sec-WebSocket-Version": "8" }, 'bad "sec-websocket-version" request header');
  await refused({}, "bad http version", { version: "1.0" });
  await refused({ "Content-Length": "0" }, "bad request method", { method: "POST" });
  const answer = await get(`${s.url}/echo`);
  t.is(answer.status, 400);
});

test("a handshake as RFC 6455 shows it; frames without a mask end it", async (t) => {
  const s = await start(t);
  const fields = Object.entries({ Host: "a", ...HANDSHAKE }).map(([name, value]) => `${name}: ${value}\r\n`);
  const frame = Buffer.concat([
    Buffer.from(`GET /echo HTTP/1.1\r\n${fields.join("")}\r\n`),
    Buffer.from([0x81, 1, 97]),
  ]);
  const answer = (await s.raw(frame)).toString("latin1");
  t.regex(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  t.regex(answer, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
  t.regex(answer, /\r\nUpgrade: websocket\r\n/i);
  t.regex(answer, /\r\nConnection: upgrade\r\n/i);
  t.notRegex(answer, /\r\n(Content-Type|Content-Length|Transfer-Encoding):/i);
  t.regex(answer, /\r\n\r\n$/);
  await waitFor(() => /end: frame unmasked/.test(s.log()), "the end in the log");
});
