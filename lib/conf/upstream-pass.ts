// SPDX-License-Identifier: MIT
// What proxy_pass, memc_pass and the cache share: the settings of an upstream (Level.upstream), which become one UpstreamConf
// where a directive passes requests on, and the groups of servers that these name.
import { isIP } from "node:net";
import type { Compiler, Level } from "./compile.js";
import { posOf, type ComplexValue } from "./plan.js";
import type { Directive, Place, Word } from "./tree.js";

/** Words of `proxy_next_upstream` and relatives, and their bits. */
export const failures: Record<string, number> = {
  error: 0x2,
  timeout: 0x4,
  invalid_header: 0x8,
  http_500: 0x10,
  http_502: 0x20,
  http_503: 0x40,
  http_504: 0x80,
  http_403: 0x100,
  http_404: 0x200,
  http_429: 0x400,
  updating: 0x1000,
  non_idempotent: 0x4000,
  off: 0,
};

/** Members of UpstreamConf that no default of the table sets. */
export const upstreamDefaults: Record<string, unknown> = {
  bind: "",
  bind_transparent: false,
  store: 0,
  store_path: "",
  method: "",
  has_body: false,
  body: "",
  set_headers: [],
  hide_headers: [],
  pass_headers: [],
  ignore_headers: 0,
  default_redirect: true,
  redirects: [],
  cookie_domains: [],
  cookie_paths: [],
  cookie_flags: [],
  has_cache: false,
  cache: "",
  cache_path: -1,
  has_cache_key: false,
  cache_key: "",
  cache_valid: [],
  cache_methods: 6,
  cache_bypass: [],
  no_cache: [],
  cache_use_stale: 0,
  cache_max_range_offset: -1,
  cmds_allowed: [],
  memc_vars: [-1, -1, -1, -1, -1],
  gzip_flag: 0,
  force_ranges: false,
};

/** Adds to a list, which replaces an inherited one. */
export function pushSetting(level: Level, member: string, item: unknown): void {
  const before = level.own.has(`upstream.${member}`) ? (level.upstream[member] as unknown[]) : [];
  level.own.set(`upstream.${member}`, member);
  level.upstream[member] = item === undefined ? before : [...before, item];
}

/**
 * Makes the settings of this block, all of them, an UpstreamConf when the block has been read. The settings of proxy_* are
 * for proxy_pass; `more`, the settings of another directive, stands on their defaults.
 */
export function addPass(
  c: Compiler,
  d: Directive,
  level: Level,
  own: Record<string, unknown>,
  more?: () => Record<string, unknown>,
): void {
  if (level.own.has("upstream")) return c.problems.add(d, `"${d.name}" directive is duplicate`);
  level.own.set("upstream", d.name);
  const confs = c.plan.upstream_confs;
  const index = confs.push({}) - 1;
  level.conf["upstream"] = index;
  level.atEnd.push(() => {
    confs[index] = { ...(more ? { ...c.upstreamDefaults, ...more() } : level.upstream), ...own, pos: posOf(d) };
  });
}

/** The group that a constant address means: an upstream block of that name, or one made for it. */
export function groupOf(c: Compiler, word: Word, address: string, port = ""): number {
  const groups = c.plan.upstreams;
  const found = groups.findIndex((g) => g.name.toLowerCase() === address.toLowerCase());
  if (found >= 0) return found;
  const hasPort = address.startsWith("unix:") || /:\d+$/.test(address);
  const server = { ...emptyServer(word), address: hasPort ? address : address + port };
  return (
    groups.push({
      ...emptyGroup(address, word),
      servers: [server],
      is_implicit: true,
    }) - 1
  );
}

/** BalanceMethod of native/config_upstream.h. */
export const methods = {
  round_robin: 0,
  hash: 1,
  consistent_hash: 2,
  ip_hash: 3,
  least_conn: 4,
  random: 5,
  random_two: 6,
};

/** A server of a group, without parameters. */
export function emptyServer(address: Word): Record<string, unknown> {
  return {
    address: address.text,
    weight: 1,
    max_fails: 1,
    fail_timeout: 10_000,
    max_conns: 0,
    backup: false,
    down: false,
    pos: posOf(address),
  };
}

/** An upstream group without servers. */
export function emptyGroup(name: string, at: Place) {
  return {
    name,
    servers: [] as Record<string, unknown>[],
    is_implicit: false,
    method: methods.round_robin,
    hash_key: "" as ComplexValue,
    has_zone: false,
    keepalive: 0,
    keepalive_requests: 1000,
    keepalive_timeout: 60_000,
    keepalive_time: 3_600_000,
    balancer_script: -1,
    pos: posOf(at),
  };
}

/** The bits of failures after which the next server is tried. */
export function readFailures(c: Compiler, d: Directive): number | undefined {
  let bits = 0;
  for (const word of d.args) {
    if (!Object.hasOwn(failures, word.text)) return void c.problems.add(word, `invalid value "${word.text}"`);
    bits |= failures[word.text]!;
  }
  return d.args.some((w) => w.text === "off") ? 0 : bits;
}

/** The address of proxy_bind and its relatives, "" for `off`; undefined, with the mistake noted, where it is none. */
export function readBindAddress(c: Compiler, word: Word): ComplexValue | undefined {
  if (word.text === "off") return "";
  const text = c.text(word.text, word);
  if (typeof text !== "string" || isIP(text) > 0) return text;
  const [, inBrackets, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(text) ?? [];
  if (isIP(inBrackets ?? "") === 6 || isIP(plain ?? "") === 4) return text;
  return void c.problems.add(word, `invalid address "${text}"`);
}
