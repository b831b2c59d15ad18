// SPDX-License-Identifier: MIT
// Directives of nginx's rewrite module; set_by_lua* runs among them.
import type { Compiler, Level } from "../compile.js";
import { phases, type ComplexValue, type LocationConf } from "../plan.js";
import { readScript } from "../script.js";
import { many, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { isBuiltinVariable, isSettable } from "../variables.js";

type Text = string | number;

/** RewriteOp::Kind of native/config.h. */
const kind = { set: 0, return: 1, if: 2, rewrite: 3, break: 4, set_by_lua: 5 } as const;
/** RewriteOp::Test. */
const test = { truth: 0, equal: 1, match: 2, "-f": 3, "-d": 4, "-e": 5, "-x": 6 } as const;
/** RewriteOp::Flag. */
const flags: Record<string, number> = { last: 1, break: 2, redirect: 3, permanent: 4 };

/** An operation; `body`, of an `if`, is put behind it when the whole list is known. */
interface Op {
  kind: number;
  body?: Op[];
  [member: string]: unknown;
}

const contexts = ["server", "location", "if", "if in server"] as const;

export const rewrite = {
  set: {
    module: "rewrite",
    in: contexts,
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
    in: contexts,
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
  rewrite: {
    module: "rewrite",
    in: contexts,
    kind: "own",
    args: [2, 3],
    form: "list",
    repeat: true,
    merge: "none",
    store: "none",
    read: readRewrite,
    type: typed<
      readonly (readonly [regex: string, to: string, flag?: "last" | "break" | "redirect" | "permanent"])[]
    >(),
    about: "replaces a path that a regex matches; `last`, `break`, `redirect` or `permanent` says what follows",
  },
  break: {
    module: "rewrite",
    in: contexts,
    kind: "own",
    args: [0, 0],
    form: "words",
    merge: "none",
    store: "none",
    read: readBreak,
    type: typed<readonly []>(),
    about: "ends the rewrite directives of the block",
  },
  if: {
    module: "rewrite",
    in: ["server", "location"],
    kind: "own",
    args: [1, many],
    hasBlock: true,
    form: "words",
    repeat: true,
    merge: "none",
    member: "ifs",
    initial: [],
    read: readIf,
    type: typed<never>(),
    about: "settings for requests that meet a condition; nginx.conf alone",
  },
  rewrite_log: {
    module: "rewrite",
    in: ["http", ...contexts],
    kind: "flag",
    store: "none",
    about: "accepted, no effect",
  },
  uninitialized_variable_warn: {
    module: "rewrite",
    in: ["http", ...contexts],
    kind: "flag",
    store: "none",
    about: "accepted, no effect",
  },
} as const satisfies Record<string, Spec>;

const blank = {
  test: 0,
  flag: 0,
  is_negated: false,
  has_text: false,
  keeps_args: true,
  var: -1,
  status: 0,
  regex: -1,
  script: -1,
  skip: 0,
  conf: -1,
  value: "" as ComplexValue,
  other: "" as ComplexValue,
  args: [] as ComplexValue[],
};

function push(c: Compiler, level: Level, op: Partial<typeof blank> & { kind: number; body?: Op[] }): void {
  const whole = { ...blank, ...op };
  if (level.ops) (level.ops as Op[]).push(whole);
  else c.push(level, "rewrite", whole);
}

/** The index of the variable that a directive sets; undefined, with the mistake noted, where it cannot. */
function target(c: Compiler, word: Word): number | undefined {
  if (!/^\$[A-Za-z0-9_]+$/.test(word.text)) return void c.problems.add(word, `invalid variable name "${word.text}"`);
  const variable = word.text.slice(1).toLowerCase();
  if (isBuiltinVariable(variable) && !isSettable(variable))
    return void c.problems.add(word, `the duplicate "${variable}" variable`);
  return c.declare(variable, word);
}

function readSet(c: Compiler, d: Directive, level: Level): void {
  const [name, value] = d.args;
  const text = c.text(value!.text, value!);
  const index = target(c, name!);
  if (text !== undefined && index !== undefined) push(c, level, { kind: kind.set, var: index, value: text });
}

function readReturn(c: Compiler, d: Directive, level: Level): void {
  const [first, second] = d.args;
  const isUrl = !second && /^(https?:\/\/|\$scheme)/.test(first!.text);
  if (!isUrl && !/^\d{1,3}$/.test(first!.text)) return c.problems.add(first!, `invalid return code "${first!.text}"`);
  const word = isUrl ? first : second;
  const value = word ? c.text(word.text, word) : "";
  const status = isUrl ? 302 : Number(first!.text);
  if (value !== undefined) push(c, level, { kind: kind.return, status, has_text: word !== undefined, value });
}

function readRewrite(c: Compiler, d: Directive, level: Level): void {
  const [pattern, replacement, word] = d.args;
  const name = word?.text;
  if (name !== undefined && !Object.hasOwn(flags, name)) return c.problems.add(word!, `invalid parameter "${name}"`);
  let text = replacement!.text;
  const isAway = /^(https?:\/\/|\$scheme)/.test(text);
  let flag = name === undefined ? 0 : flags[name]!;
  if (isAway && flag !== flags["permanent"]) flag = flags["redirect"]!;
  const keeps_args = !text.endsWith("?");
  if (!keeps_args) text = text.slice(0, -1);
  const value = c.text(text, replacement!);
  const regex = c.regex(pattern!.text, false, pattern!);
  if (value !== undefined) push(c, level, { kind: kind.rewrite, flag, keeps_args, regex, value });
}

function readBreak(c: Compiler, _: Directive, level: Level): void {
  push(c, level, { kind: kind.break });
}

/** `set_by_lua $variable CODE [ARGUMENT...]` and its other forms. */
export function readSetByLua(c: Compiler, d: Directive, level: Level): void {
  const [name, code, ...rest] = d.args;
  const index = target(c, name!);
  const script = readScript(c, { ...d, args: code ? [code] : [] }, "set_by_lua");
  const args = rest.map((w) => c.text(w.text, w) ?? "");
  if (index === undefined || !script) return;
  push(c, level, { kind: kind.set_by_lua, var: index, script: c.plan.scripts.push(script) - 1, args });
}

// --- if --------------------------------------------------------------------------------------------------------------

/** The words between the parentheses. */
function conditionOf(c: Compiler, d: Directive): Word[] | undefined {
  const words = d.args.map((w) => ({ ...w }));
  const first = words[0]!;
  const last = words.at(-1)!;
  if (!first.text.startsWith("(")) return void c.problems.add(first, `invalid condition "${first.text}"`);
  first.text = first.text.slice(1);
  if (!last.text.endsWith(")")) return void c.problems.add(last, `invalid condition "${last.text}"`);
  last.text = last.text.slice(0, -1);
  const out = words.filter((w, i) => w.text !== "" || (i > 0 && i < words.length - 1));
  if (out.length === 0) return void c.problems.add(d, `invalid condition "${d.args[0]!.text}"`);
  return out;
}

function readCondition(c: Compiler, d: Directive): (Partial<typeof blank> & { kind: number }) | undefined {
  const words = conditionOf(c, d);
  if (!words) return undefined;
  const [first, operator, right] = words;
  const invalid = (word: Word) => void c.problems.add(word, `invalid condition "${word.text}"`);
  const fileTest = /^(!?)(-[fdex])$/.exec(first!.text);
  if (fileTest) {
    if (words.length !== 2) return invalid(words.at(-1)!);
    const value = c.text(operator!.text, operator!) ?? "";
    return { kind: kind.if, test: test[fileTest[2] as "-f"], is_negated: fileTest[1] === "!", value };
  }
  if (!/^\$./.test(first!.text)) return invalid(first!);
  const value = c.text(first!.text, first!) ?? "";
  if (words.length === 1) return { kind: kind.if, test: test.truth, value };
  if (words.length !== 3) return invalid(words.at(-1)!);
  const is_negated = operator!.text.startsWith("!");
  if (/^!?=$/.test(operator!.text))
    return { kind: kind.if, test: test.equal, is_negated, value, other: c.text(right!.text, right!) ?? "" };
  if (!/^!?~\*?$/.test(operator!.text))
    return void c.problems.add(operator!, `unexpected "${operator!.text}" in condition`);
  const regex = c.regex(right!.text, operator!.text.endsWith("*"), right!);
  return { kind: kind.if, test: test.match, is_negated, value, regex };
}

function readIf(c: Compiler, d: Directive, level: Level): void {
  const condition = readCondition(c, d);
  if (!condition || !d.block) return;
  const body: Op[] = [];
  const op = { ...blank, ...condition, body };
  if (level.ops) (level.ops as Op[]).push(op);
  else c.push(level, "rewrite", op);
  // Its settings stand on top of all that the block around it says, also further down.
  level.atEnd.push(() => {
    const inner = c.inner(level, level.context === "server" ? "if in server" : "if", level.isNamed);
    inner.ops = body;
    c.block(d.block!, inner);
    if (level.context === "server") return;
    keepHandler(inner.conf, level.conf);
    op.conf = (level.conf["ifs"] as unknown[]).push(inner.conf) - 1;
  });
}

const content = phases.indexOf("content");

// What answers a location goes on to answer it with the settings of an `if`, unless that has a handler of its own.
function keepHandler(inner: LocationConf, outer: LocationConf): void {
  const own = inner.scripts[content]! >= 0 || (inner["echo"] as unknown[]).length > 0 || Number(inner["upstream"]) >= 0;
  if (own) return;
  inner.scripts[content] = outer.scripts[content]!;
  for (const member of ["echo", "echo_status", "upstream"]) inner[member] = outer[member];
}

/** The list as the engine runs it: what is inside an `if` follows it. */
export function flatten(ops: readonly Op[]): Op[] {
  return ops.flatMap((op) => {
    const { body, ...rest } = op;
    if (!body) return [rest];
    const inside = flatten(body);
    return [{ ...rest, skip: inside.length }, ...inside];
  });
}
