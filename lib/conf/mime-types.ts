// SPDX-License-Identifier: MIT
// The types block: MIME types by the extension of a file.
import type { Compiler, Level } from "./compile.js";
import type { Directive } from "./tree.js";

/** Reads `types { TYPE EXTENSION...; }` into a table of the plan, which the block's LocationConf names by its index. */
export function readTypes(c: Compiler, d: Directive, level: Level): void {
  const map = new Map<string, string>();
  for (const entry of d.block!) {
    if (entry.isBroken) continue;
    if (entry.block || entry.lua !== undefined) c.problems.add(entry, `unexpected "{"`);
    else if (entry.args.length === 0) c.problems.add(entry, `invalid number of arguments in "${entry.name}" directive`);
    for (const word of entry.args) {
      const extension = word.text.toLowerCase();
      const before = map.get(extension);
      if (before !== undefined)
        c.problems.warn(
          word,
          `duplicate extension "${word.text}", content type: "${entry.name}", previous content type: "${before}"`,
        );
      map.set(extension, entry.name);
    }
  }
  level.conf["types"] = c.plan.types.push(Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))) - 1;
}
