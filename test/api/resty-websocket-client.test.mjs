// SPDX-License-Identifier: MIT
// resty.websocket.client against the server of the npm package ws, and against servers that answer the handshake badly.
import { createHash } from "node:crypto";
import test from "ava";
import { WebSocketServer } from "ws";
import { waitFor } from "../helpers/index.js";
import { runLua } from "../helpers/lua-code.js";
import { listening, rawServer } from "../helpers/upstream.js";
import { createServer } from "node:http";

/** The lines that `code` prints. It has `client`, `open(port, opts)`. */
const run = (t, code) =>
  runLua(
    t,
    `local client = require "resty.websocket.client"
    local function open(port, opts, new_opts)
      local c = client:new(new_opts) c:set_timeout(5000)
      local ok, err, head = c:connect("ws://127.0.0.1:" .. port .. "/chat?a=b", opts)
      return ok and c, err, head
    end `,
    code,
  );

/** A ws server that calls `serve(socket, request)`; resolves to its port. */
async function wsServer(t, serve, options = {}) {
  const http = createServer();
  new WebSocketServer({ server: http, ...options }).on("connection", (socket, request) => {
    socket.on("error", () => {});
    serve(socket, request);
  });
  return listening(t, http);
}

const echo = (socket) => socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }));

test("text, binary, fragments, ping and pong, close", async (t) => {
  const seen = [];
  const port = await wsServer(t, (socket) => {
    echo(socket);
    socket.on("ping", (b) => seen.push(`ping ${b}`));
    socket.on("pong", (b) => seen.push(`pong ${b}`));
    socket.on("close", (code, reason) => seen.push(`close ${code} ${reason}`));
  });
  const lines = await run(
    t,
    `local c, _, head = open(${port}, nil, { max_payload_len = 200000 }) show(head:match("^[^\\r]*"))
    show(c:send_text("héllo"), c:recv_frame()) show(c:send_binary("\\0\\255"), #c:recv_frame())
    local big = ("x"):rep(150000) c:send_text(big) show(c:recv_frame() == big)
    c:send_frame(false, 1, "one ") c:send_frame(false, 0, "two ") c:send_continue("three") show(c:recv_frame())
    c:send_ping("a") show(c:recv_frame()) c:send_pong("b") c:send_ping() show(c:recv_frame())
    show(c:send_text(("x"):rep(200001))) show(c:send_text("still open"), c:recv_frame())
    show(c:send_close(70000)) show(c:send_close(1000, "enough")) show(c:recv_frame()) show(c:send_text("x")) show(c:close())`,
  );
  t.deepEqual(lines, [
    "HTTP/1.1 101 Switching Protocols",
    "12 héllo text",
    "8 2",
    "true",
    "one two three text",
    "a pong",
    " pong",
    "nil payload too big",
    "16 still open text",
    "nil bad status code",
    "14",
    "enough close 1000",
    "nil already closed",
    "1",
  ]);
  await waitFor(() => seen.length === 4, "the close");
  t.deepEqual(seen, ["ping a", "pong b", "ping ", "close 1000 enough"]);
});

