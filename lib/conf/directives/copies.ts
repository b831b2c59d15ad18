// SPDX-License-Identifier: MIT
// Directives of nginx's mirror and sub modules.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

export const mirror = {
  mirror: {
    module: "mirror",
    in: everywhere,
    kind: "own",
    form: "list",
    repeat: true,
    merge: "replace",
    member: "mirrors",
    initial: [],
    read: readMirror,
    type: typed<string | readonly string[]>(),
    about: "URI that gets a copy of each request, whose answer is thrown away; `off` for none",
  },
  mirror_request_body: {
    module: "mirror",
    in: everywhere,
    kind: "flag",
    default: "on",
    about: "the copies have the body too, which is read first",
  },
  sub_filter: {
    module: "sub",
    in: everywhere,
    kind: "own",
    args: [2, 2],
    form: "map",
    repeat: true,
    merge: "replace",
    member: "sub_filters",
    initial: [],
    read: readSub,
    type: typed<{ readonly [text: string]: string } | readonly (readonly [text: string, replacement: string])[]>(),
    about: "a text in response bodies, without regard to case, and what takes its place; both may hold variables",
  },
  sub_filter_once: { module: "sub", in: everywhere, kind: "flag", default: "on", about: "each text is replaced once" },
  sub_filter_last_modified: {
    module: "sub",
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "a changed response keeps its Last-Modified",
  },
  sub_filter_types: {
    module: "sub",
    in: everywhere,
    kind: "words",
    merge: "replace",
    default: "text/html",
    about: "MIME types that are searched beside text/html; `*` for all",
  },
} as const satisfies Record<string, Spec>;

function readMirror(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const isOff = word.text === "off";
  const isMixed = isOff ? level.own.has("mirrors") : level.own.get("mirror_off") !== undefined;
  if (isMixed) return c.problems.add(d, `"mirror" directive is duplicate`);
  if (isOff) level.own.set("mirror_off", "off");
  c.push(level, "mirrors", ...(isOff ? [] : [word.text]));
}

function readSub(c: Compiler, d: Directive, level: Level): void {
  const [from, to] = d.args;
  if (from!.text === "") return c.problems.add(from!, "empty search pattern");
  const text = c.text(from!.text, from!);
  const replacement = c.text(to!.text, to!);
  if (text !== undefined && replacement !== undefined) c.push(level, "sub_filters", { from: text, to: replacement });
}
