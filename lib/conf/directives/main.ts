// SPDX-License-Identifier: MIT
// Directives outside http: processes, the events block, the main error log, the environment.
import { availableParallelism } from "node:os";
import type { Compiler } from "../compile.js";
import { everywhereAndStream, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { logLevels, posOf } from "../plan.js";
import { readSyslog } from "./log.js";

type OneOrMore<T> = T | readonly T[];

/** "auto" is one worker per core. */
export function workerCount(word: string): number | undefined {
  if (word === "auto") return Math.max(1, availableParallelism());
  return /^[1-9]\d{0,3}$/.test(word) ? Number(word) : undefined;
}

function readWorkers(c: Compiler, d: Directive): void {
  const n = workerCount(d.args[0]!.text);
  if (n === undefined) c.problems.add(d, `"${d.name}" directive invalid value`);
  else c.plan["worker_processes"] = n;
}

function readConnections(c: Compiler, d: Directive): void {
  const word = d.args[0]!;
  if (/^0+$/.test(word.text)) c.problems.add(word, 'invalid value "0": a worker needs connections');
  else if (/^\d{1,9}$/.test(word.text)) c.plan["worker_connections"] = Number(word.text);
  else c.problems.add(word, `invalid number "${word.text}"`);
}

export const main = {
  worker_processes: {
    module: "core",
    in: ["main"],
    kind: "own",
    default: "1",
    read: readWorkers,
    type: typed<number | "auto">(),
    about: 'worker threads; "auto" is one per core',
  },
  worker_connections: {
    module: "core",
    in: ["events"],
    kind: "own",
    default: "512",
    read: readConnections,
    type: typed<number>(),
    about: "connections that one worker may have open",
  },
  events: { module: "core", in: ["main"], kind: "block", about: "connection processing; an nginx.conf must have it" },
  http: { module: "http", in: ["main"], kind: "block", about: "the HTTP servers" },
  stream: {
    module: "stream",
    in: ["main"],
    kind: "block",
    about: "servers of plain TCP connections, each handed to `content_by_lua`",
  },
  daemon: {
    module: "core",
    in: ["main"],
    kind: "flag",
    store: "control",
    default: "on",
    about: "`moonwire-nginx` goes to the background; `moonwire serve` never does",
  },
  master_process: {
    module: "core",
    in: ["main"],
    kind: "flag",
    store: "control",
    default: "on",
    about: "accepted; workers are threads of one process either way",
  },
  pid: {
    module: "core",
    in: ["main"],
    kind: "path",
    store: "control",
    default: "logs/nginx.pid",
    about: "file with the process id, written by `moonwire-nginx`",
  },
  user: {
    module: "core",
    in: ["main"],
    kind: "own",
    args: [1, 2],
    form: "words",
    store: "control",
    read: (c, d) => void (c.control["user"] = [d, ...d.args.map((word) => word.text)]),
    type: typed<string | readonly [user: string, group?: string]>(),
    about:
      "whom `moonwire-nginx`, started as root, becomes once its sockets are bound; `moonwire serve` stays who it is",
  },
  env: {
    module: "core",
    in: ["main"],
    kind: "own",
    form: "list",
    repeat: true,
    initial: [],
    read: (c, d) => void c.plan["env"].push(d.args[0]!.text),
    type: typed<OneOrMore<string>>(),
    about:
      "an environment variable, `NAME` or `NAME=value`, that Lua's os.getenv sees, and with a value the commands of os.execute, io.popen and ngx.pipe; under `moonwire-nginx` os.getenv sees no others (except TZ), under `moonwire serve` it sees all",
  },
  error_log: {
    module: "core",
    in: ["main", ...everywhereAndStream],
    kind: "own",
    args: [1, 2],
    form: "list",
    repeat: true,
    merge: "replace",
    member: "error_logs",
    initial: [],
    read: readErrorLog,
    type: typed<OneOrMore<string | readonly [path: string, level?: (typeof logLevels)[number]]>>(),
    about: "file (or `stderr`) and least level of the error log; without it standard error, level error",
  },
  working_directory: { ...ignored("string"), about: "accepted, no effect: the process stays where it is" },
  load_module: {
    ...ignored("string"),
    repeat: true,
    about: "accepted, no effect: the modules that are here are always loaded",
  },
  worker_shutdown_timeout: {
    module: "core",
    in: ["main"],
    kind: "time",
    default: "0",
    about:
      "how long the workers of an older configuration, or of a server told to quit, may take to finish; 0 is for ever",
  },
  timer_resolution: { ...ignored("time"), about: "accepted, no effect" },
  pcre_jit: { ...ignored("flag"), about: "accepted, no effect: PCRE2's JIT is always used" },
  lock_file: { ...ignored("string"), about: "accepted, no effect" },
  thread_pool: { ...ignored("words"), args: [2, 3], repeat: true, about: "accepted, no effect" },
  use: {
    module: "event",
    in: ["events"],
    kind: "own",
    store: "none",
    read: readUse,
    type: typed<"epoll" | "poll" | "select">(),
    about: "accepted, no effect: it is always epoll",
  },
  multi_accept: { ...ignored("flag"), in: ["events"], about: "accepted, no effect" },
  accept_mutex: {
    ...ignored("flag"),
    in: ["events"],
    about: "accepted, no effect: each worker has sockets of its own",
  },
  accept_mutex_delay: { ...ignored("time"), in: ["events"], about: "accepted, no effect" },
  worker_aio_requests: { ...ignored("number"), in: ["events"], about: "accepted, no effect" },
} as const satisfies Record<string, Spec>;

function ignored<K extends "flag" | "number" | "time" | "string" | "words">(kind: K) {
  return { module: "core", in: ["main"], kind, store: "none" } as const;
}

/** What nginx may be built with on Linux. */
function readUse(c: Compiler, d: Directive): void {
  const word = d.args[0]!;
  if (!["epoll", "poll", "select"].includes(word.text)) c.problems.add(word, `invalid event type "${word.text}"`);
}

function readErrorLog(c: Compiler, d: Directive, level: Parameters<NonNullable<Spec["read"]>>[2]): void {
  const [path, name] = d.args;
  const number = name ? logLevels.indexOf(name.text as "error") : logLevels.indexOf("error");
  if (number < 1) return c.problems.add(name!, `invalid log level "${name!.text}"`);
  if (path!.text.startsWith("memory:")) return c.problems.add(path!, '"memory:" in "error_log" is not supported');
  const isSyslog = path!.text.startsWith("syslog:");
  const file = isSyslog ? readSyslog(c, path!.text, path!, "emerg") : c.path(path!.text);
  if (file === undefined || c.hasErrorLog) return;
  const log = { path: path!.text === "stderr" ? "stderr" : file, level: number, pos: posOf(path!) };
  if (level.context === "main") (c.plan["error_logs"] as unknown[]).push(log);
  else c.push(level, "error_logs", log);
}
