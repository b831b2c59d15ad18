// SPDX-License-Identifier: MIT
// TcpSocket: what it sends and receives, pools, timeouts, failures with their codes; against node servers and a real Redis.
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { MoonwireError, SocketError, TcpSocket } from "moonwire";
import { startRedis } from "../helpers/backend.js";
import { freePort, makePrefix, removePrefix } from "../helpers/index.js";
import { listening } from "../helpers/upstream.js";

/** A server that answers each line with `reply(line)`; null closes. */
const lineServer = (t, reply = (line) => `${line}\n`, path) =>
  listening(
    t,
    createServer((socket) => {
      let rest = "";
      socket.on("error", () => {});
      socket.on("data", (data) => {
        const lines = (rest + data.toString("latin1")).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const answer = reply(line);
          if (answer === null) socket.end();
          else socket.write(answer, "latin1");
        }
      });
    }),
    path,
  );

async function connected(t, port, options) {
  const socket = new TcpSocket(options);
  t.teardown(() => socket.destroy());
  await socket.connect("127.0.0.1", port);
  return socket;
}

/** The SocketError that `promise` rejects with, as what tests compare. */
async function failure(t, promise) {
  const e = await t.throwsAsync(promise, { instanceOf: SocketError });
  t.true(e instanceof MoonwireError);
  t.is(e.message, `${e.operation}: ${e.reason}`);
  return { code: e.code, operation: e.operation, reason: e.reason, partial: e.partial };
}

test("Buffers by default, strings with an encoding; numbers and nested arrays", async (t) => {
  const port = await lineServer(t);
  const raw = await connected(t, port);
  t.is(await raw.send(Buffer.from([0xff, 0, 0x0a])), 3);
  t.deepEqual(await raw.receive(), Buffer.from([0xff, 0]));
  t.is(await raw.send("grün\n"), 6);
  t.deepEqual(await raw.receive(), Buffer.from("grün"));
  const text = await connected(t, port, { encoding: "utf8" });
  t.is(await text.send(["a", ["b", 2.5, [Buffer.from("c")]], "\n"]), 7);
  t.is(await text.receive(), "ab2.5c");
  const latin = await connected(t, port, { encoding: "latin1" });
  t.is(await latin.send(["grün", "\n"]), 5);
  t.is(await latin.receive(), "grün");
  const big = "x".repeat(3_000_000);
  t.is(await text.send([big, "\n"]), 3_000_001);
  t.is(await text.receive(), big);
});

test("lines, sizes, what is there, all; up to a pattern, whole and in pieces", async (t) => {
  const port = await lineServer(t, (line) => (line === "go" ? "one\r\nabcdef" : line === "end" ? null : `${line};`));
  const socket = await connected(t, port, { encoding: "utf8" });
  await socket.send("go\n");
  t.is(await socket.receive("*l"), "one");
  t.is(await socket.receive(3), "abc");
  t.is(await socket.receive(0), "");
  t.is(await socket.receiveany(2), "de");
  await socket.send("x--yz--\n");
  t.is(await socket.receiveuntil("--")(), "fx");
  const read = socket.receiveuntil(Buffer.from("--"));
  t.is(await read(1), "y");
  t.is(await read(1), "z");
  t.is(await read(1), "");
  t.is(await read(1), null);
  await socket.send("tail--rest\n");
  t.is(await socket.receiveuntil("--", { inclusive: true })(), ";tail--");
  await socket.send("end\n");
  t.is(await socket.receive("*a"), "rest;");
  t.deepEqual(await failure(t, socket.receive()), {
    code: "SOCKET_CLOSED",
    operation: "receive",
    reason: "closed",
    partial: "",
  });
});

test("a timeout rejects with what was received and leaves the connection usable", async (t) => {
  const port = await lineServer(t, (line) => (line === "half" ? "par" : `${line}\n`));
  for (const encoding of [undefined, "utf8"]) {
    const socket = await connected(t, port, { encoding });
    const as = (text) => (encoding ? text : Buffer.from(text));
    await socket.send("half\n");
    t.deepEqual(await socket.receive(1), as("p"));
    await socket.settimeouts(undefined, undefined, 20);
    const timeout = { code: "SOCKET_TIMEOUT", operation: "receive", reason: "timeout", partial: as("ar") };
    t.deepEqual(await failure(t, socket.receive()), timeout);
    t.is((await failure(t, socket.receiveuntil("--")())).operation, "receiveuntil");
    await socket.settimeout(60_000);
    await socket.send("whole\n");
    t.deepEqual(await socket.receive(), as("whole"));
  }
});

