// SPDX-License-Identifier: MIT
// nginx's map module: a variable whose value is looked up by a text, when it is first asked for. Each block becomes a MapConf
// of native/config.h.
import type { Compiler } from "../compile.js";
import type { ComplexValue } from "../plan.js";
import { typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { targetOf } from "./rewrite.js";

type Text = string | number;

/** MapEntry::Kind of native/config.h. */
const kinds = { exact: 0, wildcardStart: 1, wildcardEnd: 2, regex: 3 } as const;

export const map = {
  map: {
    module: "map",
    in: ["http"],
    kind: "block",
    args: [2, 2],
    form: "map",
    repeat: true,
    store: "none",
    read: readMap,
    type: typed<{
      readonly [textAndVariable: `${string} $${string}`]: {
        readonly hostnames?: true;
        readonly volatile?: true;
        readonly [key: string]: Text | true | undefined;
      };
    }>(),
    about:
      "a variable whose value follows from a text: strings without case, `~regex`, `~*regex`, `default`, `hostnames`, `volatile`",
  },
  map_hash_max_size: {
    module: "map",
    in: ["http"],
    kind: "number",
    store: "none",
    about: "accepted, no effect: the table sizes itself",
  },
  map_hash_bucket_size: {
    module: "map",
    in: ["http"],
    kind: "number",
    store: "none",
    about: "accepted, no effect: the table sizes itself",
  },
} as const satisfies Record<string, Spec>;

/** A map while it is read; `keys` are those that stand in it already, by kind. */
interface MapBuild {
  hostnames: boolean;
  is_volatile: boolean;
  fallback: ComplexValue;
  entries: { kind: number; key: string; regex_index: number; value: ComplexValue }[];
  hasDefault: boolean;
  readonly keys: Set<string>;
}

function readMap(c: Compiler, d: Directive): void {
  const [text, name] = d.args as [Word, Word];
  const source = c.text(text.text, text);
  const target = targetOf(c, name);
  const build: MapBuild = {
    hostnames: false,
    is_volatile: false,
    fallback: "",
    entries: [],
    hasDefault: false,
    keys: new Set(),
  };
  for (const entry of d.block!) if (!entry.isBroken) readEntry(c, entry, build);
  if (source === undefined || target === undefined) return;
  const { hostnames, is_volatile, fallback, entries } = build;
  c.plan.maps.push({ var: target, source, hostnames, is_volatile, fallback, entries });
}

function readEntry(c: Compiler, d: Directive, build: MapBuild): void {
  if (d.block || d.lua !== undefined) return c.problems.add(d, `unexpected "{"`);
  if (d.args.length === 0 && d.name === "hostnames") return void (build.hostnames = true);
  if (d.args.length === 0 && d.name === "volatile") return void (build.is_volatile = true);
  if (d.args.length !== 1) return c.problems.add(d, "invalid number of the map parameters");
  const value = c.text(d.args[0]!.text, d.args[0]!);
  if (value === undefined) return;
  if (d.name === "default") {
    if (build.hasDefault) return c.problems.add(d, "duplicate default map parameter");
    build.hasDefault = true;
    build.fallback = value;
  } else if (d.name.startsWith("~")) {
    const isIcase = d.name.startsWith("~*");
    const regex = c.regex(d.name.slice(isIcase ? 2 : 1), isIcase, d);
    build.entries.push({ kind: kinds.regex, key: "", regex_index: regex, value });
  } else {
    addKey(c, d, build, d.name.replace(/^\\/, ""), value);
  }
}

// A text, or with `hostnames` a name that may be a wildcard at either end; ".a.com" is "a.com" and "*.a.com".
function addKey(c: Compiler, d: Directive, build: MapBuild, text: string, value: ComplexValue): void {
  const key = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const add = (...keys: [kind: number, key: string][]): void => {
    const isNew = keys.every(([kind, k]) => !build.keys.has(`${kind}${k}`));
    if (!isNew) return c.problems.add(d, `conflicting parameter "${key}"`);
    for (const [kind, k] of keys) {
      build.keys.add(`${kind}${k}`);
      build.entries.push({ kind, key: k, regex_index: -1, value });
    }
  };
  if (!build.hostnames) return add([kinds.exact, key]);
  const isBad = key.indexOf("*") !== key.lastIndexOf("*") || key.includes("..") || key.includes("\0");
  if (!isBad && key.length > 1 && key.startsWith("."))
    return add([kinds.exact, key.slice(1)], [kinds.wildcardStart, key.slice(1)]);
  if (!isBad && key.length > 2 && key.startsWith("*.")) return add([kinds.wildcardStart, key.slice(2)]);
  if (!isBad && key.length > 2 && key.endsWith(".*")) return add([kinds.wildcardEnd, key.slice(0, -2)]);
  if (isBad || key.includes("*")) return c.problems.add(d, `invalid hostname or wildcard "${text}"`);
  add([kinds.exact, key]);
}
