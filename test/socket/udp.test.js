// SPDX-License-Identifier: MIT
// UdpSocket: datagrams to and from node and unix servers, timeouts, failures.
import { join } from "node:path";
import test from "ava";
import { SocketError, UdpSocket } from "moonwire";
import { udpServer, unixDatagramServer } from "../helpers/datagram.js";
import { freePort, makePrefix, removePrefix } from "../helpers/index.js";

async function named(t, port, options) {
  const socket = new UdpSocket(options);
  t.teardown(() => socket.destroy());
  await socket.setpeername("127.0.0.1", port);
  return socket;
}

const codeOf = async (t, promise) => (await t.throwsAsync(promise, { instanceOf: SocketError })).code;

test("datagrams as Buffers and as strings, whole and cut", async (t) => {
  const port = await udpServer(t);
  const raw = await named(t, port);
  await raw.send(Buffer.from([0xff, 0]));
  t.deepEqual(await raw.receive(), Buffer.from([0xff, 0]));
  await raw.send("");
  t.deepEqual(await raw.receive(), Buffer.alloc(0));
  const text = await named(t, port, { encoding: "utf8" });
  await text.send(["a", [1, "ü"]]);
  t.is(await text.receive(), "a1ü");
  await text.send("abcdef");
  t.is(await text.receive(3), "abc");
  await text.close();
});

test("names, a local address, a new peer", async (t) => {
  const first = await udpServer(t, (text, address) => `${address} ${text}`);
  const second = await udpServer(t, (text) => `2 ${text}`);
  const socket = new UdpSocket({ encoding: "utf8" });
  t.teardown(() => socket.destroy());
  await socket.bind("127.0.0.8");
  await socket.setpeername("localhost", first);
  await socket.send("a");
  t.is(await socket.receive(), "127.0.0.8 a");
  await socket.setpeername("127.0.0.1", second);
  await socket.send("b");
  t.is(await socket.receive(), "2 b");
});

test("unix datagram sockets", async (t) => {
  const prefix = makePrefix();
  t.teardown(() => removePrefix(prefix));
  const path = join(prefix, "d.sock");
  await unixDatagramServer(t, path);
  const socket = new UdpSocket({ encoding: "utf8" });
  await socket.setpeername(`unix:${path}`);
  await socket.send("x");
  t.is(await socket.receive(), "re: x");
  await socket.close();
});

test("failures: timeout, refused, busy, closed, destroyed", async (t) => {
  const port = await udpServer(t, (text) => (text === "mute" ? null : text));
  const socket = await named(t, port, { encoding: "utf8" });
  await socket.settimeout(20);
  await socket.send("mute");
  t.is(await codeOf(t, socket.receive()), "SOCKET_TIMEOUT");
  await socket.settimeout(0);
  const waiting = codeOf(t, socket.receive());
  t.is(await codeOf(t, socket.receive()), "SOCKET_BUSY");
  t.is(await codeOf(t, socket.close()), "SOCKET_BUSY");
  await socket.destroy();
  t.is(await waiting, "SOCKET_CLOSED");
  t.is(await codeOf(t, socket.send("x")), "SOCKET_CLOSED");
  await socket.setpeername("127.0.0.1", await freePort());
  await socket.send("x");
  t.is(await codeOf(t, socket.receive()), "SOCKET_REFUSED");
  t.is(await codeOf(t, socket.setpeername("nowhere.invalid", 1)), "SOCKET_UNRESOLVED");
  await t.throwsAsync(socket.setpeername("localhost"), { instanceOf: TypeError });
  await t.throwsAsync(socket.receive(-1), { instanceOf: RangeError });
});
