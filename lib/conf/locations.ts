// SPDX-License-Identifier: MIT
// Location blocks: their kinds, nginx's rules of what may be inside what, duplicates, nesting.
import type { Compiler, Level } from "./compile.js";
import { match, posOf, type Location } from "./plan.js";
import type { Directive } from "./tree.js";

/** kAliasWhole of native/config.h: Level::aliasSize inside a location that is a regex. */
export const aliasWhole = 0xffffffff;

/** The locations of a server or of a location, each with those inside it, in file order. */
export function readLocations(c: Compiler, block: Directive[], level: Level, parent?: Location): Location[] {
  const out: Location[] = [];
  for (const d of block) {
    if (d.name !== "location" || !d.block || d.isBroken || d.args.length < 1 || d.args.length > 2) continue;
    const location = readLocation(c, d, level, parent);
    if (!location) continue;
    // nginx takes two of one name in silence where they are named; the first one counts.
    if (isDuplicate(out, location))
      c.problems[location.match === match["@"] ? "warn" : "add"](d, `duplicate location "${location.name}"`);
    out.push(location);
  }
  return out;
}

function readLocation(c: Compiler, d: Directive, level: Level, parent: Location | undefined): Location | undefined {
  const [modifier, name] = splitName(d);
  const kind = (match as Record<string, number>)[modifier];
  if (kind === undefined || modifier === "@") return void c.problems.add(d, `invalid location modifier "${modifier}"`);
  const isNamed = modifier === "" && name.startsWith("@");
  if (isNamed && name === "@") c.problems.add(d, `empty named location "${name}"`);
  const problem = parent && misplaced(name, isNamed ? match["@"] : kind, parent);
  if (problem !== undefined) c.problems.add(d, problem);
  if (modifier.startsWith("~")) c.declareGroups(name, d);
  const inner = c.inner(level, "location", isNamed, modifier.startsWith("~") ? aliasWhole : Buffer.byteLength(name));
  c.block(d.block!, inner);
  const pos = posOf(d.args.at(-1)!);
  const location: Location = { match: isNamed ? match["@"] : kind, name, conf: inner.conf, children: [], pos };
  location.children = readLocations(c, d.block!, inner, location);
  return location;
}

// "= /x" and "=/x" are the same.
function splitName(d: Directive): [modifier: string, name: string] {
  const [first, second] = d.args.map((a) => a.text) as [string, string | undefined];
  if (second !== undefined) return [first === "" ? " " : first, second];
  const m = /^(=|\^~|~\*|~)(.*)$/s.exec(first);
  return m ? [m[1]!, m[2]!] : ["", first];
}

function misplaced(name: string, kind: number, parent: Location): string | undefined {
  const quote = `location "${name}"`;
  if (parent.match === match["="]) return `${quote} cannot be inside the exact location "${parent.name}"`;
  if (parent.match === match["@"]) return `${quote} cannot be inside the named location "${parent.name}"`;
  if (kind === match["@"]) return `named ${quote} can be on the server level only`;
  const isRegex = kind === match["~"] || kind === match["~*"];
  return isRegex || name.startsWith(parent.name) ? undefined : `${quote} is outside location "${parent.name}"`;
}

function isDuplicate(others: Location[], { match: kind, name }: Location): boolean {
  if (kind === match["~"] || kind === match["~*"]) return false;
  const group = (k: number) => (k === match["^~"] ? match[""] : k);
  return others.some((l) => l.name === name && group(l.match) === group(kind));
}
