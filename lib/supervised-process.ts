// SPDX-License-Identifier: MIT
// One process of `--processes`, as its supervisor sees it: started without a configuration, given one after the other, told to
// close. It says when the process has ended; whether that was in order is process-host.ts's to know.
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { StartError } from "./errors.js";
import { packageRoot } from "./package-root.js";
import { processes, type Order, type Report, type Share } from "./process-protocol.js";
import { problemOfStart } from "./start-problem.js";
import type { VmLoss, WorkerExit, WorkerStats } from "./worker-host.js";

/** What a process tells of itself. */
export interface ProcessListener {
  workerExit(from: SupervisedProcess, exit: WorkerExit): void;
  vmLost(from: SupervisedProcess, loss: VmLoss): void;
  ended(which: SupervisedProcess): void;
}

/** How a start went. */
type Answer = Pick<Extract<Report, { type: "started" }>, "generation" | "problems">;

export class SupervisedProcess {
  readonly #child: ChildProcess;
  readonly #channel: number;
  readonly #listener: ProcessListener;
  #stats: readonly WorkerStats[] = [];
  #share: Share | undefined;
  #isReady: () => void = () => {};
  /** It has loaded everything and listens to orders, or has ended. */
  readonly #ready = new Promise<void>((resolve) => (this.#isReady = resolve));
  #settling: () => void = () => {};
  #starting: ((answer: Answer) => void) | undefined;
  /** The supervisor's number of the generation by the process's own. */
  readonly generations = new Map<number, number>();
  /** How it ended, in nginx's words; empty while it runs. */
  end = "";

  constructor(listener: ProcessListener) {
    this.#listener = listener;
    const [ours, theirs] = processes().channel();
    this.#channel = ours;
    try {
      this.#child = spawn(process.execPath, [join(packageRoot, "dist/process-worker.js")], {
        stdio: ["ignore", "inherit", "inherit", "ipc", theirs],
        serialization: "advanced",
      });
    } finally {
      processes().closeChannel(theirs);
    }
    this.#child.on("message", (message) => this.#onReport(message as Report));
    this.#child.on("error", (e) => this.#onEnd(`could not be started: ${e.message}`));
    this.#child.on("exit", (code, signal) =>
      this.#onEnd(signal ? `exited on signal ${constants.signals[signal]}` : `exited with code ${code}`),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Gives it a configuration; resolves with its own number of the generation when its workers are ready, but serve nothing yet. */
  async start(plan: Buffer, share: Share): Promise<number> {
    await this.#ready;
    if (this.end !== "") throw new StartError([problemOfStart(`worker process ${this.pid} ${this.end}`)]);
    const answered = new Promise<Answer>((resolve) => (this.#starting = resolve));
    const { fds, ...told } = share;
    processes().send(this.#channel, fds);
    this.#order({ type: "start", plan, share: { ...told, fds: [] } });
    const { generation, problems } = await answered;
    if (problems.length > 0) throw new StartError(problems);
    this.#share = share;
    return generation;
  }

  /** What start() resolved with serves from now on, or is given up. Resolves when it is so, or the process has ended. */
  settle(generation: number, serves: boolean): Promise<void> {
    if (this.end !== "") return Promise.resolve();
    return new Promise((resolve) => {
      this.#settling = resolve;
      this.#order({ type: "settle", generation, serves });
    });
  }

  reopenLogs(): void {
    this.#order({ type: "reopen" });
  }

  close(drainMs: number): void {
    this.#order({ type: "close", drainMs });
  }

  /** Ends it without a word. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Its workers' counters, as of the last second, with the supervisor's numbers. */
  stats(): WorkerStats[] {
    const first = this.#share?.first ?? 0;
    return this.#stats.flatMap((s) => {
      const generation = this.generations.get(s.generation);
      return generation === undefined ? [] : [{ ...s, generation, worker: first + s.worker }];
    });
  }

  #order(order: Order): void {
    if (this.end === "" && this.#child.connected) this.#child.send(order, () => {}); // its end is told by `exit`
  }

  #onReport(message: Report): void {
    if (message.type === "stats") this.#stats = message.stats;
    else if (message.type === "started") this.#answer(message);
    else if (message.type === "ready") this.#isReady();
    else if (message.type === "settled") this.#settling();
    else if (message.type === "exit") this.#listener.workerExit(this, message);
    else if (message.type === "vmLost") this.#listener.vmLost(this, message);
  }

  #answer(answer: Answer): void {
    this.#starting?.(answer);
    this.#starting = undefined;
  }

  #onEnd(how: string): void {
    if (this.end !== "") return;
    this.end = how;
    processes().closeChannel(this.#channel);
    this.#isReady();
    this.#settling();
    this.#answer({ generation: 0, problems: [problemOfStart(`worker process ${this.pid} ${how}`)] });
    this.#listener.ended(this);
  }
}
