// SPDX-License-Identifier: MIT
// `TcpSocket`, `UdpSocket`: Lua's cosockets as promises, with their methods' names, their pools and their error strings. The
// arguments' types are checked here; the work is done on a native thread, see socket-host.ts.
import { SocketError } from "./errors.js";
import { HostedSocket, type Results } from "./socket-host.js";

/** What can be sent: text, bytes, numbers as Lua writes them, and arrays of such, nested as they may be. */
export type SocketData = string | number | Uint8Array | readonly SocketData[];

/** What is received: Buffers, or strings where the socket has an encoding. */
export type Received<E extends BufferEncoding | undefined> = E extends BufferEncoding ? string : Buffer;

/** How a socket is made. */
export interface SocketOptions<E extends BufferEncoding | undefined> {
  /** Strings are sent, and what is received decoded, in this encoding; without one Buffers are received. */
  readonly encoding?: E;
}

/** Which pool a connection comes from and goes back to. */
export interface ConnectOptions {
  /** Name of the pool; `host:port`, or the unix socket's path, by default. */
  readonly pool?: string;
  /** Idle connections that the pool keeps, when this connect makes it; 30 by default. */
  readonly poolSize?: number;
  /** Limits the pool's connections to its size, and so many connects wait for one; more reject. */
  readonly backlog?: number;
}

/**
 * Reads up to a pattern, see {@link TcpSocket.receiveuntil}: without a size all that stands before it; with one at most so
 * many bytes of it, and null once the pattern is reached.
 */
export interface UntilReader<E extends BufferEncoding | undefined> {
  (): Promise<Received<E>>;
  (size: number): Promise<Received<E> | null>;
}

function requireType(name: string, value: unknown, type: "string" | "number", isOptional = false): void {
  if (typeof value !== type && !(isOptional && value === undefined)) throw new TypeError(`${name} must be a ${type}`);
}

function requireMilliseconds(name: string, value: unknown): void {
  requireType(name, value, "number", true);
  if (value !== undefined && !((value as number) >= 0 && (value as number) <= 0x7fffffff))
    throw new RangeError(`${name} must be between 0 and 2147483647`);
}

function requireCount(name: string, value: unknown, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return;
  throw new RangeError(`${name} must be a whole number, at least ${least}`);
}

/** What both kinds have: a native socket and an encoding. */
abstract class Socket<E extends BufferEncoding | undefined> {
  protected readonly hosted: HostedSocket;
  readonly #encoding: E | undefined;

  protected constructor(kind: "tcp" | "udp", options: SocketOptions<E>) {
    if (options.encoding !== undefined && !Buffer.isEncoding(options.encoding))
      throw new TypeError(`unknown encoding ${String(options.encoding)}`);
    this.hosted = new HostedSocket(kind);
    this.#encoding = options.encoding;
  }

  /** The local IP address that connections to come are made from. */
  async bind(address: string): Promise<void> {
    requireType("address", address, "string");
    await this.hosted.call("bind", address);
  }

  /** Closes the socket. Rejects while another call waits on it; `destroy()` does not. */
  async close(): Promise<void> {
    await this.hosted.call("close");
  }

  /** Closes the socket, whatever is under way: that rejects with "closed". */
  destroy(): Promise<void> {
    return this.hosted.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }

  protected outgoing(data: SocketData): SocketData {
    if (typeof data === "string") return this.#encoding ? Buffer.from(data, this.#encoding) : data;
    if (typeof data === "number" || data instanceof Uint8Array) return data;
    if (Array.isArray(data)) return data.map((part: SocketData) => this.outgoing(part));
    throw new TypeError("data must be a string, a number, a Uint8Array or an array of such");
  }

  /** Nothing, which only a reader with a size gets, is null; its type says so. */
  protected incoming(data: unknown): Received<E> {
    if (data === undefined) return null as unknown as Received<E>;
    const bytes = data as Buffer;
    return (this.#encoding ? bytes.toString(this.#encoding) : bytes) as Received<E>;
  }

  /** The first result of a call that receives. */
  protected async received(call: Promise<Results>): Promise<Received<E>> {
    try {
      return this.incoming((await call)[0]);
    } catch (e) {
      if (!(e instanceof SocketError) || e.partial === undefined) throw e;
      throw new SocketError(e.operation, e.reason, this.incoming(e.partial));
    }
  }
}

/**
 * A TCP or unix stream socket with the interface of `ngx.socket.tcp`. At most one connect, one send and one receive wait at a
 * time; a second rejects with "socket busy ...". What fails rejects with a {@link SocketError}.
 */
export class TcpSocket<E extends BufferEncoding | undefined = undefined> extends Socket<E> {
  constructor(options: SocketOptions<E> = {}) {
    super("tcp", options);
  }

