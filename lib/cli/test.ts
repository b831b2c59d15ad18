// SPDX-License-Identifier: MIT
// `moonwire test`: runs Lua specs inside the server that they test. Each file gets a server of its own, with one worker: the
// project's configuration on ports that the system chooses, and one more listen, whose requests are the tests. The Lua half is
// native/lua/moonwire/test/runner.lua.
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, type Config } from "../conf/index.js";
import { decodeValue, encodeValue } from "../conf/value.js";
import { ConfigError, LuaError, MoonwireError } from "../errors.js";
import { WorkerHost } from "../worker-host.js";
import { exitCode } from "./exit-code.js";
import { findConfig } from "./find-config.js";
import { awaitConfig, badArgument, complain, report } from "./report.js";
import { findSpecs } from "./spec-files.js";
import { reporters, type Reporter, type TestResult } from "./test-reporters.js";

/** What the command line gives. */
export interface TestCommandOptions {
  filter?: string;
  bail?: boolean;
  reporter: keyof typeof reporters;
  config?: string;
  prefix?: string;
  timeout: number;
}

/** Runs every spec; the exit code is set. */
export async function testCommand(paths: string[], options: TestCommandOptions): Promise<void> {
  process.exitCode = exitCode.failed;
  try {
    const files = findSpecs(paths);
    const config = projectConfig(options.config);
    const reporter = reporters[options.reporter]();
    let found = 0;
    for (const file of files) {
      found += await runFile(file, config, options, reporter);
      if (options.bail && reporter.failures > 0) break;
    }
    if (found === 0 && reporter.failures === 0)
      throw new MoonwireError(
        "CONFIG_INVALID",
        options.filter === undefined ? "the specs hold no tests" : `no test matches "${options.filter}"`,
      );
    reporter.end();
    if (reporter.failures === 0) process.exitCode = exitCode.ok;
  } catch (e) {
    process.exitCode = report(e);
  }
}

/** The project's configuration, or one with nothing but places to look for modules. */
function projectConfig(named: string | undefined): string | Config {
  if (named !== undefined) return findConfig(named);
  try {
    return findConfig(undefined);
  } catch {
    return { http: { luaPackagePath: "./?.lua;./?/init.lua;./lua/?.lua;./lua/?/init.lua;./src/?.lua;;" } };
  }
}

// Nothing that the http block says is to run in the requests that tests are.
const runnerServer = (limit: number) => `server {
  listen 127.0.0.1:0;
  access_log off; client_max_body_size 0; lua_check_client_abort on; lua_handler_timeout ${limit}ms; allow all; auth_basic off;
  server_rewrite_by_lua_block { return }
  location / {
    rewrite_by_lua_block { return }
    access_by_lua_block { return }
    header_filter_by_lua_block { return }
    body_filter_by_lua_block { return }
    log_by_lua_block { return }
    content_by_lua_block { require("moonwire.test.runner").serve() }
  }
}`;

interface Loaded {
  readonly tests?: { name: string; blocks: string }[];
  readonly message?: string;
  readonly traceback?: string;
  readonly bad_filter?: string;
}

/** A spec file in its worker. */
class SpecWorker {
  #host: WorkerHost | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), "moonwire-"));
  readonly #log = join(this.#folder, "error.log");
  readonly #timeout: number;
  #running = "";

