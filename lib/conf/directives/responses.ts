// SPDX-License-Identifier: MIT
// Directives of nginx's rewrite and headers modules.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import { readScript } from "../script.js";
import type { Directive, Word } from "../tree.js";
import { isBuiltinVariable, isSettable } from "../variables.js";

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
} as const satisfies Record<string, Spec>;

function readSet(c: Compiler, d: Directive, level: Level): void {
  const [name, value] = d.args;
  const text = c.text(value!.text, value!);
  const index = readTarget(c, name!);
  if (index !== undefined && text !== undefined)
    c.push(level, "rewrite", { ...noOp, kind: 0, var: index, value: text });
}

/** RewriteOp of the plan, with nothing in it. */
const noOp = { kind: 0, var: -1, status: 0, has_text: false, value: "" as unknown, script: -1, args: [] as unknown[] };

// The variable that `set` and its like give a value to, declared.
function readTarget(c: Compiler, name: Word): number | undefined {
  if (!/^\$[A-Za-z0-9_]+$/.test(name.text)) return void c.problems.add(name, `invalid variable name "${name.text}"`);
  const variable = name.text.slice(1).toLowerCase();
  if (isBuiltinVariable(variable) && !isSettable(variable))
    return void c.problems.add(name, `the duplicate "${variable}" variable`);
  return c.declare(variable, name);
}

/** `set_by_lua $variable CODE [ARGUMENT...]` and its other forms. */
export function readSetByLua(c: Compiler, d: Directive, level: Level): void {
  const [name, code, ...rest] = d.args;
  const index = readTarget(c, name!);
  const script = readScript(c, { ...d, args: code ? [code] : [] }, "set_by_lua");
  const args = rest.map((word) => c.text(word.text, word));
  if (index === undefined || !script || args.includes(undefined)) return;
  c.push(level, "rewrite", { ...noOp, kind: 2, var: index, script: c.plan.scripts.push(script) - 1, args });
}

function readReturn(c: Compiler, d: Directive, level: Level): void {
  const [first, second] = d.args;
  const isUrl = !second && /^(https?:\/\/|\$scheme)/.test(first!.text);
  if (!isUrl && !/^\d{1,3}$/.test(first!.text)) return c.problems.add(first!, `invalid return code "${first!.text}"`);
  const word = isUrl ? first : second;
  const value = word ? c.text(word.text, word) : "";
  const status = isUrl ? 302 : Number(first!.text);
  if (value !== undefined) c.push(level, "rewrite", { ...noOp, kind: 1, status, has_text: word !== undefined, value });
}

function readAddHeader(c: Compiler, d: Directive, level: Level): void {
  const [name, value, always] = d.args;
  if (always && always.text !== "always") return c.problems.add(always, `invalid parameter "${always.text}"`);
  const text = c.text(value!.text, value!);
  if (text !== undefined) c.push(level, "add_headers", { name: name!.text, value: text, always: always !== undefined });
}
