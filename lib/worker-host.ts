// SPDX-License-Identifier: MIT
// The native server behind Server and LuaVm: generations of workers, counted from the addon's events. It keeps the process
// alive while referenced; the native side is destroyed when the last generation has ended after close().
import { binding } from "./binding.js";
import { MoonwireError, StartError, type ConfigProblem } from "./errors.js";
import type { Share } from "./process-protocol.js";
import { problemOf, problemOfStart, type NativeProblem } from "./start-problem.js";

/** Counters of one worker at the moment of the call. */
export interface WorkerStats {
  /** Number of the configuration's generation, from 1; a reload starts the next. */
  readonly generation: number;
  /** The worker's number in its generation, from 0. */
  readonly worker: number;
  readonly connectionsActive: number;
  readonly connectionsAccepted: number;
  readonly connectionsIdle: number;
  readonly requests: number;
  readonly timersPending: number;
  readonly timersRunning: number;
  readonly luaMemoryBytes: number;
}

/** What running Lua in a worker came to. */
export interface VmReply {
  readonly ok: boolean;
  /** Encoded array of results. */
  readonly values: Buffer;
  readonly error: string;
  readonly traceback: string;
}

type NativeEvent =
  | { type: "started"; generation: number; error: string }
  | { type: "workerExit"; generation: number; worker: number; left: number }
  | { type: "vmLost"; generation: number; worker: number }
  | ({ type: "reply"; id: number } & VmReply);

interface NativeServer {
  start(plan: Buffer, share?: Share): NativeProblem[];
  settle(generation: number, serves: boolean): void;
  addresses(): string[];
  stats(): WorkerStats[];
  close(drainMs: number): void;
  reap(): void;
  reopenLogs(): void;
  run(id: number, worker: number, isCode: boolean, text: string, chunkname: string, args: Buffer): void;
  setReferenced(on: boolean): void;
  destroy(): void;
}

/** A worker thread's end. */
export interface WorkerExit {
  readonly generation: number;
  /** As in WorkerStats; the privileged agent's follows the last worker's. */
  readonly worker: number;
  /** Workers of that generation that still run. */
  readonly left: number;
}

/** A fault has ended a worker's Lua VM, and another has taken its place: see `lua_fault_containment`. */
export interface VmLoss {
  readonly generation: number;
  /** As in WorkerExit. */
  readonly worker: number;
}

/** What a host tells of the workers. */
export interface WorkerListener {
  workerExit?(exit: WorkerExit): void;
  vmLost?(loss: VmLoss): void;
}

interface Waiter<T> {
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
}

/** Longest drain: no limit in practice, and safe for the native side's arithmetic. */
export const drainForever = 0xffffffff;

/** What Server needs of whoever runs the workers: threads of this process, or processes with threads. */
export interface Host {
  /** True from the call of close() on. */
  readonly isClosing: boolean;
  /** Starts the workers of an encoded plan; resolves with the generation's number when they serve. */
  start(plan: Buffer): Promise<number>;
  addresses(): string[];
  stats(): WorkerStats[];
  reopenLogs(): void;
  close(drainMs: number): Promise<void>;
}

export class WorkerHost implements Host {
  readonly #native: NativeServer;
  readonly #listener: WorkerListener;
  readonly #live = new Set<number>();
  readonly #replies = new Map<number, Waiter<VmReply>>();
  #starting: Waiter<number> | undefined;
  #startDone: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #finish: (() => void) | undefined;
  #nextReply = 1;
  #isReferenced = true;

  constructor(listener: WorkerListener = {}) {
    this.#listener = listener;
    const Native = binding()["Server"] as new (onEvent: (e: NativeEvent) => void) => NativeServer;
    this.#native = new Native((e) => this.#onEvent(e));
  }

  /** True from the call of close() on. */
  get isClosing(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Starts a generation of workers with an encoded plan; one start at a time. Resolves with its number when every worker is
   * up, and rejects when it could not be had; then the generation before it, if any, still serves. With a share of a
   * supervisor's, its workers are ready then, but serve only when settle() says so.
   */
  async start(plan: Buffer, share?: Share): Promise<number> {
    await this.#startDone;
    if (this.#closed) throw new MoonwireError("SERVER_CLOSED");
    const started = new Promise<number>((resolve, reject) => (this.#starting = { resolve, reject }));
    this.#startDone = started.catch(() => {});
    const problems = this.#native.start(plan, share);
    if (problems.length > 0) this.#started(0, problems.map(problemOf));
    return started;
  }

  /** A generation with a share serves from now on, or is given up and the one before it serves on. */
  settle(generation: number, serves: boolean): void {
    this.#native.settle(generation, serves);
  }

  addresses(): string[] {
    return this.#native.addresses();
  }

  stats(): WorkerStats[] {
    return this.#native.stats();
  }

  reopenLogs(): void {
    this.#native.reopenLogs();
  }

  /** Runs Lua in worker 0: code, or a global function by its dotted name. */
  run(isCode: boolean, text: string, chunkname: string, args: Buffer): Promise<VmReply> {
    if (this.#closed) return Promise.reject(new MoonwireError("VM_CLOSED"));
    const id = this.#nextReply++;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, { resolve, reject });
      this.#native.run(id, 0, isCode, text, chunkname, args);
    });
  }

  /** Whether the workers keep the process alive; they do at first. */
  setReferenced(on: boolean): void {
    if (this.#isReferenced === on) return;
    this.#isReferenced = on;
    this.#native.setReferenced(on);
  }

  /** Stops accepting, gives requests `drainMs` to finish, resolves when every worker has ended. A second call may shorten it. */
  close(drainMs: number): Promise<void> {
    const again = this.#closed !== undefined;
    this.#closed ??= this.#close();
    void this.#startDone.then(() => {
      if (!again || this.#finish) this.#native.close(Math.min(drainMs, drainForever));
    });
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#startDone;
    this.setReferenced(true);
    if (this.#live.size > 0) await new Promise<void>((resolve) => (this.#finish = resolve));
    this.#finish = undefined;
    this.#native.destroy();
    for (const { reject } of this.#replies.values()) reject(new MoonwireError("VM_CLOSED"));
    this.#replies.clear();
  }

  #onEvent(e: NativeEvent): void {
    if (e.type === "started") return this.#started(e.generation, e.error === "" ? [] : [problemOfStart(e.error)]);
    if (e.type === "workerExit") return this.#workerExit(e);
    if (e.type === "vmLost") return this.#listener.vmLost?.({ generation: e.generation, worker: e.worker });
    const waiter = this.#replies.get(e.id);
    this.#replies.delete(e.id);
    waiter?.resolve(e);
  }

  #started(generation: number, problems: readonly ConfigProblem[]): void {
    const waiter = this.#starting;
    this.#starting = undefined;
    if (problems.length === 0) {
      this.#live.add(generation);
      waiter?.resolve(generation);
      return;
    }
    waiter?.reject(new StartError(problems));
    if (this.#live.size === 0) void this.close(0);
  }

  #workerExit(e: WorkerExit): void {
    if (e.left === 0) {
      this.#live.delete(e.generation);
      this.#native.reap();
    }
    this.#listener.workerExit?.({ generation: e.generation, worker: e.worker, left: e.left });
    if (this.#live.size === 0) this.#finish?.();
  }
}