  constructor(timeout: number) {
    this.#timeout = timeout;
    process.on("exit", this.#removeFolder);
  }

  async start(config: string | Config, prefix: string | undefined): Promise<void> {
    const reading = loadConfig(config, {
      ...(prefix === undefined ? {} : { prefix }),
      overrides: { workers: 1, ephemeral: true, errorLog: { path: this.#log, level: "info" } },
      httpText: runnerServer(this.#timeout),
    });
    const { plan, problems } = await (typeof config === "string" ? awaitConfig(config, reading) : reading);
    if (plan === null) throw new ConfigError(problems);
    this.#host = new WorkerHost();
    await this.#host.start(plan);
  }

  load(file: string, filter: string | undefined): Promise<Loaded> {
    const addresses = this.#host!.addresses();
    const [host, port] = addresses.pop()!.split(":");
    const options = {
      runner: { host, port: Number(port) },
      urls: addresses.map((address) => `http://${address}`),
      timeout: this.#timeout,
      log: this.#log,
      filter,
    };
    return this.#call<Loaded>("load(...)", file, options);
  }

  run(index: number, name: string): Promise<TestResult[]> {
    this.#running = name;
    return this.#call<TestResult[]>("run(...)", index);
  }

  finish(): Promise<TestResult[]> {
    return this.#call<TestResult[]>("finish()");
  }

  async close(): Promise<void> {
    await this.#host?.close(0);
    process.off("exit", this.#removeFolder);
    this.#removeFolder();
  }

  readonly #removeFolder = (): void => rmSync(this.#folder, { recursive: true, force: true });

  /** The errors that the log has got since `from`, and where it ends. */
  errorsSince(from: number): { lines: string[]; end: number } {
    let fd: number;
    try {
      fd = openSync(this.#log, "r");
    } catch {
      return { lines: [], end: from };
    }
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - from));
    readSync(fd, bytes, 0, bytes.length, from);
    closeSync(fd);
    const lines = bytes.toString("utf8").split("\n");
    return {
      lines: lines.filter((line) => /^\S+ \S+ \[(emerg|alert|crit|error)\] /.test(line)),
      end: from + bytes.length,
    };
  }

  // Lua that neither yields nor ends: its thread cannot be joined, so the process is ended from outside.
  #stuck(): void {
    const what = this.#running === "" ? "the spec file" : `"${this.#running}"`;
    complain(`moonwire: ${what} neither ends nor yields, its worker is stuck; nothing after it can run`);
    this.#removeFolder();
    process.kill(process.pid, "SIGKILL");
  }

  async #call<T>(call: string, ...args: Parameters<typeof encodeValue>[0][]): Promise<T> {
    // A test that waits too long is ended in the worker; one that never yields keeps the worker from doing so.
    const watchdog = setTimeout(() => this.#stuck(), this.#timeout + 5000);
    try {
      const code = `return require("moonwire.test.runner").${call}`;
      const reply = await this.#host!.run(true, code, "=test", encodeValue(args));
      if (!reply.ok) throw new LuaError(reply.error, reply.traceback);
      const [value] = decodeValue(reply.values, { strings: "utf8" }) as unknown[];
      return value as T;
    } finally {
      clearTimeout(watchdog);
    }
  }
}

// Paths below the working directory as the user knows them.
function shortened(text: string | undefined): string {
  return (text ?? "").replaceAll(`${process.cwd()}/`, "");
}

// Why a test's request ended before its function did, the server itself may have told: a handler that ran too long, say.
function withCause(r: TestResult, log: readonly string[]): TestResult {
  if (!/^(the test's own request was ended: |still running after )/.test(r.message ?? "")) return r;
  const causes = log.map(
    (line) => /\*\d+ lua entry thread aborted: runtime error: (.*handler has run for .*)/.exec(line)?.[1],
  );
  const cause = causes.find((text) => text !== undefined);
  return cause === undefined ? r : { ...r, message: cause };
}

/** Runs a file's tests and reports them; how many it has. */
async function runFile(file: string, config: string | Config, options: TestCommandOptions, reporter: Reporter) {
  const worker = new SpecWorker(options.timeout);
  try {
    await worker.start(config, options.prefix);
    const loaded = await worker.load(file, options.filter);
    if (loaded.bad_filter !== undefined)
      throw badArgument("-f, --filter <pattern>", options.filter!, loaded.bad_filter);
    const at = (r: TestResult) => ({ ...r, message: shortened(r.message), traceback: shortened(r.traceback) });
    if (!loaded.tests) {
      const { message = "", traceback = "" } = loaded;
      reporter.file(file);
      reporter.result(at({ status: "error", name: file, full_name: file, message, traceback }), []);
      return 0;
    }
    const tests = Array.isArray(loaded.tests) ? loaded.tests : []; // an empty table is an object
    if (tests.length > 0) reporter.file(file);
    let end = 0;
    for (const [i, test] of tests.entries()) {
      const blocks = test.blocks === "" ? [] : test.blocks.split("\0");
      const outcomes = await worker.run(i + 1, test.name);
      const log = worker.errorsSince(end);
      end = log.end;
      const results = outcomes.map((r) => withCause(r, log.lines));
      for (const r of results.map((result) => withCause(result, log.lines)))
        reporter.result(r === results.at(-1) ? { ...at(r), blocks } : at(r), log.lines);
      if (options.bail && reporter.failures > 0) break;
    }
    if (tests.length > 0) {
      const last = await worker.finish();
      for (const r of Array.isArray(last) ? last : []) reporter.result(at(r), worker.errorsSince(end).lines);
    }
    return tests.length;
  } finally {
    await worker.close();
  }
}
