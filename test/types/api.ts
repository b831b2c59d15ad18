// SPDX-License-Identifier: MIT
// The public types, checked by `npm run typecheck`: what must compile, and what must not.
import {
  CData,
  ConfigError,
  ffi,
  LuaError,
  LuaVm,
  MoonwireError,
  serve,
  SocketError,
  TcpSocket,
  testServer,
  UdpSocket,
  type ConfigProblem,
  type ErrorCode,
  type LogLevel,
  type LogLine,
  type Server,
  type ServerStatus,
  type WorkerExit,
  type WorkerStats,
} from "moonwire";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <T extends true>(): T | undefined => undefined;

export async function servers(): Promise<void> {
  const server = await serve("nginx.conf", { prefix: "/srv", overrides: { port: 0, host: "::1", workers: "auto" } });
  is<Same<typeof server, Server>>();
  is<Same<typeof server.addresses, readonly string[]>>();
  is<Same<ReturnType<typeof server.stats>, WorkerStats[]>>();
  const status = await server.status();
  is<Same<typeof status, ServerStatus>>();
  is<Same<typeof status.requests.total, number>>();
  // @ts-expect-error figures cannot be written
  status.errors.lua = 0;
  server.on("reload", (generation) => is<Same<typeof generation, number>>());
  server.on("workerExit", (exit) => is<Same<typeof exit, WorkerExit>>());
  // @ts-expect-error there is no such event
  server.on("bogus", () => {});
  // @ts-expect-error counters cannot be written
  server.stats()[0]!.requests = 1;
  // @ts-expect-error workers are a number or "auto"
  await serve("nginx.conf", { overrides: { workers: "many" } });
  await server.reload({ http: {} });
  await server.close({ drainMs: 10 });
  await using _second = await serve({ http: {} });
}

export async function tests(): Promise<void> {
  await using server = await testServer({ http: {} }, { prefix: "lua", workers: 2, logLevel: "warn" });
  const response = await server.fetch("/", { method: "POST", body: "x" });
  is<Same<typeof response, Response>>();
  is<Same<typeof server.logs, readonly LogLine[]>>();
  is<Same<LogLine["level"], LogLevel>>();
  is<Same<typeof server.server, Server>>();
  // @ts-expect-error no such level
  await testServer("nginx.conf", { logLevel: "loud" });
  // @ts-expect-error the system chooses the port
  await testServer("nginx.conf", { port: 80 });
}

export async function vms(): Promise<void> {
  await using vm = await LuaVm.create({ encoding: "buffer", multiple: true, luaSharedDict: { d: "1m" } });
  const typed = await vm.run<{ ok: boolean }>("return { ok = true }", 1, "x", null, undefined, [1n], {
    a: new Uint8Array(),
  });
  is<Same<typeof typed, { ok: boolean }>>();
  const sum = await vm.call<number>("add", 1, 2);
  is<Same<typeof sum, number>>();
  // @ts-expect-error functions do not cross
  await vm.run("return ...", () => 1);
  // @ts-expect-error no such encoding
  new LuaVm({ encoding: "latin1" });
}

export async function sockets(): Promise<void> {
  await using raw = new TcpSocket();
  await raw.connect("localhost", 6379, { pool: "redis", poolSize: 10, backlog: 0 });
  await raw.connect("unix:/run/redis.sock", { pool: "redis" });
  const bytes = await raw.receive("*a");
  is<Same<typeof bytes, Buffer>>();
  const text = new TcpSocket({ encoding: "utf8" });
  const line = await text.receive();
  is<Same<typeof line, string>>();
  const read = text.receiveuntil("--", { inclusive: true });
  const whole = await read();
  is<Same<typeof whole, string>>();
  const piece = await read(10);
  is<Same<typeof piece, string | null>>();
  const sent = await text.send(["a", 1, [new Uint8Array()]]);
  is<Same<typeof sent, number>>();
  // @ts-expect-error a host needs a port
  await raw.connect("localhost");
  // @ts-expect-error there is no such pattern
  await raw.receive("*n");
  // @ts-expect-error no booleans
  await raw.send(true);
  // @ts-expect-error no such encoding
  new TcpSocket({ encoding: "klingon" });
  await using udp = new UdpSocket({ encoding: "latin1" });
  await udp.setpeername("unix:/dev/log");
  const datagram = await udp.receive(100);
  is<Same<typeof datagram, string>>();
  // @ts-expect-error datagrams have no lines
  await udp.receive("*l");
}

export function foreign(): void {
  const C = ffi.cdef<{ abs(n: number): number }>("int abs(int);");
  is<Same<ReturnType<typeof C.abs>, number>>();
  // @ts-expect-error the caller said number
  C.abs("x");
  const data = ffi.new("int[?]", 3, [1, 2, 3]);
  is<Same<typeof data, CData>>();
  is<Same<typeof data.address, bigint>>();
  ffi.C["strlen"](Buffer.alloc(1), data, null);
  // @ts-expect-error C has no symbols
  ffi.cast("int", Symbol("x"));
}

export function errors(e: unknown): ErrorCode | undefined {
  if (e instanceof ConfigError) is<Same<typeof e.problems, readonly ConfigProblem[]>>();
  if (e instanceof LuaError) is<Same<typeof e.luaTraceback, string>>();
  if (e instanceof SocketError) is<Same<typeof e.partial, Buffer | string | undefined>>();
  return e instanceof MoonwireError ? e.code : undefined;
}