test("pools: a connection that is put back is used again, by name and by address", async (t) => {
  const port = await lineServer(t);
  const socket = await connected(t, port, { encoding: "utf8" });
  t.is(await socket.getreusedtimes(), 0);
  await socket.setkeepalive();
  t.is((await failure(t, socket.send("x"))).reason, "closed");
  const other = new TcpSocket({ encoding: "utf8" });
  await other.connect("127.0.0.1", port, { pool: "own", poolSize: 1 });
  t.is(await other.getreusedtimes(), 0);
  await other.setkeepalive(10_000, 1);
  await other.connect("127.0.0.1", port);
  t.is(await other.getreusedtimes(), 1);
  await other.send("again\n");
  t.is(await other.receive(), "again");
  await other.close();
  await other.connect("127.0.0.1", port, { pool: "own" });
  t.is(await other.getreusedtimes(), 1);
  const limited = { pool: "limited", poolSize: 1, backlog: 0 };
  await other.connect("127.0.0.1", port, limited);
  const many = await failure(t, socket.connect("127.0.0.1", port, limited));
  t.deepEqual([many.code, many.reason], ["SOCKET_FAILED", "too many waiting connect operations"]);
  await other.close();
});

test("unix sockets", async (t) => {
  const prefix = makePrefix();
  t.teardown(() => removePrefix(prefix));
  const path = await lineServer(t, undefined, join(prefix, "s.sock"));
  const socket = new TcpSocket({ encoding: "utf8" });
  await socket.connect(`unix:${path}`, { pool: "unix" });
  await socket.send("over unix\n");
  t.is(await socket.receive(), "over unix");
  await socket.close();
  t.is((await failure(t, socket.connect(`unix:${path}.none`))).reason, "no such file or directory");
});

test("failures have stable codes and the cosocket's words", async (t) => {
  const socket = new TcpSocket();
  t.teardown(() => socket.destroy());
  const codeOf = async (promise) => (await failure(t, promise)).code;
  t.is(await codeOf(socket.send("x")), "SOCKET_CLOSED");
  t.is(await codeOf(socket.close()), "SOCKET_CLOSED");
  t.is(await codeOf(socket.getreusedtimes()), "SOCKET_CLOSED");
  t.is(await codeOf(socket.connect("127.0.0.1", await freePort())), "SOCKET_REFUSED");
  t.is(await codeOf(socket.connect("nowhere.invalid", 80)), "SOCKET_UNRESOLVED");
  t.is((await failure(t, socket.connect("127.0.0.1", 70_000))).reason, "bad port number: 70000");
  t.is((await failure(t, socket.bind("127.0.0.1000"))).reason, "bad address");
  await socket.bind("127.0.0.7");
  await socket.connect("localhost", await lineServer(t));
  const waiting = socket.receive();
  t.is(await codeOf(socket.receive()), "SOCKET_BUSY");
  t.is(await codeOf(socket.close()), "SOCKET_BUSY");
  t.is((await failure(t, socket.sslhandshake("localhost", true))).operation, "sslhandshake");
  const [, closed] = await Promise.all([socket.destroy(), codeOf(waiting)]);
  t.is(closed, "SOCKET_CLOSED");
});

test("arguments of wrong types and sizes are refused before anything is sent", async (t) => {
  const socket = new TcpSocket();
  for (const wrong of [
    () => new TcpSocket({ encoding: "bogus" }),
    () => socket.receiveuntil(1),
    () => socket.connect(1, 1),
    () => socket.connect("localhost"),
    () => socket.connect("localhost", 1, { pool: 1 }),
    () => socket.send(null),
    () => socket.send([true]),
    () => socket.receiveany(),
    () => socket.settimeout(),
    () => socket.settimeouts("1"),
    () => socket.bind(1),
  ])
    await t.throwsAsync(async () => wrong(), { instanceOf: TypeError }, String(wrong));
  for (const wrong of [
    () => socket.receiveuntil(""),
    () => socket.receiveuntil("x")(0),
    () => socket.connect("localhost", 1, { poolSize: 0 }),
    () => socket.connect("localhost", 1, { backlog: -1 }),
    () => socket.receive(-1),
    () => socket.receive("*x"),
    () => socket.receiveany(0),
    () => socket.settimeout(-1),
    () => socket.setkeepalive(0, 0.5),
  ])
    await t.throwsAsync(async () => wrong(), { instanceOf: RangeError }, String(wrong));
});

test("many sockets at once", async (t) => {
  const port = await lineServer(t);
  const texts = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const socket = new TcpSocket({ encoding: "utf8" });
      await socket.connect("127.0.0.1", port);
      const [, text] = await Promise.all([socket.send(`number ${i}\n`), socket.receive()]);
      await socket.close();
      return text;
    }),
  );
  t.deepEqual(
    texts,
    texts.map((_, i) => `number ${i}`),
  );
});

test("a real Redis", async (t) => {
  const port = await startRedis(t);
  if (!port) return t.pass();
  const socket = await connected(t, port, { encoding: "utf8" });
  for (let i = 1; i <= 20; i++) {
    await socket.send("INCR visits\r\n");
    t.is(await socket.receive(), `:${i}`);
    await socket.setkeepalive(60_000, 10);
    await socket.connect("127.0.0.1", port);
    t.is(await socket.getreusedtimes(), i);
  }
  await socket.send(["*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n", "é", "\r\nGET k\r\n"]);
  t.is(await socket.receive(), "+OK");
  t.is(await socket.receive(), "$2");
  t.is(await socket.receive(2), "é");
});
