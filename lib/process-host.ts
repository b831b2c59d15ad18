// SPDX-License-Identifier: MIT
// The supervisor of `--processes`: workers in processes of their own, which share the listening sockets and the shared
// dictionaries. One that dies is replaced by a spare that is already running; connections that wait in its sockets wait in the
// supervisor's copies meanwhile. One in which a fault was contained is replaced too, and finishes what it has. A configuration
// is taken by all processes or by none.
import { MoonwireError, StartError } from "./errors.js";
import { processes, type Estate } from "./process-protocol.js";
import { problemOfStart } from "./start-problem.js";
import { SupervisedProcess } from "./supervised-process.js";
import {
  drainForever,
  type Host,
  type VmLoss,
  type WorkerExit,
  type WorkerListener,
  type WorkerStats,
} from "./worker-host.js";

/** What the supervisor writes to the error log. */
export type SuperviseLog = (level: "alert" | "notice", text: string) => void;

/** A process that died before it was this old waits before it is replaced again. */
const youthMs = 1000;
const longestPauseMs = 5000;

interface Place {
  process: SupervisedProcess | undefined;
  /** The one that `process` has taken the place of after a fault; it ends with its last request. */
  leaving: SupervisedProcess | undefined;
  /** A fault was contained in `process`. */
  isDamaged: boolean;
  /** The attempt under way to fill it. */
  filling: Promise<void>;
  since: number;
  deaths: number;
  timer?: NodeJS.Timeout;
}

