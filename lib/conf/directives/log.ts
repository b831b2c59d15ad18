// SPDX-License-Identifier: MIT
// Directives of nginx's log module, and where log lines may go: a file, a path with variables, syslog.
import type { Compiler, Level } from "../compile.js";
import { posOf } from "../plan.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive, Place, Word } from "../tree.js";
import { parseSize, parseTime } from "../words.js";

type OneOrMore<T> = T | readonly T[];

export const log = {
  access_log: {
    module: "log",
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "list",
    repeat: true,
    merge: "replace",
    member: "access_logs",
    initial: [],
    read: readAccessLog,
    type: typed<false | OneOrMore<string | readonly [path: string, format?: string, ...params: string[]]>>(),
    about:
      "file and format of the access log, or `off`; then `gzip[=LEVEL]`, `buffer=SIZE`, `flush=TIME`, `if=CONDITION`. The path may hold variables, or be `syslog:server=ADDRESS,...`",
  },
  log_format: {
    module: "log",
    in: ["http"],
    kind: "own",
    args: [2, many],
    form: "map",
    repeat: true,
    store: "none",
    read: readLogFormat,
    type: typed<{ readonly [name: string]: OneOrMore<string> }>(),
    about: "a format for `access_log`: an optional `escape=default`, `json` or `none`, then texts with variables",
  },
  open_log_file_cache: {
    module: "log",
    in: everywhere,
    kind: "own",
    args: [1, 4],
    form: "words",
    initial: -1,
    read: readFileCache,
    type: typed<string | readonly string[]>(),
    about:
      "log files with variables in their names that stay open: `max=N`, `inactive=TIME`, `min_uses=N`, `valid=TIME`, or `off`",
  },
} as const satisfies Record<string, Spec>;

function readAccessLog(c: Compiler, d: Directive, level: Level): void {
  const [path, format, ...params] = d.args;
  if (path!.text === "off") {
    if (format) return c.problems.add(format, `invalid parameter "${format.text}"`);
    c.push(level, "access_logs");
    return;
  }
  const options = readOptions(c, d, params);
  const index = c.plan.log_formats.findIndex((f) => f.name === (format?.text ?? "combined"));
  if (index < 0) return c.problems.add(format!, `unknown log format "${format!.text}"`);
  const place = readPath(c, path!);
  if (!options || place === undefined) return;
  const built = { path: place, format: index, ...options, pos: posOf(path!) };
  if (!share(c, built))
    return c.problems.add(d, `access_log "${path!.text}" already defined with conflicting parameters`);
  c.push(level, "access_logs", built);
}

interface AccessLog extends Buffering {
  path: unknown;
}
type Buffering = Pick<typeof noOptions, "buffer" | "flush" | "gzip">;

/** Logs of one file have one buffer, whoever of them asks for it. False where two ask for different ones. */
function share(c: Compiler, log: AccessLog): boolean {
  if (typeof log.path !== "string") return true;
  const others = c.accessLogs.get(log.path) ?? [];
  c.accessLogs.set(log.path, [...others, log]);
  const of = ({ buffer, flush, gzip }: Buffering) => ({ buffer, flush, gzip });
  const before = others.find(({ buffer }) => buffer > 0);
  if (log.buffer === 0 && before) Object.assign(log, of(before));
  else if (log.buffer > 0 && !before) for (const other of others) Object.assign(other, of(log));
  return !before || (["buffer", "flush", "gzip"] as const).every((key) => log[key] === before[key]);
}

function readFileCache(c: Compiler, d: Directive, level: Level): void {
  const out = { max: 0, inactive: 10_000, valid: 60_000, min_uses: 1 };
  let isOff = false;
  for (const { text } of d.args) {
    const [, name, value] = /^(max|inactive|valid|min_uses)=(.*)$/s.exec(text) ?? [];
    const isTime = name === "inactive" || name === "valid";
    const number = isTime ? parseTime(value!) : /^\d{1,9}$/.test(value ?? "") ? Number(value) : undefined;
    if (name !== undefined && number !== undefined) out[name as keyof typeof out] = number;
    else if (text === "off") isOff = true;
    else return c.problems.add(d, `invalid "open_log_file_cache" parameter "${text}"`);
  }
  if (!isOff && out.max === 0) return c.problems.add(d, '"open_log_file_cache" must have "max" parameter');
  level.conf["open_log_file_cache"] = isOff ? -1 : c.plan.log_caches.push(out) - 1;
}

/** What an access log has beside path and format. */
const noOptions = { has_condition: false, condition: "" as unknown, buffer: 0, flush: 0, gzip: 0 };
export const plainAccessLog = noOptions;

