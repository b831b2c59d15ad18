// SPDX-License-Identifier: MIT
// What `Server.status()`, the directive moonwire_status and `moonwire top` tell: one document, made by native/lua/moonwire/status.lua.

/** How many of a request's answers took no longer than `le` seconds. */
export interface DurationBucket {
  readonly le: number | "+Inf";
  readonly count: number;
}

/** A phase's share of the time that requests took. */
export interface PhaseTime {
  readonly seconds: number;
}

/** Connections of clients. */
export interface ConnectionStatus {
  readonly active: number;
  /** A request's head is being read. */
  readonly reading: number;
  /** A request is being answered. */
  readonly writing: number;
  /** Idle, until the next request. */
  readonly waiting: number;
}

/** A cosocket pool, of all workers together. */
export interface PoolStatus {
  readonly name: string;
  readonly connections: number;
  readonly idle: number;
  /** Connects that wait for their turn. */
  readonly queued: number;
}

/** Timers of Lua. */
export interface TimerStatus {
  readonly pending: number;
  readonly running: number;
}

/** A Lua VM's memory, and the cycles of its collector. */
export interface LuaStatus {
  readonly memory_bytes: number;
  readonly collections: number;
}

/** Compiled traces, and what LuaJIT has told of them since this was first asked for, or since the start with moonwire_status. */
export interface JitStatus {
  readonly traces: number;
  readonly started: number;
  readonly completed: number;
  readonly aborted: number;
  readonly flushed: number;
}

/** One worker's part. */
export interface WorkerStatus {
  readonly generation: number;
  /** From 0; -1 is the privileged agent. */
  readonly worker: number;
  readonly requests: number;
  readonly connections: ConnectionStatus;
  readonly timers: TimerStatus;
  readonly lua: LuaStatus;
  readonly jit: JitStatus & { readonly on: boolean };
}

/** What a server does, over all workers; counters go on over reloads. */
export interface ServerStatus {
  readonly pid: number;
  /** Seconds since the epoch. */
  readonly time: number;
  /** Workers that did not answer in time: they run Lua that does not yield. */
  readonly workers_missing: number;
  readonly connections: ConnectionStatus & { readonly accepted: number; readonly handled: number };
  readonly requests: {
    readonly total: number;
    /** `2xx`, ...; `none`: the client was gone. */
    readonly by_status: Readonly<Record<string, number>>;
    readonly duration: {
      readonly buckets: readonly DurationBucket[];
      readonly sum_seconds: number;
      readonly count: number;
    };
    /** Before the content handler; from there until the answer is out; in log handlers. */
    readonly phases: { readonly access: PhaseTime; readonly content: PhaseTime; readonly log: PhaseTime };
  };
  /** Connections to other servers; connects, reuses and failures of cosockets since the start. */
  readonly sockets: {
    readonly open: number;
    readonly idle: number;
    readonly queued: number;
    readonly connects: number;
    readonly reuses: number;
    readonly failures: number;
    /** The largest 32, and `(others)` together. */
    readonly pools: readonly PoolStatus[];
  };
  readonly shared_dicts: Readonly<
    Record<string, { readonly capacity_bytes: number; readonly free_bytes: number; readonly keys: number }>
  >;
  readonly timers: TimerStatus;
  readonly lua: LuaStatus;
  readonly jit: JitStatus;
  /** Errors of Lua handlers, light threads and timers; attempts of upstream servers that failed. */
  readonly errors: { readonly lua: number; readonly upstream: number };
  readonly workers: readonly WorkerStatus[];
}
