// SPDX-License-Identifier: MIT
// Directives of nginx's rewrite module: each becomes an instruction (RewriteOp of native/config.h) of the server or location
// around it, in the order of the file. An `if` puts its own instructions into the same list, behind a jump; what other
// modules' directives in it say becomes a location configuration of its own.
import type { Compiler, Level } from "../compile.js";
import { many, typed, type Spec } from "../spec.js";
import type { ComplexValue } from "../plan.js";
import type { Directive, Place, Word } from "../tree.js";
import { isBuiltinVariable, isSettable } from "../variables.js";

type Text = string | number;

/** RewriteOp::Kind of native/config.h. */
export const opKind = { set: 0, ret: 1, rewrite: 2, brk: 3, test: 4, lua: 5, setMisc: 6 } as const;
/** RewriteOp::Test of native/config.h. */
const tests = { truth: 0, equal: 1, regex: 2, file: 3, directory: 4, exists: 5, executable: 6 } as const;

const module = "rewrite";
export const rewriteContexts = ["server", "location", "if", "server_if"] as const;

export const rewrite = {
  set: {
    module,
    in: rewriteContexts,
    kind: "own",
    args: [2, 2],
    form: "map",
    repeat: true,
    merge: "none",
    member: "rewrite",
    initial: [],
    isRewrite: true,
    read: readSet,
    type: typed<{ readonly [variable: `$${string}`]: Text }>(),
    about: "sets a variable, in the order of the file with the other rewrite directives",
  },
  if: {
    module,
    in: ["server", "location"],
    kind: "block",
    args: [1, many],
    repeat: true,
    isRewrite: true,
    about: "what its directives say holds where its condition, for example `($a = b)`, does",
  },
  rewrite: {
    module,
    in: rewriteContexts,
    kind: "own",
    args: [2, 3],
    form: "map",
    repeat: true,
    store: "none",
    isRewrite: true,
    read: readRewrite,
    type: typed<{
      readonly [regex: string]: Text | readonly [to: Text, flag?: "last" | "break" | "redirect" | "permanent"];
    }>(),
    about: "another URI where a regex matches this one, then `last`, `break`, `redirect` or `permanent`",
  },
  break: {
    module,
    in: rewriteContexts,
    kind: "own",
    args: [0, 0],
    repeat: true,
    store: "none",
    isRewrite: true,
    read: (_c, _d, level) => addOp(level, { kind: opKind.brk }),
    type: typed<boolean>(),
    about: "ends the rewrite directives",
  },
  return: {
    module,
    in: rewriteContexts,
    kind: "own",
    args: [1, 2],
    form: "words",
    repeat: true,
    store: "none",
    isRewrite: true,
    read: readReturn,
    type: typed<number | string | readonly [code: number | string, text?: Text]>(),
    about: "ends with a status and a text, or redirects to a URL",
  },
  rewrite_log: {
    module,
    in: ["http", ...rewriteContexts],
    kind: "flag",
    store: "location",
    default: "off",
    about: "what the rewrite directives do goes to the error log, level `notice`",
  },
  uninitialized_variable_warn: {
    module,
    in: ["http", ...rewriteContexts],
    kind: "flag",
    store: "location",
    default: "on",
    about: "a variable that is used before it is set is logged",
  },
} as const satisfies Record<string, Spec>;

const plain = {
  kind: 0,
  var: -1,
  status: 0,
  has_text: false,
  value: "" as ComplexValue,
  regex: -1,
  args: "" as ComplexValue,
  has_args: false,
  add_args: false,
  is_last: false,
  is_break: false,
  test: 0,
  is_negated: false,
  conf: -1,
  jump: 0,
  script: -1,
  call: -1,
  inputs: [] as ComplexValue[],
};
/** An instruction, see RewriteOp of native/config.h. */
export type RewriteOp = typeof plain;

/** Puts an instruction behind those of its server or location. */
export function addOp(level: Level, op: Partial<RewriteOp>): RewriteOp {
  const whole = { ...plain, ...op };
  (level.conf["rewrite"] as RewriteOp[]).push(whole);
  return whole;
}

/** The index of the variable that a directive sets, declared; undefined, with the mistake noted, where it cannot be set. */
export function targetOf(c: Compiler, name: Word): number | undefined {
  if (!/^\$./.test(name.text)) return void c.problems.add(name, `invalid variable name "${name.text}"`);
  const variable = name.text.slice(1).toLowerCase();
  if (isBuiltinVariable(variable) && !isSettable(variable))
    return void c.problems.add(name, `the duplicate "${variable}" variable`);
  return variable === "uid_reset" ? c.declareUnset(variable, name) : c.declare(variable, name);
}

function readSet(c: Compiler, d: Directive, level: Level): void {
  const [name, value] = d.args;
  const text = c.text(value!.text, value!);
  const index = targetOf(c, name!);
  if (text !== undefined && index !== undefined) addOp(level, { kind: opKind.set, var: index, value: text });
}

function readReturn(c: Compiler, d: Directive, level: Level): void {
  const [first, second] = d.args;
  const isUrl = !second && /^(https?:\/\/|\$scheme)/.test(first!.text);
  if (!isUrl && !/^\d{1,3}$/.test(first!.text)) return c.problems.add(first!, `invalid return code "${first!.text}"`);
  const word = isUrl ? first : second;
  const value = word ? c.text(word.text, word) : "";
  const status = isUrl ? 302 : Number(first!.text);
  if (value !== undefined) addOp(level, { kind: opKind.ret, status, has_text: word !== undefined, value });
}