  /** Connects to a host's address or name and a port, or takes an idle connection to it from the pool. */
  connect(host: string, port: number, options?: ConnectOptions): Promise<void>;
  /** Connects to a unix socket, `unix:/path`. */
  connect(path: `unix:${string}`, options?: ConnectOptions): Promise<void>;
  async connect(host: string, port?: number | ConnectOptions, options?: ConnectOptions): Promise<void> {
    requireType("host", host, "string");
    const isUnix = host.startsWith("unix:");
    if (isUnix && typeof port === "object") options = port;
    if (!isUnix) requireType("port", port, "number");
    const { pool, poolSize, backlog } = options ?? {};
    requireType("pool", pool, "string", true);
    requireCount("poolSize", poolSize, 1);
    requireCount("backlog", backlog, 0);
    const named = { pool, pool_size: poolSize, backlog };
    await this.hosted.call("connect", host, ...(isUnix ? [] : [port as number]), named);
  }

  /** Sends all of `data`; resolves with the number of bytes once the kernel has them. */
  async send(data: SocketData): Promise<number> {
    return (await this.hosted.call("send", this.outgoing(data)))[0] as number;
  }

  /**
   * Receives a line without its end (`"*l"`, the default), all up to the end of the stream (`"*a"`), or exactly so many bytes.
   * What came before a failure is in the error's `partial`.
   */
  async receive(pattern: "*l" | "*a" | number = "*l"): Promise<Received<E>> {
    if (pattern !== "*l" && pattern !== "*a") requireCount("the number of bytes", pattern, 0);
    return this.received(this.hosted.call("receive", pattern));
  }

  /** Receives what is there, at most `max` bytes; waits when nothing is. */
  async receiveany(max: number): Promise<Received<E>> {
    requireType("max", max, "number");
    requireCount("max", max, 1);
    return this.received(this.hosted.call("receiveany", max));
  }

  /** A function that receives what stands before the next `pattern`, or with `inclusive` that and the pattern. */
  receiveuntil(pattern: string | Uint8Array, options: { inclusive?: boolean } = {}): UntilReader<E> {
    if (typeof pattern !== "string" && !(pattern instanceof Uint8Array))
      throw new TypeError("pattern must be a string or a Uint8Array");
    if (pattern.length === 0) throw new RangeError("pattern is empty");
    const read = this.hosted.reader(this.outgoing(pattern), options.inclusive ?? false);
    return async (size?: number) => {
      requireCount("size", size, 1);
      return this.received(read(size));
    };
  }

  /** The timeout in milliseconds of every call to come; 0: the default, a minute. */
  async settimeout(ms: number): Promise<void> {
    requireType("ms", ms, "number");
    requireMilliseconds("ms", ms);
    await this.hosted.call("settimeout", ms);
  }

  /** The timeouts in milliseconds of connects, sends and receives to come; undefined: the default, a minute. */
  async settimeouts(connect?: number, send?: number, read?: number): Promise<void> {
    requireMilliseconds("connect", connect);
    requireMilliseconds("send", send);
    requireMilliseconds("read", read);
    await this.hosted.call("settimeouts", connect, send, read);
  }

  /** Begins TLS on the connection. Not built yet: rejects with the code `SOCKET_FAILED`, and nothing is sent. */
  async sslhandshake(serverName?: string, verify = false): Promise<void> {
    requireType("serverName", serverName, "string", true);
    await this.hosted.call("sslhandshake", undefined, serverName, verify);
  }

  /**
   * Puts the connection into its pool for the next connect to the same place; this socket has none then. `idleMs`: how long it
   * may idle there, 0 for good, a minute by default; `poolSize`: of the pool, when this makes it.
   */
  async setkeepalive(idleMs?: number, poolSize?: number): Promise<void> {
    requireMilliseconds("idleMs", idleMs);
    requireCount("poolSize", poolSize, 1);
    await this.hosted.call("setkeepalive", idleMs, poolSize);
  }

  /** How often the connection was used before it came from the pool: 0 for a new one. */
  async getreusedtimes(): Promise<number> {
    return (await this.hosted.call("getreusedtimes"))[0] as number;
  }
}

/**
 * A UDP or unix datagram socket with the interface of `ngx.socket.udp`. One call waits at a time; a second rejects with
 * "socket busy". What fails rejects with a {@link SocketError}.
 */
export class UdpSocket<E extends BufferEncoding | undefined = undefined> extends Socket<E> {
  constructor(options: SocketOptions<E> = {}) {
    super("udp", options);
  }

  /** Names the peer: a host's address or name and a port. */
  setpeername(host: string, port: number): Promise<void>;
  /** Names the peer: a unix datagram socket, `unix:/path`. */
  setpeername(path: `unix:${string}`): Promise<void>;
  async setpeername(host: string, port?: number): Promise<void> {
    requireType("host", host, "string");
    const isUnix = host.startsWith("unix:");
    if (!isUnix) requireType("port", port, "number");
    await this.hosted.call("setpeername", host, ...(isUnix ? [] : [port as number]));
  }

  /** Sends one datagram. */
  async send(data: SocketData): Promise<void> {
    await this.hosted.call("send", this.outgoing(data));
  }

  /** Receives one datagram, of which it keeps `size` bytes; all of it by default. */
  async receive(size?: number): Promise<Received<E>> {
    requireCount("size", size, 0);
    return this.received(this.hosted.call("receive", size));
  }

  /** The timeout in milliseconds of receives to come; 0: the default, a minute. */
  async settimeout(ms: number): Promise<void> {
    requireType("ms", ms, "number");
    requireMilliseconds("ms", ms);
    await this.hosted.call("settimeout", ms);
  }
}
