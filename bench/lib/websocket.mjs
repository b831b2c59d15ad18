// SPDX-License-Identifier: MIT
// A WebSocket that sends a text and waits for its echo, again and again, and the location that it talks to.
import { connect } from "node:net";

/// `location = /echo`, which sends back every text.
export const echoLocation = `location = /echo { content_by_lua_block {
  local ws = assert(require("resty.websocket.server"):new({ timeout = 60000 }))
  while true do
    local data, kind = ws:recv_frame()
    if not data or kind == "close" then return end
    if kind == "text" then ws:send_text(data) end
  end
} }`;

/// A masked text frame of fewer than 126 bytes.
function textFrame(text) {
  const mask = Buffer.from([1, 2, 3, 4]);
  const data = Buffer.from(text);
  for (let i = 0; i < data.length; i++) data[i] ^= mask[i % 4];
  return Buffer.concat([Buffer.from([0x81, 0x80 | data.length]), mask, data]);
}

/// Counts echoes; remembers why it ended too soon.
export class EchoSocket {
  echoes = 0;
  failure = undefined;
  #socket;
  #input = Buffer.alloc(0);
  #isOpen = false;
  #isClosing = false;
  #expected = "";
  #timer;

  /// Opens `path` of a port on 127.0.0.1; sends every `everyMs` milliseconds.
  constructor(port, path, everyMs) {
    this.opened = new Promise((resolve) => {
      this.#socket = connect(port, "127.0.0.1", () =>
        this.#socket.write(
          `GET ${path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ),
      );
      this.#socket.on("data", (part) => {
        this.#input = Buffer.concat([this.#input, part]);
        if (!this.#isOpen && !this.#takeHead()) return;
        resolve();
        this.#takeEchoes(everyMs);
      });
      for (const event of ["error", "end", "close"])
        this.#socket.on(event, (e) => {
          this.#fail(e instanceof Error ? e.message : event);
          resolve();
        });
    });
  }

  #fail(why) {
    clearTimeout(this.#timer);
    if (!this.#isClosing) this.failure ??= why;
  }

  #takeHead() {
    const end = this.#input.indexOf("\r\n\r\n");
    if (end < 0) return false;
    if (!this.#input.toString("latin1").startsWith("HTTP/1.1 101 ")) this.#fail(this.#input.toString("latin1", 0, end));
    this.#input = this.#input.subarray(end + 4);
    this.#isOpen = true;
    this.#send();
    return true;
  }

  #send() {
    this.#expected = `message ${this.echoes}`;
    this.#socket.write(textFrame(this.#expected));
  }

  #takeEchoes(everyMs) {
    while (this.#input.length >= 2 && this.#input.length >= 2 + (this.#input[1] & 127)) {
      const size = this.#input[1] & 127;
      const text = this.#input.toString("latin1", 2, 2 + size);
      if (this.#input[0] !== 0x81 || text !== this.#expected) this.#fail(`an unexpected frame: ${text}`);
      this.#input = this.#input.subarray(2 + size);
      this.echoes++;
      this.#timer = setTimeout(() => this.#send(), everyMs);
    }
  }

  close() {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
  }
}
