// SPDX-License-Identifier: MIT
// Where TcpSocket and UdpSocket live: one Lua VM for all of this JavaScript thread, whose worker thread has the event loop, the
// sockets and their pools. It starts with the first call and keeps the process alive while a call waits, not otherwise.
import { lua } from "./conf/index.js";
import { SocketError } from "./errors.js";
import { LuaVm, type LuaArgument } from "./vm.js";

/** What one call came to: Lua's return values, strings as Buffers. */
export type Results = readonly unknown[];

let vm: LuaVm | undefined;
let lastId = 0;

function host(): LuaVm {
  return (vm ??= new LuaVm({
    encoding: "buffer",
    multiple: true,
    initByLua: lua`package.path = "" sockets = require "moonwire.sockets"`, // never a file of that name
  }));
}

/** One socket in that VM. */
export class HostedSocket {
  readonly #kind: "tcp" | "udp";
  readonly #id = ++lastId;
  #isUsed = false;
  #lastReader = 0;

  constructor(kind: "tcp" | "udp") {
    this.#kind = kind;
  }

  /** Calls a method and resolves with what it returned; rejects where that is nil and a reason. */
  async call(method: string, ...args: LuaArgument[]): Promise<Results> {
    this.#use();
    return succeeded(method, await host().call<Results>("sockets.call", this.#kind, this.#id, method, ...args));
  }

  /** A function that calls a receiveuntil iterator of its own; with nothing returned the part before the pattern is over. */
  reader(pattern: LuaArgument, isInclusive: boolean): (size?: number) => Promise<Results> {
    const reader = ++this.#lastReader;
    return async (size) => {
      this.#use();
      const results = await host().call<Results>("sockets.read_until", this.#id, reader, pattern, isInclusive, size);
      return results[1] === undefined ? results : succeeded("receiveuntil", results);
    };
  }

  /** Closes it; what it waits for rejects with "closed". */
  async destroy(): Promise<void> {
    if (!this.#isUsed) return;
    this.#isUsed = false;
    await host().call("sockets.destroy", this.#kind, this.#id);
  }

  /** Once JavaScript has lost the socket, so does Lua. */
  #use(): void {
    if (this.#isUsed) return;
    this.#isUsed = true;
    lost.register(this, { kind: this.#kind, id: this.#id });
  }
}

const lost = new FinalizationRegistry<{ kind: string; id: number }>(({ kind, id }) => {
  host()
    .call("sockets.destroy", kind, id)
    .catch(() => {});
});

function succeeded(method: string, results: Results): Results {
  const [value, reason, partial] = results;
  if (value !== undefined || reason === undefined) return results;
  throw new SocketError(method, (reason as Buffer).toString(), partial as Buffer | undefined);
}
