// SPDX-License-Identifier: MIT
// Directives of the proxy module's response cache. A cache may be used before its proxy_cache_path stands.
import type { Compiler, Level } from "../compile.js";
import { posOf, type SourcePos } from "../plan.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { parseSize, parseTime } from "../words.js";
import { failures } from "../upstream-pass.js";

const module = "proxy";
const store = "upstream";
const own = { module, in: everywhere, kind: "own", store } as const;

/** Smallest zone, in bytes, as nginx's: two pages. */
const leastZone = 2 * 4096;

/** CachePath of native/config.h. */
export interface CachePath {
  path: string;
  name: string;
  size: number;
  levels: [number, number, number];
  /** Seconds. */
  inactive: number;
  max_size: number;
  min_free: number;
  manager_files: number;
  manager_threshold: number;
  manager_sleep: number;
  loader_files: number;
  loader_threshold: number;
  loader_sleep: number;
  pos: SourcePos;
}

const flag = (member: string, fallback: "on" | "off", about: string) =>
  ({ module, in: everywhere, kind: "flag", store, member, default: fallback, about }) as const;
const time = (member: string, about: string) =>
  ({ module, in: everywhere, kind: "time", store, member, default: "5s", about }) as const;
const predicates = (member: string, about: string) =>
  ({
    ...own,
    args: [1, many],
    form: "words",
    read: (c: Compiler, d: Directive, level: Level) => {
      const texts = d.args.map((word) => c.text(word.text, word));
      if (texts.every((text) => text !== undefined)) level.upstream[member] = texts;
    },
    type: typed<string | readonly string[]>(),
    about,
  }) as const satisfies Spec;

export const proxyCache = {
  proxy_cache_path: {
    module,
    in: ["http"],
    kind: "own",
    args: [2, many],
    form: "list",
    repeat: true,
    store: "none",
    read: readPath,
    type: typed<readonly string[] | readonly (readonly string[])[]>(),
    about:
      "a folder of cached replies, `keys_zone=NAME:SIZE`; `levels=1:2`, `inactive=`, `max_size=`, `min_free=`, `use_temp_path=` (files are always written beside the cached ones), `manager_files=`, `manager_threshold=`, `manager_sleep=`, `loader_files=`, `loader_threshold=`, `loader_sleep=`",
  },
  proxy_cache: {
    ...own,
    read: readCache,
    type: typed<string>(),
    about: "keeps replies, in the cache whose `keys_zone` has that name; `off`",
  },
  proxy_cache_key: {
    ...own,
    read: readKey,
    type: typed<string>(),
    about: "what a reply is kept under; without it the URL that it was fetched from",
  },
  proxy_cache_valid: {
    ...own,
    args: [1, many],
    form: "list",
    repeat: true,
    read: readValid,
    type: typed<string | readonly (string | readonly (string | number)[])[]>(),
    about:
      "statuses (`any`; 200, 301, 302 without one) and how long their replies are good when no header of theirs says",
  },
  proxy_cache_methods: {
    ...own,
    args: [1, many],
    form: "words",
    default: "GET HEAD",
    read: readMethods,
    type: typed<string | readonly string[]>(),
    about: "methods whose replies are kept, of GET, HEAD, POST",
  },
  proxy_cache_min_uses: {
    module,
    in: everywhere,
    kind: "number",
    store,
    member: "cache_min_uses",
    default: "1",
    about: "requests after which a reply is kept",
  },
  proxy_cache_bypass: predicates("cache_bypass", "texts; the cache is not asked when one is neither empty nor 0"),
  proxy_no_cache: predicates("no_cache", "texts; the reply is not kept when one is neither empty nor 0"),
  proxy_cache_use_stale: {
    ...own,
    args: [1, many],
    form: "words",
    default: "off",
    read: readStale,
    type: typed<string | readonly string[]>(),
    about: "failures for which an expired reply stands in; `updating`: while another request fetches it",
  },
  proxy_cache_lock: flag("cache_lock", "off", "one request at a time fetches what is not kept yet; others wait for it"),
  proxy_cache_lock_timeout: time(
    "cache_lock_timeout",
    "longest wait; the server is asked then, and its reply not kept",
  ),
  proxy_cache_lock_age: time("cache_lock_age", "after this time another request is sent to fetch the same"),
  proxy_cache_revalidate: flag(
    "cache_revalidate",
    "off",
    "expired replies are asked for with If-Modified-Since and If-None-Match",
  ),
  proxy_cache_background_update: flag(
    "cache_background_update",
    "off",
    "an expired reply that may be used is renewed behind the client's back",
  ),
  proxy_cache_convert_head: flag("cache_convert_head", "on", "HEAD becomes GET, so that its reply can be kept"),
  proxy_cache_max_range_offset: {
    ...own,
    read: readRangeOffset,
    type: typed<number | string>(),
    about: "ranges that begin beyond it go to the server, and its reply is not kept",
  },
} as const satisfies Record<string, Spec>;

