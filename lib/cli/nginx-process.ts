// SPDX-License-Identifier: MIT
// The process that nginx calls its master: reads the configuration, starts and reloads the workers, keeps the pid file, and
// obeys signals. Lives until it is told to end; its messages are nginx's.
import { closeSync, openSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnSync } from "node:child_process";
import { binding } from "../binding.js";
import { loadConfig, type LoadedConfig } from "../conf/index.js";
import { StartError } from "../errors.js";
import { drainForever, WorkerHost } from "../worker-host.js";
import { errnoText, MasterLog } from "./nginx-log.js";
import type { NginxSignal } from "./nginx-options.js";
import { becomeUser, checkUser } from "./nginx-user.js";
import { complain } from "./report.js";
import { packageRoot } from "../package-root.js";

/** What the command line says. */
export interface NginxPlaces {
  readonly prefix: string;
  readonly conf: string;
  /** Path, or `stderr`. */
  readonly errorLog: string;
  readonly globals: string;
}

/** How the command that started us is told. */
export interface Launcher {
  /** Somebody waits for an answer, and the process may become a daemon. */
  readonly isWaitedFor: boolean;
  /** `foreground`, or the exit code. */
  readonly answer: (word: string) => void;
}

interface Daemon {
  detach(): void;
  redirectStderr(path: string): void;
}

const bindTries = 5;
const bindPauseMs = 500;

export class NginxProcess {
  readonly #places: NginxPlaces;
  readonly #log: MasterLog;
  #host: WorkerHost | undefined;
  #pidFile = "";
  #isDaemon = false;
  #isEnding = false;
  #errorFile = "";
  #reloading: Promise<void> = Promise.resolve();

  constructor(places: NginxPlaces) {
    this.#places = places;
    this.#log = MasterLog.named(places.errorLog);
  }