function readOptions(c: Compiler, d: Directive, words: readonly Word[]): typeof noOptions | undefined {
  const out = { ...noOptions };
  const before = c.problems.list.length;
  for (const word of words) {
    const [, name, value] = /^(buffer|flush|if|gzip)(?:=(.*))?$/s.exec(word.text) ?? [];
    if (name === "gzip") {
      out.gzip = value === undefined ? 1 : /^[1-9]$/.test(value) ? Number(value) : 0;
      if (out.gzip === 0) c.problems.add(word, `invalid compression level "${value}"`);
    } else if (value === undefined) c.problems.add(word, `invalid parameter "${word.text}"`);
    else if (name === "if") {
      out.condition = c.text(value, word);
      out.has_condition = true;
    } else if (name === "buffer") {
      const size = parseSize(value);
      if (!size) c.problems.add(word, `invalid buffer size "${value}"`);
      out.buffer = size ?? 0;
    } else {
      const time = parseTime(value);
      if (!time) c.problems.add(word, `invalid flush time "${value}"`);
      out.flush = time ?? 0;
    }
  }
  if (out.gzip > 0 && out.buffer === 0) out.buffer = 65536;
  if (out.flush > 0 && out.buffer === 0) c.problems.add(d, `no buffer is defined for access_log "${d.args[0]!.text}"`);
  const place = d.args[0]!.text;
  if (out.buffer > 0 && place.includes("$")) c.problems.add(d, "buffered logs cannot have variables in name");
  else if (out.buffer > 0 && place.startsWith("syslog:")) c.problems.add(d, "logs to syslog cannot be buffered");
  return c.problems.list.length > before ? undefined : out;
}

function readPath(c: Compiler, word: Word): unknown {
  const { text } = word;
  if (text === "stderr") return text;
  if (text.startsWith("syslog:")) return readSyslog(c, text, word, "info");
  return c.text(/^[/$]/.test(text) ? text : c.path(text), word);
}

const facilities =
  "kern user mail daemon auth intern lpr news uucp clock authpriv ftp ntp audit alert cron local0 local1 local2 local3 local4 local5 local6 local7".split(
    " ",
  );
const severities = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

/**
 * `syslog:server=ADDRESS,facility=F,severity=S,tag=T,nohostname` as the plan has it: `syslog:PRIORITY,TAG,HOST?,ADDRESS`, with
 * every part filled in. Undefined, with the mistake noted, where it is none.
 */
export function readSyslog(c: Compiler, text: string, at: Place, severity: string): string | undefined {
  const part = { server: "", facility: "local7", severity, tag: "nginx" };
  let withHost = 1;
  for (const word of text.slice("syslog:".length).split(",")) {
    const [, name, value] = /^(server|facility|severity|tag)=(.*)$/.exec(word) ?? [];
    if (name) part[name as keyof typeof part] = value!;
    else if (word === "nohostname") withHost = 0;
    else return void c.problems.add(at, `unknown syslog parameter "${word}"`);
  }
  if (part.server === "") return void c.problems.add(at, "no syslog server specified");
  if (!facilities.includes(part.facility)) return void c.problems.add(at, `unknown syslog facility "${part.facility}"`);
  if (!severities.includes(part.severity)) return void c.problems.add(at, `unknown syslog severity "${part.severity}"`);
  if (!/^\w{1,32}$/.test(part.tag))
    return void c.problems.add(at, 'syslog "tag" only allows alphanumeric characters and underscore');
  const isPath = part.server.startsWith("unix:");
  const server = isPath || /:\d+$/.test(part.server) ? part.server : `${part.server}:514`;
  const address = isPath ? server : server.replace(/^localhost:/, "127.0.0.1:");
  if (!isPath && !/^(\d+(\.\d+){3}|\[[\da-fA-F:.]+\]):\d+$/.test(address))
    return void c.problems.add(at, `host not found in syslog server "${part.server}"`);
  const priority = facilities.indexOf(part.facility) * 8 + severities.indexOf(part.severity);
  return `syslog:${priority},${part.tag},${withHost},${address}`;
}

function readLogFormat(c: Compiler, d: Directive): void {
  const [name, ...words] = d.args;
  const mode = /^escape=(.*)$/.exec(words[0]?.text ?? "")?.[1];
  const escape = mode === undefined ? 0 : ["default", "json", "none"].indexOf(mode);
  if (escape < 0) return c.problems.add(words[0]!, `unknown log format escaping "${mode}"`);
  if (c.plan.log_formats.some((f) => f.name === name!.text))
    return c.problems.add(name!, `duplicate "log_format" name "${name!.text}"`);
  const texts = words.slice(mode === undefined ? 0 : 1);
  if (texts.length === 0) return c.problems.add(d, 'invalid number of arguments in "log_format" directive');
  const format = c.text(texts.map((w) => w.text).join(""), texts[0]!);
  if (format !== undefined) c.plan.log_formats.push({ name: name!.text, format, escape });
}