const counts = /^(manager|loader)_files$/;
const times = /^(manager|loader)_(threshold|sleep)$/;

// What a parameter of proxy_cache_path says; undefined where it says nothing.
function parameter(name: string, value: string): Partial<CachePath> | undefined {
  if (name === "levels") {
    if (!/^[12](:[12]){0,2}$/.test(value)) return undefined;
    const [a = 0, b = 0, c = 0] = value.split(":").map(Number);
    return { levels: [a, b, c] };
  }
  if (name === "inactive") {
    const ms = parseTime(value);
    return ms === undefined ? undefined : { inactive: Math.floor(ms / 1000) };
  }
  if (name === "max_size" || name === "min_free") {
    const bytes = parseSize(value, true);
    return bytes === undefined ? undefined : { [name]: bytes };
  }
  if (counts.test(name)) return /^\d{1,9}$/.test(value) ? { [name]: Number(value) } : undefined;
  const ms = parseTime(value);
  return ms === undefined ? undefined : { [name]: ms };
}

function readPath(c: Compiler, d: Directive): void {
  const [path, ...params] = d.args as [Word, ...Word[]];
  const made: CachePath = {
    path: c.path(path.text).replace(/(?<=.)\/+$/, ""),
    name: "",
    size: 0,
    levels: [0, 0, 0],
    inactive: 600,
    max_size: 0,
    min_free: 0,
    manager_files: 100,
    manager_threshold: 200,
    manager_sleep: 50,
    loader_files: 100,
    loader_threshold: 200,
    loader_sleep: 50,
    pos: posOf(d),
  };
  for (const word of params) {
    const [, name = "", value = ""] = /^(\w+)=(.*)$/s.exec(word.text) ?? [];
    if (name === "keys_zone") {
      const [, zone, size = ""] = /^(.+):([^:]*)$/s.exec(value) ?? [];
      const bytes = parseSize(size, false);
      if (zone === undefined || bytes === undefined) return c.problems.add(word, `invalid keys zone size "${value}"`);
      if (bytes < leastZone) return c.problems.add(word, `keys zone "${value}" is too small`);
      Object.assign(made, { name: zone, size: Math.max(bytes, 4 * leastZone) });
    } else if (name === "use_temp_path") {
      if (value !== "on" && value !== "off")
        return c.problems.add(word, `invalid use_temp_path value "${value}", it must be "on" or "off"`);
    } else if (/^(levels|inactive|max_size|min_free)$/.test(name) || counts.test(name) || times.test(name)) {
      const set = parameter(name, value);
      if (!set)
        return c.problems.add(
          word,
          name === "levels" ? `invalid "levels" "${word.text}"` : `invalid ${name} value "${value}"`,
        );
      Object.assign(made, set);
    } else return c.problems.add(word, `invalid parameter "${word.text}"`);
  }
  if (made.name === "") return c.problems.add(d, `"proxy_cache_path" must have "keys_zone" parameter`);
  if (c.plan.cache_paths.some((other) => other.name === made.name))
    return c.problems.add(d, `duplicate zone "${made.name}"`);
  c.plan.cache_paths.push(made);
}

