// SPDX-License-Identifier: MIT
// What the supervisor of `--processes` and its processes say to each other over Node's channel, and the native calls that
// both use. Descriptors travel beside it, on a socket of their own: they are sent before the message that speaks of them.
import { binding } from "./binding.js";
import type { ConfigProblem } from "./errors.js";
import type { VmLoss, WorkerExit, WorkerStats } from "./worker-host.js";

/** A process's share of one configuration. The descriptors' numbers are those of whoever holds it. */
export interface Share {
  /** `ngx.worker.id()` of its first worker. */
  readonly first: number;
  /** Its workers. */
  readonly workers: number;
  /** Those of all processes. */
  readonly total: number;
  readonly kinds: readonly number[];
  readonly keys: readonly string[];
  readonly fds: readonly number[];
}

/** To a process. */
export type Order =
  | { type: "start"; plan: Buffer; share: Share }
  /** The generation serves from now on, or is given up. */
  | { type: "settle"; generation: number; serves: boolean }
  | { type: "close"; drainMs: number }
  | { type: "reopen" };

/**
 * From a process. `started` answers `start`: its workers are ready, or why they are not; `settled`
 * answers `settle`.
 */
export type Report =
  | { type: "ready" }
  | { type: "started"; generation: number; problems: readonly ConfigProblem[] }
  | { type: "settled" }
  | { type: "stats"; stats: WorkerStats[] }
  | ({ type: "exit" } & WorkerExit)
  | ({ type: "vmLost" } & VmLoss);

/** The supervisor's half of the addon: see native/estate.h. */
export interface Estate {
  prepare(plan: Buffer): string | null;
  commit(): string | null;
  abandon(): void;
  share(process: number, isPrepared: boolean): Share;
  addresses(): string[];
  bury(process: number): string[];
  close(): void;
}

interface Processes {
  Estate: new (processes: number) => Estate;
  channel(): [ours: number, theirs: number];
  closeChannel(fd: number): void;
  send(channel: number, fds: readonly number[]): void;
  receive(channel: number, count: number): number[];
}

/** The addon's object `processes`. */
export function processes(): Processes {
  return binding()["processes"] as Processes;
}

/** The descriptor that a process finds its end of the channel at; 3 is Node's. */
export const channelFd = 4;