const flags: Record<string, Partial<RewriteOp>> = {
  last: { is_last: true },
  break: { is_last: true, is_break: true },
  redirect: { is_last: true, status: 302 },
  permanent: { is_last: true, status: 301 },
};

function readRewrite(c: Compiler, d: Directive, level: Level): void {
  const [pattern, to, flag] = d.args as [Word, Word, Word | undefined];
  const op: Partial<RewriteOp> = { kind: opKind.rewrite, add_args: true };
  if (/^(https?:\/\/|\$scheme)/.test(to.text)) Object.assign(op, flags["redirect"]);
  if (flag && !Object.hasOwn(flags, flag.text)) return c.problems.add(flag, `invalid parameter "${flag.text}"`);
  if (flag) {
    const said = flags[flag.text]!;
    // A whole URL redirects whatever else is said.
    Object.assign(op, op.status ? { ...said, status: said.status ?? op.status } : said);
  }
  let text = to.text;
  if (text.endsWith("?")) {
    text = text.slice(0, -1);
    op.add_args = false;
  }
  const mark = text.indexOf("?");
  const uri = c.text(mark < 0 ? text : text.slice(0, mark), to);
  const args = mark < 0 ? "" : c.text(text.slice(mark + 1), to);
  op.regex = c.regex(pattern.text, false, pattern);
  if (uri === undefined || args === undefined) return;
  addOp(level, { ...op, value: uri, args, has_args: mark >= 0 });
}

/** An `if`: its instructions go into the list around it; the rest is read when the block around it has been. */
export function readIf(c: Compiler, d: Directive, level: Level): void {
  const op = readCondition(c, d);
  const ops = level.conf["rewrite"] as RewriteOp[];
  if (op) ops.push(op);
  const isServer = level.context === "server";
  const context = isServer ? "server_if" : "if";
  c.block(d.block!, { ...level, context, atEnd: [], later: [] }, "rewrite");
  if (op) op.jump = ops.length;
  level.later.push(() => {
    const inner = c.inIf(level, context);
    c.block(d.block!, inner, "others");
    keepOneHandler(level, inner);
    if (op && !isServer) op.conf = c.plan.if_confs.push({ ...inner.conf, rewrite: [] }) - 1;
  });
}

// The content handler that the block names takes the place of the one it would inherit.
function keepOneHandler(outer: Level, inner: Level): void {
  const content = 4;
  const own = {
    lua: inner.conf.scripts[content] !== outer.conf.scripts[content],
    upstream: inner.conf["upstream"] !== outer.conf["upstream"],
    echo: inner.conf["echo"] !== outer.conf["echo"],
  };
  if (!own.lua && !own.upstream && !own.echo) return;
  if (!own.lua) inner.conf.scripts[content] = -1;
  if (!own.upstream) inner.conf["upstream"] = -1;
  if (!own.echo) inner.conf["echo"] = [];
}

const operators: Record<string, Partial<RewriteOp>> = {
  "=": { test: tests.equal },
  "!=": { test: tests.equal, is_negated: true },
  "~": { test: tests.regex },
  "~*": { test: tests.regex },
  "!~": { test: tests.regex, is_negated: true },
  "!~*": { test: tests.regex, is_negated: true },
};
const files: Record<string, number> = { f: tests.file, d: tests.directory, e: tests.exists, x: tests.executable };

function readCondition(c: Compiler, d: Directive): RewriteOp | undefined {
  const words = d.args.map((w) => ({ ...w }));
  const invalid = (w: Place & { text: string }) => void c.problems.add(w, `invalid condition "${w.text}"`);
  if (!words[0]!.text.startsWith("(")) return invalid(words[0]!);
  if (words[0]!.text === "(") words.shift();
  else words[0]!.text = words[0]!.text.slice(1);
  const last = words.at(-1);
  if (!last?.text.endsWith(")")) return invalid(last ?? d.args[0]!);
  if (last.text === ")") words.pop();
  else last.text = last.text.slice(0, -1);
  const [first, operator, operand] = words;
  if (!first) return invalid(d.args[0]!);
  const op: RewriteOp = { ...plain, kind: opKind.test };
  if (/^\$./.test(first.text)) {
    if (words.length !== 1 && words.length !== 3) return invalid(first);
    op.var = c.variable(first.text.slice(1).toLowerCase(), first);
    if (!operator) return { ...op, test: tests.truth };
    if (!Object.hasOwn(operators, operator.text))
      return void c.problems.add(operator, `unexpected "${operator.text}" in condition`);
    Object.assign(op, operators[operator.text]);
    if (op.test === tests.regex) op.regex = c.regex(operand!.text, operator.text.endsWith("*"), operand!);
    else op.value = c.text(operand!.text, operand!) ?? "";
    return op;
  }
  const file = /^(!?)-(.)$/s.exec(first.text);
  if (!file || words.length !== 2) return invalid(first);
  const test = files[file[2]!];
  if (test === undefined) return invalid(first);
  return { ...op, test, is_negated: file[1] === "!", value: c.text(operator!.text, operator!) ?? "" };
}
