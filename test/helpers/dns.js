// SPDX-License-Identifier: MIT
// A name server for tests, over UDP on a free port of a loopback address: it answers what the test's function says and keeps count.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { freePort } from "./port.js";

const types = { 1: "A", 28: "AAAA" };
const codes = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 };

/** The first question of a query: { id, name, type, bytes }. */
function question(query) {
  const labels = [];
  let at = 12;
  for (let size = query[at]; size > 0; size = query[at]) {
    labels.push(query.toString("latin1", at + 1, at + 1 + size));
    at += 1 + size;
  }
  const type = types[query.readUInt16BE(at + 1)] ?? "other";
  return { name: labels.join("."), type, bytes: query.subarray(12, at + 5) };
}

function addressBytes(address) {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [head, tail = ""] = address.split("::");
  const [front, back] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const groups = [...front, ...Array(8 - front.length - back.length).fill("0"), ...back];
  return Buffer.from(groups.map((g) => g.padStart(4, "0")).join(""), "hex");
}

const nameBytes = (name) =>
  Buffer.concat([...name.split(".").map((l) => Buffer.from([l.length, ...Buffer.from(l)])), Buffer.from([0])]);

function reply(query, asked, { addresses = [], cname, ttl = 300, code, isCut = false }) {
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8180 | (isCut ? 0x200 : 0) | (code ? codes[code] : 0), 2);
  head.writeUInt16BE(1, 4);
  const data = [
    ...(cname === undefined ? [] : [[5, nameBytes(cname)]]),
    ...addresses.map(addressBytes).map((bytes) => [bytes.length === 4 ? 1 : 28, bytes]),
  ];
  head.writeUInt16BE(data.length, 6);
  const records = data.map(([type, bytes]) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0); // the name of the question
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttl, 6);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([head, asked.bytes, ...records]);
}

/** The same over TCP, on the port of a UDP one: streams of queries with their lengths. */
function dnsStream(t, port, host, answer) {
  const server = createServer((socket) => {
    let got = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", async (part) => {
      got = Buffer.concat([got, part]);
      while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
        const query = got.subarray(2, 2 + got.readUInt16BE(0));
        got = got.subarray(2 + query.length);
        const q = question(query);
        const bytes = reply(query, q, await answer(q.name, q.type));
        const size = Buffer.alloc(2);
        size.writeUInt16BE(bytes.length);
        socket.write(Buffer.concat([size, bytes]));
      }
    });
  });
  t.teardown(() => server.close());
  return new Promise((resolve, reject) => server.on("error", reject).listen(port, host, resolve));
}

/**
 * Starts one; ends with the test. `answer(name, type)` gives `{ addresses, cname, ttl, code }`, or nothing: no answer is
 * sent. `stream` answers what is asked over TCP; UDP's answers then say that they are cut.
 * @returns {Promise<{port: number, asked: string[]}>} `asked`: "NAME TYPE" of every query
 */
export async function dnsServer(t, answer, { port = 0, host = "127.0.0.1", stream } = {}) {
  if (stream && port === 0) port = await freePort(); // one that the system gives out may be in use over TCP
  const socket = createSocket("udp4");
  const asked = [];
  socket.on("message", async (query, peer) => {
    const q = question(query);
    asked.push(`${q.name} ${q.type}`);
    const found = await answer(q.name, q.type);
    if (found) socket.send(reply(query, q, { ...found, isCut: stream !== undefined }), peer.port, peer.address);
  });
  t.teardown(() => socket.close());
  await new Promise((resolve, reject) => socket.on("error", reject).bind(port, host, resolve));
  const own = socket.address().port;
  if (stream) await dnsStream(t, own, host, stream);
  return { port: own, asked };
}