/** Finds the caches that constant names mean. */
export function checkCaches(c: Compiler): void {
  for (const conf of c.plan.upstream_confs) {
    const name = conf["cache"];
    if (!conf["has_cache"] || typeof name !== "string") continue;
    const index = c.plan.cache_paths.findIndex((path) => path.name === name);
    if (index >= 0) conf["cache_path"] = index;
  }
}

function readCache(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const text = c.text(word.text, word);
  if (text === undefined) return;
  if (text !== "off" && level.own.has("proxy_store"))
    return c.problems.add(d, '"proxy_cache" directive is incompatible with "proxy_store"');
  if (text !== "off") level.own.set("proxy_cache", d.name);
  if (text !== "off") level.upstream["store"] = 0;
  level.upstream["has_cache"] = text !== "off";
  level.upstream["cache"] = text === "off" ? "" : text;
  if (typeof text !== "string" || text === "off") return;
  c.lastChecks.push(() => {
    if (!c.plan.cache_paths.some((path) => path.name === text))
      c.problems.add(word, `"proxy_cache" zone "${text}" is unknown`);
  });
}

function readKey(c: Compiler, d: Directive, level: Level): void {
  const text = c.text(d.args[0]!.text, d.args[0]!);
  if (text === undefined) return;
  level.upstream["has_cache_key"] = true;
  level.upstream["cache_key"] = text;
}

function readValid(c: Compiler, d: Directive, level: Level): void {
  const codes = d.args.slice(0, -1);
  const last = d.args.at(-1)!;
  const ms = parseTime(last.text);
  if (ms === undefined) return c.problems.add(last, `invalid time value "${last.text}"`);
  const bad = codes.find((word) => word.text !== "any" && !/^[1-9]\d\d$/.test(word.text));
  if (bad) return c.problems.add(bad, `invalid status "${bad.text}"`);
  const statuses = codes.length ? codes.map((word) => (word.text === "any" ? 0 : Number(word.text))) : [200, 301, 302];
  const isFirst = !level.own.has("upstream.cache_valid");
  level.own.set("upstream.cache_valid", d.name);
  const before = isFirst ? [] : (level.upstream["cache_valid"] as unknown[]);
  const seconds = Math.floor(ms / 1000);
  level.upstream["cache_valid"] = [...before, ...statuses.map((status) => ({ status, seconds }))];
}

function readMethods(c: Compiler, d: Directive, level: Level): void {
  const bits: Record<string, number> = { GET: 2, HEAD: 4, POST: 8 };
  const bad = d.args.find((word) => bits[word.text.toUpperCase()] === undefined);
  if (bad) return c.problems.add(bad, `invalid value "${bad.text}"`);
  level.upstream["cache_methods"] = d.args.reduce((all, word) => all | bits[word.text.toUpperCase()]!, 6);
}

function readStale(c: Compiler, d: Directive, level: Level): void {
  const bad = d.args.find((word) => !Object.hasOwn(failures, word.text) || word.text === "non_idempotent");
  if (bad) return c.problems.add(bad, `invalid value "${bad.text}"`);
  const isOff = d.args.some((word) => word.text === "off");
  level.upstream["cache_use_stale"] = isOff ? 0 : d.args.reduce((all, word) => all | failures[word.text]!, 0);
}

function readRangeOffset(c: Compiler, d: Directive, level: Level): void {
  const bytes = parseSize(d.args[0]!.text, true);
  if (bytes === undefined) return c.problems.add(d.args[0]!, `"${d.name}" directive invalid value`);
  level.upstream["cache_max_range_offset"] = bytes;
}
