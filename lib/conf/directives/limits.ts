// SPDX-License-Identifier: MIT
// Limits and times of nginx's http core: request headers and bodies, keep-alive, lingering close.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { parseSize, parseTime } from "../words.js";

const module = "http_core";
const rate = {
  module,
  in: everywhere,
  kind: "own",
  initial: "0",
  read: readRate,
  type: typed<number | string>(),
} as const;

export const limits = {
  client_header_timeout: {
    module,
    in: ["http", "server"],
    kind: "time",
    default: "60s",
    about: "time for a request's whole header; 408 past it",
  },
  client_header_buffer_size: {
    module,
    in: ["http", "server"],
    kind: "size",
    default: "1k",
    about: "buffer that holds most request headers",
  },
  large_client_header_buffers: {
    module,
    in: ["http", "server"],
    kind: "own",
    args: [2, 2],
    form: "words",
    default: "4 8k",
    read: readLargeBuffers,
    type: typed<string | readonly [number: number, size: number | string]>(),
    about: "number and size of the buffers for large request headers; 414 or 400 past them",
  },
  client_max_body_size: {
    module,
    in: everywhere,
    kind: "offset",
    default: "1m",
    about: "longest request body, 413 past it; 0 is no limit",
  },
  client_body_buffer_size: {
    module,
    in: everywhere,
    kind: "size",
    default: "16k",
    about: "request body kept in memory; a longer one goes to a file",
  },
  client_body_timeout: {
    module,
    in: everywhere,
    kind: "time",
    default: "60s",
    about: "longest wait between two reads of a request body; 408 past it",
  },
  client_body_min_rate: {
    module: "moonwire",
    in: everywhere,
    kind: "size",
    default: "0",
    about: "least bytes per second of a request body, after `client_body_timeout` has passed; 0 is off",
  },
  client_body_temp_path: {
    module,
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "words",
    default: "client_body_temp",
    read: readTempPath,
    type: typed<string | readonly [path: string, ...levels: number[]]>(),
    about: "folder of request bodies in files; levels of folders below it are accepted, not made",
  },
  client_body_in_file_only: {
    module,
    in: everywhere,
    kind: "enum",
    values: { off: 0, on: 1, clean: 2 },
    default: "off",
    about: "every request body goes to a file, which stays, or with `clean` goes away with the request",
  },
  send_timeout: {
    module,
    in: everywhere,
    kind: "time",
    default: "60s",
    about: "longest wait between two writes of a response",
  },
  limit_rate: { ...rate, about: "bytes per second of a response, may hold variables; 0 is no limit" },
  limit_rate_after: { ...rate, about: "bytes of a response that leave before `limit_rate` holds, may hold variables" },
  keepalive_timeout: {
    module,
    in: everywhere,
    kind: "own",
    args: [1, 2],
    form: "words",
    default: "75s",
    read: readKeepalive,
    type: typed<number | string | readonly [timeout: number | string, header: number | string]>(),
    about: "how long an idle connection is kept (0: not at all), and the time in a Keep-Alive header",
  },
  keepalive_requests: {
    module,
    in: everywhere,
    kind: "number",
    default: "1000",
    about: "most requests over one connection",
  },
  keepalive_time: {
    module,
    in: everywhere,
    kind: "time",
    default: "1h",
    about: "age from which a connection ends with its next answer",
  },
  keepalive_disable: {
    module,
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "words",
    default: "msie6",
    read: readKeepaliveDisable,
    type: typed<string | readonly string[]>(),
    about: "browsers whose connections end with each answer: `msie6` (with that of a POST), `safari`, or `none`",
  },
  lingering_close: {
    module,
    in: everywhere,
    kind: "enum",
    values: { off: 0, on: 1, always: 2 },
    default: "on",
    about: "reads on after the response before a connection is closed",
  },
  lingering_time: { module, in: everywhere, kind: "time", default: "30s", about: "longest lingering close" },
  lingering_timeout: {
    module,
    in: everywhere,
    kind: "time",
    default: "5s",
    about: "longest wait for data in a lingering close",
  },
} as const satisfies Record<string, Spec>;

function readLargeBuffers(c: Compiler, d: Directive, level: Level): void {
  const [count, size] = d.args;
  const bytes = parseSize(size!.text);
  if (!/^[1-9]\d{0,3}$/.test(count!.text) || !bytes) return c.problems.add(d, `"${d.name}" directive invalid value`);
  level.server["large_client_header_buffers_n"] = Number(count!.text);
  level.server["large_client_header_buffers_size"] = bytes;
}

// A size that may hold variables.
function readRate(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const text = c.text(word.text, word);
  if (typeof text === "string" && parseSize(text) === undefined)
    return c.problems.add(d, `"${d.name}" directive invalid value`);
  if (text !== undefined) level.conf[d.name] = text;
}

function readTempPath(c: Compiler, d: Directive, level: Level): void {
  const bad = d.args.slice(1).find((w) => !/^[1-3]$/.test(w.text));
  if (d.args.length > 4) return c.problems.add(d, `invalid number of arguments in "${d.name}" directive`);
  if (bad) return c.problems.add(bad, `invalid value "${bad.text}"`);
  level.conf["client_body_temp_path"] = c.path(d.args[0]!.text);
}

// KeepaliveDisable of native/config.h.
const browsers: Readonly<Record<string, number>> = { none: 0, msie6: 1, safari: 2 };

function readKeepaliveDisable(c: Compiler, d: Directive, level: Level): void {
  const bad = d.args.find((w) => !Object.hasOwn(browsers, w.text));
  if (bad) return c.problems.add(bad, `invalid value "${bad.text}"`);
  level.conf["keepalive_disable"] = d.args.reduce((bits, w) => bits | browsers[w.text]!, 0);
}

function readKeepalive(c: Compiler, d: Directive, level: Level): void {
  const [timeout, header] = d.args.map((a) => parseTime(a.text));
  if (timeout === undefined || (d.args.length > 1 && header === undefined))
    return c.problems.add(d, `"${d.name}" directive invalid value`);
  level.conf["keepalive_timeout"] = timeout;
  level.conf["keepalive_header_timeout"] = header ?? 0;
}
