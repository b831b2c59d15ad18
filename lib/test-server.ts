// SPDX-License-Identifier: MIT
// `testServer`: a server for tests, whatever runs them. It gets in nobody's way: its ports are the system's choice, on
// 127.0.0.1 alone, and its error log is a file of its own, which `logs` reads.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigText, type Config } from "./conf/index.js";
import { logLevels } from "./conf/plan.js";
import { checkOptions, oneOf, text, wholeNumber } from "./options.js";
import { Server } from "./server.js";

/** nginx's level of a line of the error log. */
export type LogLevel = (typeof logLevels)[number];

/** How a test's server differs from its configuration. */
export interface TestServerOptions {
  /** Folder that relative paths start from; the configuration file's, or the working directory for an object or a text. */
  readonly prefix?: string;
  /** Worker threads; 1 by default, so that what one request leaves in a module the next one finds. */
  readonly workers?: number;
  /** Least level of the lines in `logs`; `info` by default. */
  readonly logLevel?: LogLevel;
}

/** A line of the error log, with the lines that belong to it (a traceback). */
export interface LogLine {
  readonly level: LogLevel;
  /** What stands behind date, level and process number. */
  readonly message: string;
  /** All of it. */
  readonly text: string;
}

/** A running server of a test. */
export class TestServer {
  /** Where the configuration's first listen is: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** The server itself: reload, statistics, events. */
  readonly server: Server;
  readonly #folder: string;
  #skipped = 0;
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(server: Server, folder: string) {
    this.server = server;
    this.#folder = folder;
    this.url = this.urls[0] ?? "";
  }

  /** A URL for each listen, in the configuration's order. */
  get urls(): readonly string[] {
    return this.server.addresses.map((address) => `http://${address}`);
  }

  /** The error log since the start, or since the last `clearLogs()`. What a handler logs is there before its answer ends. */
  get logs(): readonly LogLine[] {
    return parseLog(readLog(this.#folder).subarray(this.#skipped).toString("utf8"));
  }

  /** Forgets the lines so far. */
  clearLogs(): void {
    this.#skipped = readLog(this.#folder).length;
  }

  /** The global `fetch` with a path below `url`. */
  fetch(path: string = "/", init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.url), init);
  }

  /** Ends the server; `logs` is empty afterwards. */
  close(): Promise<void> {
    this.#closed ??= this.server.close().finally(() => removeFolder(this.#folder));
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Starts a server for a test and resolves once it accepts connections. Rejects with what is wrong with the configuration.
 * @param config a configuration object, the path of a configuration file, or the text of an nginx.conf (known by its braces)
 */
export async function testServer(config: string | Config, options: TestServerOptions = {}): Promise<TestServer> {
  checkOptions("testServer", options, { prefix: text, workers: wholeNumber(1, 512), logLevel: oneOf(logLevels) });
  const folder = makeFolder();
  const { prefix, workers = 1, logLevel = "info" } = options;
  const errorLog = { path: join(folder, logName), level: logLevel };
  const overrides = { workers, ephemeral: true, errorLog };
  try {
    const source = typeof config === "string" && config.includes("{") ? new ConfigText(config) : config;
    const server = await Server.start(source, prefix === undefined ? { overrides } : { overrides, prefix });
    return new TestServer(server, folder);
  } catch (e) {
    removeFolder(folder);
    throw e;
  }
}

const logName = "error.log";
const folders = new Set<string>();

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "moonwire-"));
  // A test runner may end the process without a word to anybody.
  if (folders.size === 0) process.on("exit", removeAll);
  folders.add(folder);
  return folder;
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
  if (folders.size === 0) process.off("exit", removeAll);
}

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

function readLog(folder: string): Buffer {
  try {
    return readFileSync(join(folder, logName));
  } catch {
    return Buffer.alloc(0); // closed
  }
}

const head = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[(\w*)\] \d+#\d+: (?:\*\d+ )?/;

function parseLog(text: string): LogLine[] {
  const lines: { level: LogLevel; message: string; text: string }[] = [];
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const begin = head.exec(line);
    const last = lines.at(-1);
    if (begin) {
      const level = (begin[1] === "" ? "stderr" : begin[1]) as LogLevel;
      lines.push({ level, message: line.slice(begin[0].length), text: line });
    } else if (last) {
      last.message += `\n${line}`;
      last.text += `\n${line}`;
    }
  }
  return lines;
}
