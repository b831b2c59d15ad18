// SPDX-License-Identifier: MIT
// Directives of nginx's userid module: a cookie by which clients are known again.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { parseTime } from "../words.js";

const module = "userid";
const own = { module, in: everywhere, kind: "own", type: typed<string>() } as const;

export const userid = {
  userid: {
    module,
    in: everywhere,
    kind: "own",
    initial: [0, -1],
    read: readKind,
    type: typed<"on" | "v1" | "log" | "off" | boolean>(),
    about: "gives clients a cookie: `on` or `v1`; `log` only reads it for `$uid_got`",
  },
  userid_name: { module, in: everywhere, kind: "string", default: "uid", about: "name of the cookie" },
  userid_domain: { ...own, initial: "", read: readOrNone, about: "its domain, or `none`" },
  userid_path: { module, in: everywhere, kind: "string", default: "/", about: "its path" },
  userid_expires: {
    ...own,
    initial: 0,
    read: readExpires,
    about: "time that browsers keep it: a time, `max`, or `off` for the session",
  },
  userid_p3p: { ...own, initial: "", read: readOrNone, about: "a P3P header beside it, or `none`" },
  userid_mark: {
    ...own,
    initial: 0,
    read: readMark,
    about: "a letter, digit or `=` at its end: cookies without it are sent anew; or `off`",
  },
  userid_service: {
    module,
    in: everywhere,
    kind: "number",
    initial: -1,
    about: "number of the server that gave it; without it the address that was reached, for `v1` 0",
  },
  userid_flags: {
    module,
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "words",
    initial: 0,
    read: readFlags,
    type: typed<string | readonly string[]>(),
    about: "`secure`, `httponly`, `samesite=strict`, `samesite=lax`, `samesite=none`; or `off`",
  },
} as const satisfies Record<string, Spec>;

function readKind(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const kind = ["off", "log", "v1", "on"].indexOf(word.text);
  if (kind < 0) return c.problems.add(word, `invalid value "${word.text}"`);
  level.conf["userid"] = [kind, c.variable("uid_reset", word)];
}

function readOrNone(_c: Compiler, d: Directive, level: Level): void {
  const { text } = d.args[0]!;
  level.conf[d.name] = text === "none" ? "" : text;
}

function readExpires(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const named: Record<string, number> = { off: 0, max: -1 };
  const isNamed = Object.hasOwn(named, word.text);
  const ms = isNamed ? 0 : parseTime(word.text);
  if (ms === undefined) return c.problems.add(word, '"userid_expires" directive invalid value');
  level.conf["userid_expires"] = isNamed ? named[word.text]! : Math.floor(ms / 1000);
}

function readMark(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  if (word.text !== "off" && !/^[A-Za-z0-9=]$/.test(word.text))
    return c.problems.add(word, '"userid_mark" directive value must be "off" or a single letter, digit or "="');
  level.conf["userid_mark"] = word.text === "off" ? 0 : word.text.charCodeAt(0);
}

const flags = ["secure", "httponly", "samesite=strict", "samesite=lax", "samesite=none"];

function readFlags(c: Compiler, d: Directive, level: Level): void {
  if (d.args.length === 1 && d.args[0]!.text === "off") return void (level.conf["userid_flags"] = 0);
  let bits = 0;
  for (const word of d.args) {
    const at = flags.indexOf(word.text.toLowerCase());
    if (at < 0) return c.problems.add(word, `invalid value "${word.text}"`);
    bits = (at > 1 ? bits & 3 : bits) | (1 << at);
  }
  level.conf["userid_flags"] = bits;
}
