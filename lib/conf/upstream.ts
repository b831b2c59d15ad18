// SPDX-License-Identifier: MIT
// `upstream NAME { ... }`: its own small set of directives, read by itself since `server` means another thing in it. A block of
// MySQL servers is no group of the plan: the drizzle module has it.
import type { Compiler } from "./compile.js";
import type { LuaFile, LuaSource } from "./define.js";
import * as drizzle from "./directives/drizzle.js";
import { leastZone } from "./directives/limit.js";
import { emptyGroup, emptyServer, methods } from "./upstream-pass.js";
import { readScript } from "./script.js";
import type { Directive, Word } from "./tree.js";
import { parseSize, parseTime } from "./words.js";

type Group = ReturnType<typeof emptyGroup>;

/** As in nginx a backup that is named before the method is borne. */
const withoutBackups = new Set([
  methods.hash,
  methods.consistent_hash,
  methods.ip_hash,
  methods.random,
  methods.random_two,
]);

/** What an upstream block is in a configuration object: servers of HTTP, or of MySQL for `drizzlePass`. */
export type UpstreamBlock = HttpUpstream | DrizzleBlock;

interface HttpUpstream {
  /** `ADDRESS [weight=N] [max_fails=N] [fail_timeout=TIME] [max_conns=N] [backup] [down]`. */
  readonly server: string | readonly string[];
  /** `KEY [consistent]`: the server follows from a text with variables. */
  readonly hash?: string | readonly [key: string, consistent?: "consistent"];
  /** The server follows from the client's address. */
  readonly ipHash?: boolean;
  /** The server with the fewest connections, by its weight. */
  readonly leastConn?: boolean;
  /** A server by chance; `two`: the one of two with fewer connections. */
  readonly random?: boolean | "two" | "two least_conn";
  /** `NAME [SIZE]`: all workers count failures and connections together. */
  readonly zone?: string;
  /** Idle connections that each worker keeps. */
  readonly keepalive?: number;
  readonly keepaliveRequests?: number;
  readonly keepaliveTimeout?: number | string;
  readonly keepaliveTime?: number | string;
  /** Chooses the server of each attempt, with the module `ngx.balancer`. */
  readonly balancerByLua?: string | LuaSource | LuaFile;
}

interface DrizzleBlock {
  /** `ADDRESS [dbname=] [user=] [password=] [charset=] [protocol=mysql]`. */
  readonly drizzleServer: string | readonly string[];
  /** Idle connections that each worker keeps: `max=N [mode=single|multi] [overflow=ignore|reject]`. */
  readonly drizzleKeepalive?: string;
}

/** Reads an upstream block into the plan. */
export function readUpstream(c: Compiler, d: Directive): void {
  const name = d.args[0]!.text;
  if (c.drizzleUpstreams.has(name) || c.plan.upstreams.some((g) => g.name === name))
    return c.problems.add(d, `duplicate upstream "${name}"`);
  if (d.block!.some((entry) => entry.name.startsWith("drizzle_"))) return readDrizzle(c, d, name);
  const group = emptyGroup(name, d);
  c.plan.upstreams.push(group);
  const before = c.problems.list.length;
  for (const entry of d.block!) {
    if (entry.isBroken) continue;
    if (!Object.hasOwn(entries, entry.name)) c.problems.add(entry, unknown(entry.name));
    else entries[entry.name]!(c, entry, group);
  }
  if (c.problems.list.length > before) return;
  if (group.servers.length === 0) c.problems.add(d, "no servers are inside upstream");
  else if (group.servers.every((s) => s["backup"])) c.problems.add(d, `no servers in upstream "${name}"`);
}

function readDrizzle(c: Compiler, d: Directive, name: string): void {
  const upstream: drizzle.DrizzleUpstream = { servers: [], max: 0, mode: "single", overflow: "ignore" };
  c.drizzleUpstreams.set(name, upstream);
  for (const entry of d.block!) {
    if (entry.isBroken) continue;
    if (entry.name === "drizzle_server") drizzle.readServer(c, entry, upstream);
    else if (entry.name === "drizzle_keepalive") drizzle.readKeepalive(c, entry, upstream);
    else if (Object.hasOwn(entries, entry.name))
      c.problems.add(entry, `"${entry.name}" cannot stand beside "drizzle_server"`);
    else c.problems.add(entry, unknown(entry.name));
  }
  if (!d.block!.some((entry) => entry.name === "drizzle_server")) c.problems.add(d, "no servers are inside upstream");
}

function unknown(name: string): string {
  const isKnown = /^(least_time|sticky|queue|state|ntlm|resolver\w*)$/.test(name);
  return isKnown ? `"${name}" in "upstream" is not supported` : `unknown directive "${name}"`;
}

const entries: Record<string, (c: Compiler, d: Directive, group: Group) => void> = {
  server: readServer,
  hash: readHash,
  ip_hash: (c, d, g) => readBare(c, d, g, methods.ip_hash),
  least_conn: (c, d, g) => readBare(c, d, g, methods.least_conn),
  random: readRandom,
  zone: readZone,
  keepalive: (c, d, g) => readNumber(c, d, g, "keepalive"),
  keepalive_requests: (c, d, g) => readNumber(c, d, g, "keepalive_requests"),
  keepalive_timeout: (c, d, g) => readTime(c, d, g, "keepalive_timeout"),
  keepalive_time: (c, d, g) => readTime(c, d, g, "keepalive_time"),
  balancer_by_lua: readBalancer,
  balancer_by_lua_block: readBalancer,
  balancer_by_lua_file: readBalancer,
};

