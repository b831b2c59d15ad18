// SPDX-License-Identifier: MIT
// The one error class of the package, with its stable codes, and every message text in one table.

/** Message texts by code; `%s` are filled in order. */
export const messages = {
  ADDON_MISSING: "no Moonwire binary for %s: %s",
  CONFIG_INVALID: "%s",
  CONFIG_NOT_FOUND: "no configuration found in %s: expected moonwire.config.{ts,mts,js,mjs,json} or nginx.conf",
  CONFIG_UNREADABLE: "cannot read %s: %s",
  INIT_EXISTS: "%s already holds %s; nothing was written",
  INIT_FAILED: "cannot write %s: %s",
  SERVER_START: "%s",
  SERVER_CLOSED: "the server is closed",
  STATUS_PROCESSES: "each of several processes has a status of its own: ask a moonwire_status location",
  VM_CLOSED: "the Lua VM is closed",
  VALUE_UNSUPPORTED: "cannot pass %s to Lua",
  LUA_ERROR: "%s",
  SOCKET_TIMEOUT: "%s: %s",
  SOCKET_CLOSED: "%s: %s",
  SOCKET_BUSY: "%s: %s",
  SOCKET_REFUSED: "%s: %s",
  SOCKET_UNRESOLVED: "%s: %s",
  SOCKET_FAILED: "%s: %s",
  FFI_DECLARATION: "%s",
  FFI_LIBRARY: "%s",
  FFI_SYMBOL: "%s",
  FFI_CALL: "%s",
  FFI_TYPE: "%s",
} as const;

/** The stable identity of an error. */
export type ErrorCode = keyof typeof messages;

/** What every function of the package throws or rejects with, misuse of types apart (TypeError). */
export class MoonwireError extends Error {
  override name = "MoonwireError";
  /** Stable across releases; match on this, never on the message. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, ...parts: string[]) {
    let next = 0;
    super(messages[code].replace(/%s/g, () => parts[next++] ?? ""));
    this.code = code;
  }
}

/** A Lua error that reached JavaScript. `message` is Lua's own, with its `chunk:line:` position. */
export class LuaError extends MoonwireError {
  override name = "LuaError";
  /** The Lua stack at the point of the error, as `debug.traceback` writes it; empty when there is none. */
  readonly luaTraceback: string;

  constructor(message: string, luaTraceback = "") {
    super("LUA_ERROR", message);
    this.luaTraceback = luaTraceback;
  }
}

/** The code of a cosocket's error string. */
function socketCode(reason: string): ErrorCode {
  if (reason === "timeout") return "SOCKET_TIMEOUT";
  if (reason === "closed") return "SOCKET_CLOSED";
  if (reason === "connection refused") return "SOCKET_REFUSED";
  if (reason.startsWith("socket busy")) return "SOCKET_BUSY";
  return reason.includes("could not be resolved") ? "SOCKET_UNRESOLVED" : "SOCKET_FAILED";
}

/** What a method of TcpSocket or UdpSocket rejects with. `message` is `operation: reason`. */
export class SocketError extends MoonwireError {
  override name = "SocketError";
  /** The method that failed. */
  readonly operation: string;
  /** The cosocket's own error string: `timeout`, `closed`, `connection refused`, ... */
  readonly reason: string;
  /** What had been received before the failure; undefined where nothing could be. */
  readonly partial: Buffer | string | undefined;

  constructor(operation: string, reason: string, partial?: Buffer | string) {
    super(socketCode(reason), operation, reason);
    this.operation = operation;
    this.reason = reason;
    this.partial = partial;
  }
}

/** One mistake in a configuration. */
export interface ConfigProblem {
  /** The file, relative to the working directory where that is shorter; empty for a configuration object. */
  readonly file: string;
  /** From 1; 0 when there is no position. */
  readonly line: number;
  /** From 1; 0 when there is no position. */
  readonly column: number;
  /** What is wrong, in nginx's words where it has some. */
  readonly message: string;
  /** `emerg`: the configuration cannot be used; `warn`: it can. nginx's names. */
  readonly severity: "emerg" | "warn";
}

/** A problem as one line, `file:line:column: message`; a warning says so. */
export function formatProblem(p: ConfigProblem): string {
  const place = [p.file, p.line || "", p.line && p.column ? p.column : ""].filter((part) => part !== "").join(":");
  const message = p.severity === "warn" ? `warning: ${p.message}` : p.message;
  return place === "" ? message : `${place}: ${message}`;
}

/** A problem as nginx says it, `MESSAGE in FILE:LINE`. */
export function problemText({ file, line, message }: Pick<ConfigProblem, "file" | "line" | "message">): string {
  if (file === "command line") return `${message} in ${file}`;
  return file !== "" && line > 0 ? `${message} in ${file}:${line}` : message;
}

/** A configuration that could not be started with; `message` is nginx's, a line for each problem. */
export class StartError extends MoonwireError {
  override name = "StartError";
  /** Every problem, file by file; those that a directive caused have its place. */
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const files = [...new Set(problems.map((p) => p.file))];
    const rank = ({ file }: ConfigProblem) => files.indexOf(file);
    const sorted = problems.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
    super("SERVER_START", sorted.map(problemText).join("\n"));
    this.problems = sorted;
  }
}

/** A configuration with mistakes; `message` lists all of them, a line each. */
export class ConfigError extends MoonwireError {
  override name = "ConfigError";
  /** Every mistake, in the order of the files. */
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super("CONFIG_INVALID", problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}
