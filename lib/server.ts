// SPDX-License-Identifier: MIT
// `serve` and the Server it resolves with: a configuration, the worker generations that serve it, and its reloads.
import { EventEmitter } from "node:events";
import { loadConfig, type Config, type ConfigText, type LoadOptions } from "./conf/index.js";
import { decodeValue, encodeValue } from "./conf/value.js";
import { ConfigError, LuaError, MoonwireError, type ConfigProblem } from "./errors.js";
import { checkReadable } from "./cli/find-config.js";
import { MasterLog } from "./cli/nginx-log.js";
import * as check from "./options.js";
import { ProcessHost } from "./process-host.js";
import type { ServerStatus } from "./status.js";
import {
  WorkerHost,
  type Host,
  type VmLoss,
  type WorkerExit,
  type WorkerListener,
  type WorkerStats,
} from "./worker-host.js";

/** How to read a configuration, and how to serve it. */
export interface ServeOptions extends LoadOptions {
  /**
   * Runs the workers in so many processes instead of as threads of this one. They share the listening sockets and the shared
   * dictionaries; one that dies is replaced, and the others go on.
   */
  readonly processes?: number;
}

/** How to close. */
export interface CloseOptions {
  /** Milliseconds that requests under way may still take; 0, the default, ends them at once. */
  readonly drainMs?: number;
}

/** The events of a Server and their arguments. */
export interface ServerEvents {
  /** A new generation of workers serves a reloaded configuration. */
  reload: [generation: number];
  /** A worker thread ended: after a reload, on close, or by a fault. */
  workerExit: [exit: WorkerExit];
  /** A fault has ended the Lua VM of a worker; another has taken its place (`lua_fault_containment`). */
  vmLost: [loss: VmLoss];
}

/** A running server. */
export class Server extends EventEmitter<ServerEvents> {
  readonly #host: Host;
  readonly #log = new MasterLog();
  readonly #options: ServeOptions;
  #config: string | Config | ConfigText;
  #files: readonly string[] = [];
  #isStream: readonly boolean[] = [];
  #warnings: readonly ConfigProblem[] = [];
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(config: string | Config | ConfigText, options: ServeOptions) {
    super();
    this.#config = config;
    this.#options = options;
    const listener: WorkerListener = {
      workerExit: (exit) => void this.emit("workerExit", exit),
      vmLost: (loss) => void this.emit("vmLost", loss),
    };
    this.#log.isStarting = false;
    this.#host =
      options.processes === undefined
        ? new WorkerHost(listener)
        : new ProcessHost(options.processes, (level, text) => this.#log.write(level, text), listener);
  }

  /** @internal */
  static async start(config: string | Config | ConfigText, options: ServeOptions): Promise<Server> {
    const plan = await compile(config, options); // before a native server exists: a mistake costs nothing
    const server = new Server(config, options);
    server.#files = plan.files;
    server.#isStream = plan.isStream;
    server.#warnings = plan.problems;
    server.#log.use(plan.errorLogs);
    await server.#host.start(plan.plan);
    return server;
  }

  /** The addresses it listens on, `127.0.0.1:8080` or `unix:/path`, with real ports in place of 0. */
  get addresses(): readonly string[] {
    return this.#host.addresses();
  }

  /** Those of the addresses whose connections stream servers get. @internal */
  get streamAddresses(): readonly string[] {
    return this.addresses.filter((_, i) => this.#isStream[i]);
  }

  /** The files that the configuration was read from: the file itself and what it includes or imports. */
  get configFiles(): readonly string[] {
    return this.#files;
  }

  /** What is odd in the configuration that serves, but did not keep it from serving. */
  get configWarnings(): readonly ConfigProblem[] {
    return this.#warnings;
  }

  /** Counters of every worker, those of a generation that is draining included. */
  stats(): WorkerStats[] {
    return this.#host.isClosing ? [] : this.#host.stats();
  }

  /** What the server does, over all workers: the document of the directive moonwire_status. */
  async status(): Promise<ServerStatus> {
    if (this.#host.isClosing) throw new MoonwireError("SERVER_CLOSED");
    if (!(this.#host instanceof WorkerHost)) throw new MoonwireError("STATUS_PROCESSES");
    const reply = await this.#host.run(true, "return require('moonwire.status').json()", "=status", encodeValue([]));
    if (!reply.ok) throw new LuaError(reply.error, reply.traceback);
    const [text] = decodeValue(reply.values, { strings: "utf8" }) as [string];
    return JSON.parse(text) as ServerStatus;
  }

  /**
   * Reads the configuration again (or takes a new one) and starts a new generation of workers on the same sockets; the old
   * one finishes its requests. When it rejects, nothing has changed and the old generation serves on.
   */
  reload(config: string | Config = this.#config as Config): Promise<void> {
    const next = this.#reloading.then(async () => {
      const plan = await compile(config, this.#options);
      const generation = await this.#host.start(plan.plan);
      this.#config = config;
      this.#files = plan.files;
      this.#isStream = plan.isStream;
      this.#warnings = plan.problems;
      this.#log.use(plan.errorLogs);
      this.emit("reload", generation);
    });
    this.#reloading = next.catch(() => {});
    return next;
  }

  /** Opens the log files anew, after a log rotation has moved them. */
  reopenLogs(): void {
    if (!this.#host.isClosing) this.#host.reopenLogs();
  }

  /** Stops accepting, lets requests finish, and resolves when every worker has ended. */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#host.close(options.drainMs ?? 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function compile(config: string | Config | ConfigText, options: ServeOptions) {
  if (typeof config === "string") checkReadable(config);
  const { plan, problems, files, errorLogs, isStream } = await loadConfig(config, options);
  if (plan === null) throw new ConfigError(problems);
  return { plan, problems, files, errorLogs, isStream };
}

const overrides = {
  port: check.port,
  host: check.host,
  workers: check.workers,
  ephemeral: check.flag,
  errorLog: check.object,
};
const serveOptions = {
  prefix: check.text,
  overrides: check.object,
  defaults: check.oneOf(["nginx", "moonwire"]),
  errorLog: check.text,
  globals: check.text,
  httpText: check.text,
  checkLua: check.callback,
  processes: check.processes,
};

/**
 * Starts a server and resolves once every worker accepts connections.
 * @param config a configuration object, or the path of a configuration file (.ts .mts .js .mjs .json, or an nginx.conf)
 */
export async function serve(config: string | Config, options: ServeOptions = {}): Promise<Server> {
  check.checkOptions("serve", options, serveOptions);
  if (options.overrides) check.checkOptions("serve: overrides", options.overrides, overrides);
  return Server.start(config, options);
}