test("the handshake: host, protocols, origin, headers, key; unix sockets; pools", async (t) => {
  const requests = [];
  const handle = (socket, request) => {
    requests.push(request);
    echo(socket);
  };
  const port = await wsServer(t, handle, { handleProtocols: (offered) => [...offered].at(-1) });
  const path = `/tmp/moonwire-ws-${process.pid}.sock`;
  const unix = createServer();
  new WebSocketServer({ server: unix }).on("connection", handle);
  await listening(t, unix, path);
  const lines = await run(
    t,
    `local c, err, head = open(${port}, { protocols = { "a", "b" }, origin = "http://o.test", headers = { "X-One: 1", "X-Two: 2" }, key = "y7KXwBSpVrxtkR0O+bQt+Q==" })
    show(head:match("Protocol: ([^\\r]*)"), err) show(c:set_keepalive()) c, err, head = open(${port}) show(head, c:send_text("again"), c:recv_frame()) c:close()
    show((open(${port}, { host = "h.test", protocols = "p" })) ~= nil) c = client:new() show(c:connect("ws://127.0.0.1:${port}?x") == 1) show(c:close())
    show(c:connect("ws://unix:${path}:/p") == 1) show(c:send_text("u"), c:recv_frame()) show(c:close())
    for _, uri in ipairs { "http://a/", "ws:/a", "ws://", "ws://a:b/", "ws://a/ b", "ws://a/\\r\\nX: y" } do show(c:connect(uri)) end
    show(c:connect("ws://127.0.0.1:${port}/", { headers = { "A: b\\r\\nC: d" } })) show(c:connect("ws://127.0.0.1:${port}/", { headers = 1 }))
    show(c:connect("ws://127.0.0.1:1/")) show(c:connect("wss://127.0.0.1:${port}/"))`,
  );
  t.deepEqual(lines.slice(0, 3), ["b", "1", "connection reused 11 again text"]);
  t.deepEqual(lines.slice(3, 8), ["true", "true", "1", "true", "7 u text"]);
  t.deepEqual(lines.slice(8, -1), [
    "1",
    ...Array(6).fill("nil bad websocket uri"),
    "nil bad value in the handshake request",
    "nil custom headers must be a table",
    "nil failed to connect: connection refused",
  ]);
  t.regex(lines.at(-1), /^nil ssl handshake failed: /);
  const [first, second, third, fourth] = requests;
  const { host, origin, "x-one": one, "x-two": two, "sec-websocket-key": key } = first.headers;
  t.deepEqual([first.url, host, origin, one, two], ["/chat?a=b", `127.0.0.1:${port}`, "http://o.test", "1", "2"]);
  t.is(key, "y7KXwBSpVrxtkR0O+bQt+Q==");
  t.deepEqual([second.headers.host, second.headers["sec-websocket-protocol"]], ["h.test", "p"]);
  t.deepEqual([third.url, fourth.url, fourth.headers.host], ["/?x", "/p", "unix_sock"]);
});

const accept = (text) =>
  createHash("sha1")
    .update(`${/Sec-WebSocket-Key: (\S*)/.exec(text)[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\n";

test("answers to the handshake that are none", async (t) => {
  const answers = [
    () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    () => "HTTP/1.0 101 Switching Protocols\r\n\r\n",
    () => `${SWITCH}Connection: Upgrade\r\n\r\n`,
    () => `${SWITCH}Upgrade: websocket\r\n\r\n`,
    () => `${SWITCH}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    () =>
      `${SWITCH}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept("Sec-WebSocket-Key: x")}\r\n\r\n`,
    () => `${SWITCH}X: ${"y".repeat(70000)}\r\n\r\n`,
    () => SWITCH,
    (text) => `${SWITCH}upgrade: WebSocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept(text)} \r\n\r\n`,
  ];
  const count = answers.length;
  const port = await rawServer(t, (socket, text) => socket.end(answers.shift()(text)));
  const lines = await run(
    t,
    `for _ = 1, ${count} do local c, err, head = open(${port}) show(c and "open" or err, head and #head > 20) end`,
  );
  t.deepEqual(lines, [
    "bad HTTP response status line: HTTP/1.1 403 Forbidden true",
    "bad HTTP response status line: HTTP/1.0 101 Switching Protocols true",
    'bad "upgrade" response header true',
    'bad "connection" response header true',
    'bad "sec-websocket-accept" response header true',
    'bad "sec-websocket-accept" response header true',
    "response header is too large",
    "failed to receive response header: closed",
    "open true",
  ]);
});

test("timeouts may be waited on again; other errors are the end", async (t) => {
  const port = await wsServer(t, (socket) => {
    setTimeout(() => socket.send("late"), 600);
    socket.on("message", () => socket.terminate());
  });
  const lines = await run(
    t,
    `local c = open(${port}) c:set_timeout(100) local n, data, kind, err = 0
    repeat data, kind, err = c:recv_frame() n = n + 1 until data or not err:find(": timeout", 1, true)
    show(data, kind, n > 1) c:set_timeout(5000) c:send_text("end") show(c:recv_frame()) show(c:recv_frame()) show(c:send_text("x")) show(c:set_keepalive()) show(c:close())`,
  );
  t.is(lines[0], "late text true");
  t.regex(lines[1], /^nil nil failed to receive the first 2 bytes: (closed|connection reset by peer)$/);
  t.deepEqual(lines.slice(2), [
    "nil nil fatal error already happened",
    "nil fatal error already happened",
    "nil closed",
    "nil fatal error already happened",
  ]);
});
