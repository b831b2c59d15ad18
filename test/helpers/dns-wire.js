// SPDX-License-Identifier: MIT
// A DNS server for tests, over UDP and TCP on one port, that answers what a test says, malformed replies included.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { freePort } from "./port.js";

export const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, SPF: 99 };

const u16 = (n) => Buffer.from([(n >> 8) & 255, n & 255]);
const u32 = (n) => Buffer.concat([u16(Math.floor(n / 65536)), u16(n % 65536)]);

/** A name without compression. */
export const encodeName = (name) =>
  Buffer.concat([
    ...name
      .split(".")
      .filter(Boolean)
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

/** Data of records: bytes of numbers, names, and pointers. */
export const data = {
  u16,
  u32,
  pointer: (at) => u16(0xc000 | at),
  bytes: (...list) => Buffer.from(list),
  string: (text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]),
};

/** One record: { name (text or bytes), type, ttl, data, length (when it lies) }. */
export function record({
  name,
  type,
  class: kind = 1,
  ttl = 60,
  data: rdata = Buffer.alloc(0),
  length = rdata.length,
}) {
  const bytes = typeof name === "string" ? encodeName(name) : name;
  return Buffer.concat([bytes, u16(type), u16(kind), u32(ttl), u16(length), rdata]);
}

/** A reply to `query`; counts may lie. */
export function reply(
  query,
  { id = query.id, flags = 0x8180, question, answers = [], authority = [], additional = [], counts = {} },
) {
  const asked = question ?? Buffer.concat([encodeName(query.name), u16(query.type), u16(1)]);
  const { questions = 1, an = answers.length, ns = authority.length, ar = additional.length } = counts;
  return Buffer.concat([
    ...[id, flags, questions, an, ns, ar].map(u16),
    asked,
    ...answers,
    ...authority,
    ...additional,
  ]);
}

function parse(bytes, transport) {
  const labels = [];
  let at = 12;
  while (bytes[at] > 0) {
    labels.push(bytes.toString("latin1", at + 1, at + 1 + bytes[at]));
    at += 1 + bytes[at];
  }
  const flags = bytes.readUInt16BE(2);
  return {
    id: bytes.readUInt16BE(0),
    flags,
    name: labels.join("."),
    type: bytes.readUInt16BE(at + 1),
    transport,
    bytes,
  };
}

/** Starts the server; `answer(query)` returns bytes, a list of them, or nothing. Resolves to its port. */
export async function startDns(t, answer) {
  const sockets = new Set();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let got = Buffer.alloc(0);
    socket.on("data", (part) => {
      got = Buffer.concat([got, part]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      for (const bytes of [answer(parse(got.subarray(2), "tcp")) ?? []].flat())
        socket.write(Buffer.concat([u16(bytes.length), bytes]));
      socket.end();
    });
  });
  const port = await freePort(); // of TCP and UDP
  await new Promise((next, fail) => tcp.on("error", fail).listen(port, "127.0.0.1", next));
  const udp = createSocket("udp4");
  udp.on("message", (bytes, from) => {
    for (const b of [answer(parse(bytes, "udp")) ?? []].flat()) udp.send(b, from.port, from.address);
  });
  await new Promise((next, fail) => udp.on("error", fail).bind(port, "127.0.0.1", next));
  t.teardown(() => {
    for (const s of sockets) s.destroy();
    tcp.close();
    udp.close();
  });
  return port;
}