function readBalancer(c: Compiler, d: Directive, group: Group): void {
  const script = readScript(c, d, "balancer_by_lua");
  if (script) group.balancer_script = c.plan.scripts.push(script) - 1;
}

// A later method replaces an earlier one.
function setMethod(c: Compiler, d: Directive, group: Group, method: number): void {
  if (group.method !== methods.round_robin) c.problems.warn(d, "load balancing method redefined");
  group.method = method;
}

function hasArgs(c: Compiler, d: Directive, least: number, most: number): boolean {
  const isGood = d.args.length >= least && d.args.length <= most;
  if (!isGood) c.problems.add(d, `invalid number of arguments in "${d.name}" directive`);
  return isGood;
}

function readBare(c: Compiler, d: Directive, group: Group, method: number): void {
  if (hasArgs(c, d, 0, 0)) setMethod(c, d, group, method);
}

function readHash(c: Compiler, d: Directive, group: Group): void {
  if (!hasArgs(c, d, 1, 2)) return;
  const [key, option] = d.args;
  if (option && option.text !== "consistent") return c.problems.add(option, `invalid parameter "${option.text}"`);
  group.hash_key = c.text(key!.text, key!) ?? "";
  setMethod(c, d, group, option ? methods.consistent_hash : methods.hash);
}

function readRandom(c: Compiler, d: Directive, group: Group): void {
  if (!hasArgs(c, d, 0, 2)) return;
  const wrong = d.args.find((word, i) => word.text !== ["two", "least_conn"][i]);
  if (wrong) return c.problems.add(wrong, `invalid parameter "${wrong.text}"`);
  setMethod(c, d, group, d.args.length > 0 ? methods.random_two : methods.random);
}

function readZone(c: Compiler, d: Directive, group: Group): void {
  if (!hasArgs(c, d, 1, 2)) return;
  const [name, size] = d.args as [Word, Word | undefined];
  if (name.text === "") return c.problems.add(name, 'invalid zone name ""');
  const bytes = size ? parseSize(size.text, true) : 0;
  if (bytes === undefined) return c.problems.add(size!, `invalid zone size "${size!.text}"`);
  if (size && bytes < leastZone) return c.problems.add(size, `zone "${name.text}" is too small`);
  group.has_zone = true;
  const zone = c.upstreamZones.get(name.text);
  if (!zone) c.upstreamZones.set(name.text, { size: bytes, at: name });
  else if (zone.size === 0) zone.size = bytes;
  else if (size && zone.size !== bytes)
    c.problems.add(
      d,
      `the size ${bytes} of shared memory zone "${name.text}" conflicts with already declared size ${zone.size}`,
    );
}

/** A problem for each zone that has no size, or another use as well. */
export function checkUpstreamZones(c: Compiler): void {
  const others = new Set([...c.plan.limit_zones, ...c.plan.cache_paths].map((zone) => zone["name"]));
  for (const [name, zone] of c.upstreamZones) {
    if (others.has(name))
      c.problems.add(zone.at, `the shared memory zone "${name}" is already declared for a different use`);
    else if (zone.size === 0) c.problems.add(zone.at, `zero size shared memory zone "${name}"`);
  }
}

function readServer(c: Compiler, d: Directive, group: Group): void {
  const [address, ...params] = d.args;
  if (!address) return c.problems.add(d, 'invalid number of arguments in "server" directive');
  const server = emptyServer(address);
  for (const word of params) {
    if (!readParam(server, word)) return c.problems.add(word, `invalid parameter "${word.text}"`);
    if (word.text === "backup" && withoutBackups.has(group.method))
      return c.problems.add(word, 'balancing method does not support parameter "backup"');
  }
  group.servers.push(server);
}

function readParam(server: Record<string, unknown>, word: Word): boolean {
  if (word.text === "backup" || word.text === "down") {
    server[word.text] = true;
    return true;
  }
  const m = /^(weight|max_fails|fail_timeout|max_conns)=(.+)$/.exec(word.text);
  if (!m) return false;
  const v = m[1] === "fail_timeout" ? parseTime(m[2]!) : /^\d{1,9}$/.test(m[2]!) ? Number(m[2]) : undefined;
  if (v === undefined || (m[1] === "weight" && v === 0)) return false;
  server[m[1]!] = v;
  return true;
}

function readNumber(c: Compiler, d: Directive, group: Group, member: "keepalive" | "keepalive_requests"): void {
  const n = d.args[0]?.text ?? "";
  if (d.args.length !== 1) return c.problems.add(d, `invalid number of arguments in "${d.name}" directive`);
  if (!/^\d{1,9}$/.test(n) || n === "0")
    return c.problems.add(d.args[0]!, `invalid value "${n}" in "${d.name}" directive`);
  group[member] = Number(n);
}

function readTime(c: Compiler, d: Directive, group: Group, member: "keepalive_timeout" | "keepalive_time"): void {
  const ms = d.args.length === 1 ? parseTime(d.args[0]!.text) : undefined;
  if (ms === undefined) return c.problems.add(d, `"${d.name}" directive invalid value`);
  group[member] = ms;
}
