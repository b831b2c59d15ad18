// SPDX-License-Identifier: MIT
// Directives of nginx's headers module.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

type Text = string | number;

export const responses = {
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

function readAddHeader(c: Compiler, d: Directive, level: Level): void {
  const [name, value, always] = d.args;
  if (always && always.text !== "always") return c.problems.add(always, `invalid parameter "${always.text}"`);
  const text = c.text(value!.text, value!);
  if (text !== undefined) c.push(level, "add_headers", { name: name!.text, value: text, always: always !== undefined });
}
