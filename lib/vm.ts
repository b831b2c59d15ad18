// SPDX-License-Identifier: MIT
// `LuaVm`: Lua on a worker thread of its own with its own event loop: a native server with one worker and nothing to serve.
// It keeps the process alive while something runs in it, not while it is idle.
import { loadConfig, type Config } from "./conf/index.js";
import { decodeValue, encodeValue } from "./conf/value.js";
import { ConfigError, LuaError, MoonwireError } from "./errors.js";
import { anything, checkOptions, flag, oneOf, text } from "./options.js";
import { WorkerHost, type VmReply } from "./worker-host.js";

/**
 * What can be passed to Lua: undefined is nil, null is `ngx.null`, a Uint8Array a string of its bytes, a bigint of 64 bits an
 * `int64_t`, or a `uint64_t` where it only fits that.
 */
export type LuaArgument =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly LuaArgument[]
  | { readonly [key: string]: LuaArgument };

/**
 * What comes back from Lua: nil is undefined, `ngx.null` null, a string that is not UTF-8 a Buffer, an `int64_t` or `uint64_t`
 * a bigint.
 */
export type LuaValue =
  undefined | null | boolean | number | bigint | string | Buffer | LuaValue[] | { [key: string]: LuaValue };

type HttpConfig = NonNullable<Config["http"]>;
const httpOptions = [
  "luaPackagePath",
  "luaPackageCpath",
  "luaSharedDict",
  "initByLua",
  "resolver",
  "resolverTimeout",
  "luaSocketConnectTimeout",
  "luaSocketSendTimeout",
  "luaSocketReadTimeout",
  "luaSocketKeepaliveTimeout",
  "luaSocketPoolSize",
  "luaSocketBufferSize",
  "luaSocketLogErrors",
] as const;
// What the directives' own may be, the configuration's reader knows.
const optionChecks = {
  ...Object.fromEntries(httpOptions.map((name) => [name, anything])),
  prefix: text,
  encoding: oneOf(["utf8", "buffer"]),
  multiple: flag,
  errorLog: anything,
};

/** How a LuaVm is made; an option named as a directive means what the directive does. */
export interface LuaVmOptions extends Pick<HttpConfig, (typeof httpOptions)[number]> {
  /** Folder that relative paths start from; the working directory by default. */
  readonly prefix?: string;
  /** `"utf8"`, the default: strings arrive as strings, or as Buffers when they are not UTF-8. `"buffer"`: always Buffers. */
  readonly encoding?: "utf8" | "buffer";
  /** Resolve with an array of everything that Lua returned, not with the first value alone. */
  readonly multiple?: boolean;
  /** Where `ngx.log` writes, as the directive error_log says it; standard error by default. */
  readonly errorLog?: Config["errorLog"];
}

/** A Lua VM on its own thread, with the whole non-blocking API but requests. */
export class LuaVm {
  readonly #options: LuaVmOptions;
  readonly #host: WorkerHost;
  readonly #ready: Promise<unknown>;
  #running = 0;

  /** Starts the VM; what goes wrong then rejects the first `run` or `call`. */
  constructor(options: LuaVmOptions = {}) {
    checkOptions("LuaVm", options, optionChecks);
    this.#host = new WorkerHost(); // what throws before it leaves nothing that keeps the process alive
    this.#options = options;
    this.#ready = this.#start();
    this.#ready.catch(() => {});
  }

  /** Resolves with a VM that is up, or rejects with what went wrong. */
  static async create(options: LuaVmOptions = {}): Promise<LuaVm> {
    const vm = new LuaVm(options);
    await vm.#ready;
    return vm;
  }

  /** Runs a chunk of Lua, its `...` the arguments, and resolves with what it returns. It may wait: others run meanwhile. */
  run<T = any>(code: string, ...args: LuaArgument[]): Promise<T> {
    if (typeof code !== "string") throw new TypeError("code must be a string");
    return this.#run(true, code, "=run", args) as Promise<T>;
  }

  /** Calls a global function, or a field of one as in `string.rep`, and resolves with what it returns. */
  call<T = any>(name: string, ...args: LuaArgument[]): Promise<T> {
    if (typeof name !== "string") throw new TypeError("the function's name must be a string");
    return this.#run(false, name, "=call", args) as Promise<T>;
  }

  /** Ends the VM and its thread; what still runs in it is stopped and its promises reject. */
  async close(): Promise<void> {
    await this.#ready.catch(() => {});
    await this.#host.close(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const { prefix, errorLog = "stderr", ...options } = this.#options;
    const http: HttpConfig = {};
    for (const name of httpOptions) if (options[name] !== undefined) Object.assign(http, { [name]: options[name] });
    const config: Config = { workerProcesses: 1, errorLog, http };
    try {
      const { plan, problems } = await loadConfig(config, prefix === undefined ? {} : { prefix });
      if (plan === null) throw new ConfigError(problems);
      await this.#host.start(plan);
    } catch (e) {
      await this.#host.close(0); // what is left of it would keep the process alive
      throw e;
    }
    if (this.#running === 0 && !this.#host.isClosing) this.#host.setReferenced(false);
  }

  async #run(isCode: boolean, text: string, chunkname: string, args: LuaArgument[]): Promise<unknown> {
    const encoded = encodeValue(args);
    this.#running++;
    try {
      await this.#ready;
      this.#host.setReferenced(true);
      return this.#result(await this.#host.run(isCode, text, chunkname, encoded));
    } finally {
      if (--this.#running === 0 && !this.#host.isClosing) this.#host.setReferenced(false);
    }
  }

  #result(reply: VmReply): unknown {
    if (!reply.ok) throw new LuaError(reply.error, reply.traceback);
    const values = decodeValue(reply.values, { strings: this.#options.encoding ?? "utf8" });
    if (!Array.isArray(values)) throw new MoonwireError("VALUE_UNSUPPORTED", "a result that is no array");
    return this.#options.multiple ? values : values[0];
  }
}