  /** `-t`, `-T`: the exit code. */
  async test(isQuiet: boolean, withDump: boolean): Promise<number> {
    const { conf } = this.#places;
    const loaded = await this.#load("create");
    const hasUser = checkUser(loaded.control.user, this.#log);
    if (loaded.plan === null || !hasUser || !this.#touchPid(loaded.control.pid)) {
      complain(`nginx: configuration file ${conf} test failed`);
      return 1;
    }
    if (!isQuiet) complain(`nginx: the configuration file ${conf} syntax is ok`);
    if (!isQuiet) complain(`nginx: configuration file ${conf} test is successful`);
    if (withDump)
      for (const file of loaded.files)
        process.stdout.write(`# configuration file ${file}:\n${readFileSync(file, "latin1")}\n`, "latin1");
    return 0;
  }

  /** `-s`: the exit code. */
  async signal(name: NginxSignal): Promise<number> {
    const loaded = await this.#load();
    if (loaded.plan === null) return 1;
    this.#log.use(loaded.errorLogs);
    const { sendSignal } = await import("./nginx-signal.js");
    return sendSignal(name, loaded.control.pid, this.#log) ? 0 : 1;
  }

  /** Serves. Gives an exit code when there is nothing to live for. */
  async run(launcher: Launcher): Promise<number | undefined> {
    const loaded = await this.#load();
    if (loaded.plan === null) return 1;
    const isDaemon = loaded.control.daemon;
    if (!isDaemon && launcher.isWaitedFor) {
      launcher.answer("foreground");
      process.exit(0);
    }
    if (isDaemon && !launcher.isWaitedFor) return inBackground();
    this.#isDaemon = isDaemon;
    this.#log.use(loaded.errorLogs);
    this.#obeySignals();
    if (!checkUser(loaded.control.user, this.#log)) return 1;
    if (!(await this.#start(loaded.plan))) return 1;
    if (!this.#writePid(loaded.control.pid)) return 1;
    if (!becomeUser(loaded.control.user, loaded.errorLogs, this.#log)) {
      this.#removePid();
      return 1;
    }
    setInterval(() => {}, 2 ** 30); // without workers, after SIGWINCH, nothing else keeps it alive
    this.#log.isStarting = false;
    const daemon = binding()["daemon"] as Daemon;
    if (isDaemon) daemon.detach();
    this.#redirectErrors(loaded);
    launcher.answer("0");
    this.#log.write("notice", "start worker processes");
    return undefined;
  }

  async #load(checkStart?: "create"): Promise<LoadedConfig> {
    const { conf, prefix, errorLog, globals } = this.#places;
    const options = { prefix, defaults: "nginx", errorLog, globals } as const;
    const loaded = await loadConfig(conf, checkStart ? { ...options, checkStart } : options);
    for (const p of loaded.problems) this.#log.problem({ ...p, file: placeOf(p.file) }, p.severity);
    for (const p of loaded.alerts) this.#log.problem({ ...p, file: placeOf(p.file) }, "alert");
    return loaded;
  }

  // A server that stops just now may hold the port for a moment: nginx tries five times.
  async #start(plan: Buffer): Promise<boolean> {
    for (let left = bindTries; ; left--) {
      const host = new WorkerHost();
      try {
        await host.start(plan);
        this.#host = host;
        return true;
      } catch (e) {
        if (!this.#sayWhy(e)) return false;
        if (left === 1) break;
        this.#log.write("notice", `try again to bind() after ${bindPauseMs}ms`);
        await sleep(bindPauseMs);
      }
    }
    this.#log.write("emerg", "still could not bind()");
    return false;
  }

  // Logs why workers did not start; true when it is worth another try.
  #sayWhy(e: unknown): boolean {
    const why =
      e instanceof StartError
        ? e.problems
        : [{ file: "", line: 0, message: e instanceof Error ? e.message : String(e) }];
    for (const p of why)
      this.#log.problem({ ...p, file: placeOf(p.file) }, /^init_(worker_)?by_lua/.test(p.message) ? "error" : "emerg");
    return why.some((p) => /^bind\(\) .*\(98: /.test(p.message));
  }

  // As nginx, to see whether it may be written; it is left empty where it was not.
  #touchPid(path: string): boolean {
    try {
      closeSync(openSync(path, "a", 0o644));
      return true;
    } catch (e) {
      this.#log.write("emerg", `open() "${path}" failed (${errnoText(e)})`);
      return false;
    }
  }

  #writePid(path: string): boolean {
    try {
      writeFileSync(path, `${process.pid}\n`);
    } catch (e) {
      this.#log.write("emerg", `open() "${path}" failed (${errnoText(e)})`);
      return false;
    }
    if (this.#pidFile !== "" && this.#pidFile !== path) this.#removePid();
    this.#pidFile = path;
    return true;
  }

  #removePid(): void {
    try {
      unlinkSync(this.#pidFile);
    } catch (e) {
      this.#log.write("alert", `unlink() "${this.#pidFile}" failed (${errnoText(e)})`);
    }
  }

  // As in nginx, what is written to standard error ends in the error log.
  #redirectErrors(loaded: LoadedConfig): void {
    const file = loaded.errorLogs.find((log) => !log.path.startsWith("syslog:"))?.path ?? "stderr";
    if (!this.#isDaemon || file === "stderr") return;
    this.#errorFile = file;
    (binding()["daemon"] as Daemon).redirectStderr(file);
  }

  #obeySignals(): void {
    const on = (name: NodeJS.Signals, number: number, action: string, obey: () => void) =>
      process.on(name, () => {
        this.#log.write("notice", `signal ${number} (${name}) received${action}`);
        obey();
      });
    on("SIGHUP", 1, ", reconfiguring", () => void this.#reload());
    on("SIGUSR1", 10, ", reopening logs", () => this.#reopen());
    on("SIGQUIT", 3, ", shutting down", () => this.#end(drainForever));
    on("SIGTERM", 15, ", exiting", () => this.#end(0));
    on("SIGINT", 2, ", exiting", () => this.#end(0));
    on("SIGUSR2", 12, ", ignoring", () => {});
    on("SIGWINCH", 28, this.#isDaemon ? ", stop accepting connections" : ", ignoring", () => this.#stopAccepting());
  }

  #reload(): Promise<void> {
    return (this.#reloading = this.#reloading.then(async () => {
      if (this.#isEnding) return;
      this.#log.write("notice", "reconfiguring");
      const loaded = await this.#load();
      if (loaded.plan === null) return;
      try {
        if (!this.#host) {
          if (!(await this.#start(loaded.plan))) return;
        } else await this.#host.start(loaded.plan);
      } catch (e) {
        this.#sayWhy(e);
        return;
      }
      this.#log.write("notice", "gracefully shutting down");
      this.#log.use(loaded.errorLogs);
      this.#writePid(loaded.control.pid);
      this.#redirectErrors(loaded);
      this.#log.write("notice", "start worker processes");
    }));
  }

  #reopen(): void {
    this.#log.write("notice", "reopening logs");
    this.#host?.reopenLogs();
    if (this.#errorFile !== "") (binding()["daemon"] as Daemon).redirectStderr(this.#errorFile);
  }

  // SIGWINCH: the workers go, the process stays; SIGHUP brings workers again.
  #stopAccepting(): void {
    const host = this.#host;
    if (!this.#isDaemon || this.#isEnding || !host) return;
    this.#host = undefined;
    this.#log.write("notice", "gracefully shutting down");
    void host.close(drainForever);
  }

  #end(drainMs: number): void {
    this.#isEnding = true;
    this.#log.write("notice", drainMs > 0 ? "gracefully shutting down" : "exiting");
    const ended = this.#host?.close(drainMs) ?? Promise.resolve();
    void ended.then(() => {
      if (this.#pidFile !== "") this.#removePid();
      this.#log.write("notice", "exit");
      process.exit(0);
    });
  }
}

function placeOf(file: string): string {
  return file === "" || file === "command line" ? file : resolve(file);
}

/** nginx.sh starts it again where it can become a daemon. */
function inBackground(): number {
  const launcher = join(packageRoot, "dist/cli/nginx.sh");
  const env = { ...process.env, MOONWIRE_NGINX_BACKGROUND: "1" };
  return spawnSync("/bin/sh", [launcher, ...process.argv.slice(2)], { stdio: "inherit", env }).status ?? 1;
}
