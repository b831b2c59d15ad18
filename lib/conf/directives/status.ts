// SPDX-License-Identifier: MIT
// moonwire_status: a location that tells what the server does. Its content handler is Lua, moonwire.status.
import type { Compiler, Level } from "../compile.js";
import { phases, posOf } from "../plan.js";
import { typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

export const status = {
  moonwire_status: {
    module: "moonwire",
    in: ["location"],
    kind: "own",
    args: [0, 1],
    store: "none",
    read: readStatus,
    type: typed<boolean | "json" | "prometheus">(),
    about:
      "answers with the figures of all workers: `json`, or `prometheus` text, where the request's `?format=` or its Accept header says nothing else",
  },
} as const satisfies Record<string, Spec>;

function readStatus(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]?.text ?? "";
  if (!["", "on", "off", "json", "prometheus"].includes(word))
    return c.problems.add(d.args[0]!, `invalid value "${word}" in "${d.name}" directive`);
  if (word === "off") return;
  c.plan["has_status"] = true;
  const source = `require("moonwire.status").handler("${word === "on" ? "" : word}")`;
  const script = {
    chunkname: "=moonwire_status",
    source,
    path: "",
    is_file: false,
    is_set: false,
    pos: posOf(d),
  };
  level.conf.scripts[phases.indexOf("content")] = c.plan.scripts.push(script) - 1;
}