export class ProcessHost implements Host {
  readonly #estate: Estate;
  readonly #places: Place[];
  readonly #log: SuperviseLog;
  readonly #workers: WorkerListener;
  #spare: SupervisedProcess | undefined;
  #plan: Buffer | undefined;
  #generation = 0;
  #starting: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #finish: (() => void) | undefined;
  #drainMs = drainForever;
  /** What a process that ends now does with its place. */
  readonly #listener = {
    workerExit: (from: SupervisedProcess, exit: WorkerExit) => this.#workerExit(from, exit),
    vmLost: (from: SupervisedProcess, loss: VmLoss) => this.#vmLost(from, loss),
    ended: (which: SupervisedProcess) => this.#ended(which),
  };

  constructor(count: number, log: SuperviseLog, workers: WorkerListener = {}) {
    this.#estate = new (processes().Estate)(count);
    this.#log = log;
    this.#workers = workers;
    this.#places = Array.from({ length: count }, () => ({
      process: undefined,
      leaving: undefined,
      isDamaged: false,
      filling: Promise.resolve(),
      since: 0,
      deaths: 0,
    }));
  }

  get isClosing(): boolean {
    return this.#closed !== undefined;
  }

  start(plan: Buffer): Promise<number> {
    const started = this.#starting.then(() => this.#start(plan));
    this.#starting = started.catch(() => {});
    return started;
  }

  async #start(plan: Buffer): Promise<number> {
    if (this.#closed) throw new MoonwireError("SERVER_CLOSED");
    const problem = this.#estate.prepare(plan);
    if (problem !== null) {
      if (!this.#plan) void this.close(0);
      throw new StartError([problemOfStart(problem)]);
    }
    await Promise.all(this.#places.map((place) => place.filling));
    const all = this.#places.map((place, i) => {
      const process = (place.process ??= this.#take());
      return process.start(plan, this.#estate.share(i, true)).then((generation) => ({ process, generation }));
    });
    const results = await Promise.allSettled(all);
    const ready = results.flatMap((r) => (r.status === "fulfilled" ? [r.value] : []));
    const failed = results.find((r) => r.status === "rejected");
    const why = failed || (this.#closed ? "the server is closed" : this.#estate.commit());
    if (why !== null) {
      await Promise.all(ready.map(({ process, generation }) => process.settle(generation, false)));
      this.#estate.abandon();
      // One that took an empty place serves nothing yet: its end fills the place with what serves.
      for (const { process } of this.#places) if (this.#plan && process?.generations.size === 0) process.kill();
      if (!this.#plan) await this.close(0);
      throw typeof why === "string" ? new StartError([problemOfStart(why)]) : why.reason;
    }
    this.#plan = plan;
    this.#generation++;
    await Promise.all(ready.map(({ process, generation }) => this.#serve(process, generation)));
    for (const place of this.#places) place.leaving?.close(this.#drainMs); // in case it waited for a process to be started
    // One that died since it was ready is replaced by #ended, with the plan that serves now.
    for (const place of this.#places) place.since ||= Date.now();
    this.#spare ??= new SupervisedProcess(this.#listener);
    return this.#generation;
  }

  #serve(process: SupervisedProcess, generation: number): Promise<void> {
    process.generations.set(generation, this.#generation);
    return process.settle(generation, true);
  }

  /** A process without a configuration: the spare, or a new one. */
  #take(): SupervisedProcess {
    const process = this.#spare ?? new SupervisedProcess(this.#listener);
    this.#spare = undefined;
    return process;
  }

  #ended(which: SupervisedProcess): void {
    if (which === this.#spare) this.#spare = undefined;
    const left = this.#places.find((place) => place.leaving === which);
    if (left) {
      left.leaving = undefined;
      this.#log(which.end.includes("signal") ? "alert" : "notice", `worker process ${which.pid} ${which.end}`);
      if (this.#closed) return this.#checkClosed();
      if (left.isDamaged) this.#replace(left);
      return;
    }
    const index = this.#places.findIndex((place) => place.process === which);
    const place = this.#places[index];
    if (this.#closed) {
      if (place) place.process = undefined;
      return this.#checkClosed();
    }
    if (!place) return;
    place.process = undefined;
    this.#log("alert", `worker process ${which.pid} ${which.end}`);
    for (const line of this.#estate.bury(index)) this.#log("alert", `worker process ${which.pid}: ${line}`);
    if (!this.#plan) return; // the first start fails, and says so
    place.deaths = Date.now() - place.since < youthMs ? place.deaths + 1 : 0;
    const pause = place.deaths < 2 ? 0 : Math.min(100 * 2 ** place.deaths, longestPauseMs);
    if (pause === 0) this.#refill(index);
    else place.timer = setTimeout(() => this.#refill(index), pause);
  }

  #refill(index: number): void {
    const place = this.#places[index]!;
    if (this.#closed || place.process) return;
    const process = (place.process = this.#take());
    place.isDamaged = false;
    place.since = Date.now();
    place.filling = this.#fill(index, process).catch((e: unknown) => {
      this.#log("alert", `worker process ${process.pid}: ${e instanceof Error ? e.message : String(e)}`);
      process.kill(); // and its end tries again
    });
  }

  async #fill(index: number, process: SupervisedProcess): Promise<void> {
    for (let plan = this.#plan; ; plan = this.#plan) {
      const generation = await process.start(plan!, this.#estate.share(index, false));
      if (plan !== this.#plan) {
        await process.settle(generation, false); // a reload was through in between
        continue;
      }
      await this.#serve(process, generation);
      break;
    }
    this.#log("notice", `start worker process ${process.pid}`);
    this.#places[index]!.leaving?.close(this.#drainMs);
    if (!this.#closed) this.#spare ??= new SupervisedProcess(this.#listener);
  }

  #workerExit(from: SupervisedProcess, exit: WorkerExit): void {
    const generation = from.generations.get(exit.generation);
    if (generation !== undefined) this.#workers.workerExit?.({ ...exit, generation });
  }

  #vmLost(from: SupervisedProcess, loss: VmLoss): void {
    const generation = from.generations.get(loss.generation);
    if (generation !== undefined) this.#workers.vmLost?.({ ...loss, generation });
    const place = this.#places.find(({ process }) => process === from);
    if (place) this.#replace(place);
  }

  /**
   * Memory of its process may be damaged: another takes the place, and it finishes its requests. At most one of a place does
   * that, and one that is young is given its time: a handler that always fails is not to have processes made without end.
   */
  #replace(place: Place): void {
    place.isDamaged = true;
    if (this.#closed || !this.#plan || !place.process || place.leaving) return; // a leaving one's end comes here again
    const age = Date.now() - place.since;
    clearTimeout(place.timer);
    if (age < youthMs) {
      place.timer = setTimeout(() => place.isDamaged && this.#replace(place), youthMs - age);
      return;
    }
    this.#log("notice", `worker process ${place.process.pid} is replaced`);
    place.leaving = place.process;
    place.process = undefined;
    this.#refill(this.#places.indexOf(place));
  }

  addresses(): string[] {
    return this.#estate.addresses();
  }

  stats(): WorkerStats[] {
    return this.#places.flatMap((place) => place.process?.stats() ?? []);
  }

  reopenLogs(): void {
    for (const place of this.#places) for (const process of [place.process, place.leaving]) process?.reopenLogs();
  }

  /** As WorkerHost's. */
  close(drainMs: number): Promise<void> {
    this.#drainMs = Math.min(this.#drainMs, drainMs);
    this.#closed ??= new Promise((resolve) => (this.#finish = resolve));
    for (const place of this.#places) {
      clearTimeout(place.timer);
      place.process?.close(this.#drainMs);
      place.leaving?.close(this.#drainMs);
    }
    this.#estate.close();
    this.#spare?.kill();
    this.#checkClosed();
    return this.#closed;
  }

  #checkClosed(): void {
    const isEmpty = this.#places.every((place) => !place.process && !place.leaving) && !this.#spare;
    if (isEmpty) this.#finish?.();
  }
}
