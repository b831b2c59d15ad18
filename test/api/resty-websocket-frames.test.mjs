// SPDX-License-Identifier: MIT
// resty.websocket.protocol: frames byte for byte, what is refused, masks against a plain XOR.
import { createServer } from "node:net";
import test from "ava";
import { runLua } from "../helpers/lua-code.js";
import { listening } from "../helpers/upstream.js";

/** The lines that `code` prints. It has `protocol` and `connect()`: a socket that receives the next of `messages`, then its end. */
async function run(t, messages, code) {
  const queue = [...messages];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const next = queue.shift();
    if (next === null) socket.on("data", (part) => socket.write(part));
    else if (next.open) socket.write(next.open);
    else socket.end(next);
  });
  const port = await listening(t, server);
  return runLua(
    t,
    `local protocol = require "resty.websocket.protocol"
    local function connect()
      local sock = ngx.socket.tcp() sock:settimeouts(5000, 5000, 5000) assert(sock:connect("127.0.0.1", ${port})) return sock
    end `,
    code,
  );
}

const bytes = (...list) => Buffer.from(list);
const text = (s) => Buffer.from(s);
const join = (...list) => Buffer.concat(list);

/** Bytes, what recv_frame returns for them (at most 1000 bytes, masked or not). */
const frames = [
  [bytes(0x81, 0), " text"],
  [join(bytes(0x81, 3), text("abc")), "abc text"],
  [join(bytes(0x02, 1), text("a")), "a binary again"],
  [join(bytes(0x00, 1), text("b")), "b continuation again"],
  [join(bytes(0x80, 1), text("c")), "c continuation"],
  [bytes(0x81, 0x83, 1, 2, 3, 4, 0x60, 0x60, 0x60), "abc text"],
  [bytes(0x81, 0x80, 1, 2, 3, 4), " text"],
  [join(bytes(0x81, 126, 0, 130), text("x".repeat(130))), `${"x".repeat(130)} text`],
  [join(bytes(0x82, 127, 0, 0, 0, 0, 0, 0, 1, 44), text("y".repeat(300))), `${"y".repeat(300)} binary`],
  [bytes(0x89, 0), " ping"],
  [join(bytes(0x8a, 2), text("hi")), "hi pong"],
  [bytes(0x88, 0), " close"],
  [bytes(0x88, 2, 3, 232), " close 1000"],
  [join(bytes(0x88, 5, 3, 233), text("bye")), "bye close 1001"],
  [bytes(0x88, 0x82, 1, 2, 3, 4, 3 ^ 1, 232 ^ 2), " close 1000"],
  [bytes(0x88, 1, 3), "nil nil close frame with a body must carry a 2-byte status code"],
  [bytes(0xc1, 0), "nil nil bad RSV1, RSV2, or RSV3 bits"],
  [bytes(0xa1, 0), "nil nil bad RSV1, RSV2, or RSV3 bits"],
  [bytes(0x91, 0), "nil nil bad RSV1, RSV2, or RSV3 bits"],
  [bytes(0x83, 0), "nil nil reserved non-control frames"],
  [bytes(0x87, 0), "nil nil reserved non-control frames"],
  [bytes(0x8b, 0), "nil nil reserved control frames"],
  [bytes(0x8f, 0), "nil nil reserved control frames"],
  [bytes(0x89, 126, 0, 126), "nil nil too long payload for control frame"],
  [bytes(0x09, 0), "nil nil fragmented control frame"],
  [bytes(0x81, 126, 3, 233), "nil nil exceeding max payload len"],
  [bytes(0x81, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff), "nil nil exceeding max payload len"],
  [bytes(0x81, 127, 0, 0, 0, 0, 0x80, 0, 0, 0), "nil nil payload len too large"],
  [bytes(0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 1), "nil nil payload len too large"],
  [bytes(), "nil nil failed to receive the first 2 bytes: closed false"],
  [bytes(0x81), "nil nil failed to receive the first 2 bytes: closed false"],
  [bytes(0x81, 126, 0), "nil nil failed to receive the 2 byte payload length: closed"],
  [bytes(0x81, 127, 0, 0, 0, 0), "nil nil failed to receive the 8 byte payload length: closed"],
  [bytes(0x81, 0x81, 1, 2), "nil nil failed to read masking-len and payload: closed"],
];

test("frames that come", async (t) => {
  const lines = await run(
    t,
    frames.map(([b]) => b),
    `for _ = 1, ${frames.length} do show(protocol.recv_frame(connect(), 1000, false)) end`,
  );
  t.deepEqual(
    lines,
    frames.map(([, expected]) => expected),
  );
});

test("a mask may be asked for; a timeout tells whether a frame was cut", async (t) => {
  const lines = await run(
    t,
    [
      bytes(0x81, 0),
      bytes(0x81, 0x80, 0, 0, 0, 0),
      { open: bytes() },
      { open: bytes(0x81) },
      { open: bytes(0x81, 2, 97) },
    ],
    `show(protocol.recv_frame(connect(), 9, true)) show(protocol.recv_frame(connect(), 9, true))
    for _ = 1, 3 do local sock = connect() sock:settimeout(300) show(protocol.recv_frame(sock, 9, false)) end`,
  );
  t.deepEqual(lines, [
    "nil nil frame unmasked",
    " text",
    "nil nil failed to receive the first 2 bytes: timeout true",
    "nil nil failed to receive the first 2 bytes: timeout false",
    "nil nil failed to read masking-len and payload: timeout",
  ]);
});

test("frames of every length come back as they were sent, masked and not", async (t) => {
  const lines = await run(
    t,
    [null],
    `local sock, bad, keys = connect(), 0, {}
    local function payload(n) local out = {} for i = 1, n do out[i] = string.char((i * 7 + n) % 256) end return table.concat(out) end
    local function unmask(frame, at)
      local out = {}
      for i = at + 4, #frame do out[#out + 1] = string.char(bit.bxor(frame:byte(i), frame:byte(at + (i - at) % 4))) end
      return table.concat(out)
    end
    for _, n in ipairs { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 63, 124, 125, 126, 127, 128, 255, 65519, 65520, 65535, 65536, 65537, 300001 } do
      local text = payload(n)
      local head = n < 126 and 2 or n < 65536 and 4 or 10
      local masked = assert(protocol.build_frame(true, 2, n, text, true))
      if #masked ~= head + 4 + n or unmask(masked, head + 1) ~= text then bad = bad + 1 end
      keys[masked:sub(head + 1, head + 4)] = true
      for _, masks in ipairs { true, false } do
        assert(protocol.send_frame(sock, true, 2, text, 2 ^ 20, masks) == head + n + (masks and 4 or 0))
        local got, kind = protocol.recv_frame(sock, 2 ^ 20, masks)
        if got ~= text or kind ~= "binary" then bad = bad + 1 end
      end
    end
    local n = 0 for _ in pairs(keys) do n = n + 1 end
    show(bad, n > 20)
    show(protocol.send_frame(sock, true, 1, "abc", 2)) show(protocol.send_frame(sock, true, 9, ("x"):rep(126), 1000)) show(protocol.send_frame(sock, false, 8, "", 9))
    show(protocol.send_frame(sock, true, 1, 42, 9), protocol.recv_frame(sock, 9)) show(protocol.send_frame(sock, true, 1, nil, 9))
    sock:close() show(protocol.send_frame(sock, true, 1, "x", 9))`,
  );
  t.deepEqual(lines, [
    "0 true",
    "nil payload too big true",
    "nil too much payload for control frame true",
    "nil fragmented control frame true",
    "4 42 text",
    "2",
    "nil failed to send frame: closed",
  ]);
});
