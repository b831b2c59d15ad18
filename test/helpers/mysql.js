// SPDX-License-Identifier: MIT
// The server's side of the MySQL protocol, for what no packaged server does: plugins of MySQL 8, and packets that are wrong.
import { createServer } from "node:net";
import { listening } from "./upstream.js";

/** Capabilities of a server as old as it may be: protocol 4.1, secure connection. */
export const PROTOCOL_41 = 0x8200;
export const PLUGIN_AUTH = 0x80000;

/** A payload as one packet. */
export function packet(no, payload) {
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  head[3] = no;
  return Buffer.concat([head, payload]);
}

/** The greeting of a server whose default plugin is `plugin`; the scramble has 20 bytes. */
export function greeting({ plugin, scramble, capabilities = PROTOCOL_41 | PLUGIN_AUTH, version = "8.4.0" }) {
  const caps = Buffer.alloc(4);
  caps.writeUInt32LE(capabilities);
  return Buffer.concat([
    Buffer.from([10]),
    Buffer.from(`${version}\0`),
    Buffer.from([7, 0, 0, 0]),
    scramble.subarray(0, 8),
    Buffer.from([0, caps[0], caps[1], 255, 2, 0, caps[2], caps[3], scramble.length + 1]),
    Buffer.alloc(10),
    scramble.subarray(8),
    Buffer.from([0]),
    Buffer.from(capabilities & PLUGIN_AUTH ? `${plugin}\0` : ""),
  ]);
}

export const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);
export const EOF = Buffer.from([0xfe, 0, 0, 2, 0]);

/** An error packet, with its SQL state unless that is null. */
export function error(code, state, text) {
  const head = Buffer.from([0xff, code & 0xff, code >> 8]);
  return Buffer.concat([head, Buffer.from(`${state === null ? "" : `#${state}`}${text}`)]);
}

/** A short text behind its length. */
export const text = (s) => Buffer.concat([Buffer.from([Buffer.byteLength(s)]), Buffer.from(s)]);

/** The definition of a column. */
export function column(name, type) {
  const texts = ["def", "", "t", "t", name, name].map(text);
  return Buffer.concat([...texts, Buffer.from([12, 33, 0, 0, 1, 0, 0, type, 0, 0, 0, 0, 0])]);
}

/**
 * A server that calls `serve(io)` for each connection: io.send(payload[, number]), io.raw(bytes), await io.receive() (the next
 * payload, or null at the end), io.end(). `bytewise`: each byte is written alone.
 */
export function mysqlServer(t, serve, { bytewise = false } = {}) {
  const server = createServer(async (socket) => {
    socket.setNoDelay(true).on("error", () => {});
    let no = 0;
    let input = Buffer.alloc(0);
    let isOver = false;
    let wake = () => {};
    socket.on("data", (part) => {
      input = Buffer.concat([input, part]);
      wake();
    });
    socket.on("close", () => {
      isOver = true;
      wake();
    });
    const write = async (bytes) => {
      if (!bytewise) return void socket.write(bytes);
      for (const byte of bytes) {
        socket.write(Buffer.from([byte]));
        await new Promise((next) => setImmediate(next));
      }
    };
    const io = {
      raw: write,
      send: (payload, number = no) => {
        no = (number + 1) & 0xff;
        return write(packet(number, payload));
      },
      receive: async () => {
        for (;;) {
          const size = input.length < 4 ? Infinity : input.readUIntLE(0, 3) + 4;
          if (input.length >= size) {
            const payload = input.subarray(4, size);
            no = (input[3] + 1) & 0xff;
            input = input.subarray(size);
            return payload;
          }
          if (isOver) return null;
          await new Promise((resolve) => (wake = resolve));
        }
      },
      end: () => socket.end(),
    };
    await serve(io);
  });
  return listening(t, server);
}
