// SPDX-License-Identifier: MIT
// Directives of nginx's rewrite, headers and log modules.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { isBuiltinVariable, isSettable } from "../variables.js";

type OneOrMore<T> = T | readonly T[];
type Text = string | number;

export const responses = {
  set: {
    module: "rewrite",
    in: ["server", "location"],
    kind: "own",
    args: [2, 2],
    form: "map",
    repeat: true,
    merge: "none",
    member: "rewrite",
    initial: [],
    read: readSet,
    type: typed<{ readonly [variable: `$${string}`]: Text }>(),
    about: "sets a variable, in the order of the file with the other rewrite directives",
  },
  return: {
    module: "rewrite",
    in: ["server", "location"],
    kind: "own",
    args: [1, 2],
    form: "words",
    repeat: true,
    merge: "none",
    store: "none",
    read: readReturn,
    type: typed<number | string | readonly [code: number | string, text?: Text]>(),
    about: "ends with a status and a text, or redirects to a URL",
  },
  add_header: {
    module: "headers",
    in: everywhere,
    kind: "own",
    args: [2, 3],
    form: "map",
    repeat: true,
    merge: "replace",
    member: "add_headers",
    initial: [],
    read: readAddHeader,
    type: typed<
      | { readonly [name: string]: Text | readonly [value: Text, always?: "always"] }
      | readonly (readonly [name: string, value: Text, always?: "always"])[]
    >(),
    about: "adds a header to responses of success and redirection, with `always` to all",
  },
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
    about: "file and format of the access log, or `off`; without it there is none",
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
    kind: "words",
    store: "none",
    about: "accepted, no effect: log files stay open",
  },
} as const satisfies Record<string, Spec>;

function readSet(c: Compiler, d: Directive, level: Level): void {
  const [name, value] = d.args;
  const text = c.text(value!.text, value!);
  if (!/^\$[A-Za-z0-9_]+$/.test(name!.text)) return c.problems.add(name!, `invalid variable name "${name!.text}"`);
  const variable = name!.text.slice(1).toLowerCase();
  if (isBuiltinVariable(variable) && !isSettable(variable))
    return c.problems.add(name!, `the duplicate "${variable}" variable`);
  const index = c.declare(variable, name!);
  if (text !== undefined) c.push(level, "rewrite", { kind: 0, var: index, status: 0, has_text: false, value: text });
}

function readReturn(c: Compiler, d: Directive, level: Level): void {
  const [first, second] = d.args;
  const isUrl = !second && /^(https?:\/\/|\$scheme)/.test(first!.text);
  if (!isUrl && !/^\d{1,3}$/.test(first!.text)) return c.problems.add(first!, `invalid return code "${first!.text}"`);
  const word = isUrl ? first : second;
  const value = word ? c.text(word.text, word) : "";
  const status = isUrl ? 302 : Number(first!.text);
  if (value !== undefined) c.push(level, "rewrite", { kind: 1, var: -1, status, has_text: word !== undefined, value });
}

function readAddHeader(c: Compiler, d: Directive, level: Level): void {
  const [name, value, always] = d.args;
  if (always && always.text !== "always") return c.problems.add(always, `invalid parameter "${always.text}"`);
  const text = c.text(value!.text, value!);
  if (text !== undefined) c.push(level, "add_headers", { name: name!.text, value: text, always: always !== undefined });
}

function readAccessLog(c: Compiler, d: Directive, level: Level): void {
  const [path, format, ...params] = d.args;
  if (path!.text === "off") {
    if (format) return c.problems.add(format, `invalid parameter "${format.text}"`);
    c.push(level, "access_logs");
    return;
  }
  if (/^syslog:/.test(path!.text)) return c.problems.add(path!, '"syslog:" in "access_log" is not supported');
  if (path!.text.includes("$")) return c.problems.add(path!, 'variables in the path of "access_log" are not supported');
  for (const word of params) {
    if (/^(buffer=\d+[kKmM]?|flush=\d+\w*)$/.test(word.text)) continue; // lines are written as they come
    const isKnown = /^(if=|gzip)/.test(word.text);
    c.problems.add(
      word,
      isKnown ? `"${word.text}" in "access_log" is not supported` : `invalid parameter "${word.text}"`,
    );
  }
  const index = c.plan.log_formats.findIndex((f) => f.name === (format?.text ?? "combined"));
  if (index < 0) return c.problems.add(format!, `unknown log format "${format!.text}"`);
  c.push(level, "access_logs", { path: path!.text === "stderr" ? "stderr" : c.path(path!.text), format: index });
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
