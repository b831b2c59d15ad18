// SPDX-License-Identifier: MIT
// nginx's geo and split_clients modules: variables whose value follows from an address, or from a hash. Each block becomes a
// GeoConf or SplitConf of native/config.h.
import type { Compiler } from "../compile.js";
import { typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { readNetwork } from "./access.js";
import { targetOf } from "./rewrite.js";

type Text = string | number;

export const geo = {
  geo: {
    module: "geo",
    in: ["http"],
    kind: "block",
    args: [1, 2],
    form: "map",
    repeat: true,
    store: "none",
    read: readGeo,
    type: typed<{
      readonly [addressAndVariable: `$${string}`]: {
        readonly ranges?: true;
        readonly proxy_recursive?: true;
        readonly [network: string]: Text | true | undefined;
      };
    }>(),
    about:
      "a variable whose value follows from an address (the client's, or a variable's): networks, `default`, `ranges`, `delete`, `proxy`, `proxy_recursive`",
  },
  split_clients: {
    module: "split_clients",
    in: ["http"],
    kind: "block",
    args: [2, 2],
    form: "map",
    repeat: true,
    store: "none",
    read: readSplit,
    type: typed<{ readonly [textAndVariable: `${string} $${string}`]: { readonly [percent: string]: Text } }>(),
    about: "a variable whose value follows from the hash of a text: `10%` of the texts each, `*` for the rest",
  },
} as const satisfies Record<string, Spec>;

/** First and last address, as numbers, of what a line of a geo block says. */
interface Range {
  first: bigint;
  last: bigint;
  value: number;
  at: Directive;
}

interface GeoBuild {
  isRanges: boolean;
  values: string[];
  fallback: number;
  readonly ranges: Record<4 | 16, Range[]>;
  proxies: Record<string, unknown>[];
  proxy_recursive: boolean;
}

function readGeo(c: Compiler, d: Directive): void {
  const name = d.args.at(-1)!;
  const from = d.args.length === 2 ? d.args[0]! : undefined;
  if (from && !/^\$./.test(from.text)) return c.problems.add(from, `invalid variable name "${from.text}"`);
  const source = from ? c.variable(from.text.slice(1).toLowerCase(), from) : -1;
  const target = targetOf(c, name);
  const build: GeoBuild = {
    isRanges: false,
    values: [""],
    fallback: 0,
    ranges: { 4: [], 16: [] },
    proxies: [],
    proxy_recursive: false,
  };
  for (const entry of d.block!) if (!entry.isBroken) readGeoEntry(c, entry, build);
  if (target === undefined) return;
  const { values, fallback, proxies, proxy_recursive } = build;
  const ip4 = apart(c, build.ranges[4]).map((range) => encode(range, 4));
  const ip6 = apart(c, build.ranges[16]).map((range) => encode(range, 16));
  c.plan.geos.push({ var: target, source, values, fallback, ip4, ip6, proxies, proxy_recursive });
}

function readGeoEntry(c: Compiler, d: Directive, build: GeoBuild): void {
  if (d.block || d.lua !== undefined) return c.problems.add(d, `unexpected "{"`);
  if (d.args.length === 0 && d.name === "ranges") return void (build.isRanges = true);
  if (d.args.length === 0 && d.name === "proxy_recursive") return void (build.proxy_recursive = true);
  if (d.args.length !== 1) return c.problems.add(d, "invalid number of the geo parameters");
  const value = d.args[0]!;
  if (d.name === "proxy") {
    const network = readNetwork(c, value);
    if (network) build.proxies.push({ ...network, is_deny: false });
    return;
  }
  if (d.name === "delete") return remove(c, value, build);
  if (d.name === "default") return void (build.fallback = indexOf(build, value.text));
  const range = build.isRanges ? readRange(c, { ...d, text: d.name }) : readCidr(c, { ...d, text: d.name });
  if (!range) return;
  const list = build.ranges[range.size];
  const before = list.find((r) => r.first === range.first && r.last === range.last);
  if (before) {
    const what = build.isRanges ? "range" : "network";
    const old = build.values[before.value];
    c.problems.warn(d, `duplicate ${what} "${d.name}", value: "${value.text}", old value: "${old}"`);
    before.value = indexOf(build, value.text);
    return;
  }
  list.push({ first: range.first, last: range.last, value: indexOf(build, value.text), at: d });
}

function indexOf(build: GeoBuild, value: string): number {
  const index = build.values.indexOf(value);
  return index >= 0 ? index : build.values.push(value) - 1;
}

function remove(c: Compiler, word: Word, build: GeoBuild): void {
  const range = build.isRanges ? readRange(c, word) : readCidr(c, word);
  if (!range) return;
  // As in nginx a range is deleted from what those before it have come to: where one has cut another, its parts are ranges.
  if (build.isRanges) build.ranges[range.size] = apart(c, build.ranges[range.size]);
  const list = build.ranges[range.size];
  const index = list.findIndex((r) => r.first === range.first && r.last === range.last);
  if (index >= 0) list.splice(index, 1);
  else c.problems.warn(word, `no ${build.isRanges ? "address range" : "network"} "${word.text}" to delete`);
}

interface Span {
  first: bigint;
  last: bigint;
  size: 4 | 16;
}

function numberOf(bytes: readonly number[]): bigint {
  return bytes.reduce((n, byte) => (n << 8n) | BigInt(byte), 0n);
}

function readCidr(c: Compiler, word: Word): Span | undefined {
  const network = ["all", "unix:"].includes(word.text) ? undefined : readNetwork(c, word, "network");
  if (!network) return undefined;
  const { address, bits } = network as unknown as { address: number[]; bits: number };
  const size = address.length as 4 | 16;
  const first = numberOf(address);
  return { first, last: first + (1n << BigInt(size * 8 - bits)) - 1n, size };
}

function readRange(c: Compiler, word: Word): Span | undefined {
  const m = /^(\d+\.\d+\.\d+\.\d+)-(\d+\.\d+\.\d+\.\d+)$/.exec(word.text);
  const ends = m?.slice(1).map((text) => text.split(".").map(Number));
  if (!ends || ends.flat().some((byte) => byte > 255)) return void c.problems.add(word, `invalid range "${word.text}"`);
  const [first, last] = ends.map(numberOf) as [bigint, bigint];
  if (first > last) return void c.problems.add(word, `invalid range "${word.text}"`);
  return { first, last, size: 4 };
}

// Ranges that do not overlap, in order: where one lies in another, it counts there.
function apart(c: Compiler, ranges: Range[]): Range[] {
  const out: Range[] = [];
  const open: Range[] = [];
  let at = 0n;
  const put = (last: bigint, range: Range) => {
    if (at <= last) out.push({ ...range, first: at, last });
    if (last + 1n > at) at = last + 1n;
  };
  const closeBefore = (first: bigint) => {
    while (open.length > 0 && open.at(-1)!.last < first) {
      const range = open.pop()!;
      put(range.last, range);
    }
  };
  for (const range of ranges.toSorted((a, b) => order(a.first, b.first) || order(b.last, a.last))) {
    closeBefore(range.first);
    const outer = open.at(-1);
    if (outer && outer.last < range.last)
      c.problems.add(range.at, `range "${range.at.name}" overlaps "${outer.at.name}"`);
    if (outer) put(range.first - 1n, outer);
    at = range.first;
    open.push(range);
  }
  while (open.length > 0) {
    const range = open.pop()!;
    put(range.last, range);
  }
  return out;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function encode(range: Range, size: number): { first: number[]; last: number[]; value: number } {
  const bytes = (n: bigint) => Array.from({ length: size }, (_, i) => Number((n >> BigInt(8 * (size - 1 - i))) & 255n));
  return { first: bytes(range.first), last: bytes(range.last), value: range.value };
}

// --- split_clients ---------------------------------------------------------------------------------------------------

function readSplit(c: Compiler, d: Directive): void {
  const [text, name] = d.args as [Word, Word];
  const source = c.text(text.text, text);
  const target = targetOf(c, name);
  const parts: { end: number; value: string }[] = [];
  let sum = 0;
  for (const entry of d.block!) {
    if (entry.isBroken) continue;
    if (entry.block || entry.lua !== undefined) return c.problems.add(entry, `unexpected "{"`);
    if (entry.args.length !== 1) return c.problems.add(entry, "invalid number of the split_clients parameters");
    const value = entry.args[0]!.text;
    const m = /^(\d+)(?:\.(\d{1,2}))?%$/.exec(entry.name);
    const hundredths = m ? Number(m[1]) * 100 + Number((m[2] ?? "").padEnd(2, "0")) : 0;
    if (entry.name !== "*" && hundredths === 0) return c.problems.add(entry, `invalid percent value "${entry.name}"`);
    sum += hundredths;
    if (sum > 10_000) return c.problems.add(entry, "percent total is greater than 100%");
    // nginx's own rounding: the last text of 100 % is none's.
    const end = entry.name === "*" ? 0 : Math.floor((sum * 0xffffffff) / 10_000);
    parts.push({ end, value });
  }
  if (source !== undefined && target !== undefined) c.plan.splits.push({ var: target, source, parts });
}
