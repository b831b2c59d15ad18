// SPDX-License-Identifier: MIT
// Directives of nginx's headers module.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

type Text = string | number;

const added = <M extends "add_headers" | "add_trailers">(member: M, about: string) =>
  ({
    module: "headers",
    in: everywhere,
    kind: "own",
    args: [2, 3],
    form: "map",
    repeat: true,
    merge: "replace",
    member,
    initial: [],
    read: (c, d, level) => readAdded(c, d, level, member),
    type: typed<
      | { readonly [name: string]: Text | readonly [value: Text, always?: "always"] }
      | readonly (readonly [name: string, value: Text, always?: "always"])[]
    >(),
    about,
  }) as const satisfies Spec;

export const responses = {
  add_header: added("add_headers", "adds a header to responses of success and redirection, with `always` to all"),
  add_trailer: added(
    "add_trailers",
    "adds a field behind the body of chunked responses, as `add_header` does before it",
  ),
} as const satisfies Record<string, Spec>;

function readAdded(c: Compiler, d: Directive, level: Level, member: string): void {
  const [name, value, always] = d.args;
  if (always && always.text !== "always") return c.problems.add(always, `invalid parameter "${always.text}"`);
  const text = c.text(value!.text, value!);
  if (text !== undefined) c.push(level, member, { name: name!.text, value: text, always: always !== undefined });
}
