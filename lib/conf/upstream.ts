// SPDX-License-Identifier: MIT
// `upstream NAME { ... }`: its own small set of directives, read by itself since `server` means another thing in it. A block of
// MySQL servers is no group of the plan: the drizzle module has it.
import type { Compiler } from "./compile.js";
import type { LuaFile, LuaSource } from "./define.js";
import * as drizzle from "./directives/drizzle.js";
import { emptyGroup } from "./upstream-pass.js";
import { posOf } from "./plan.js";
import { readScript } from "./script.js";
import type { Directive, Word } from "./tree.js";
import { parseTime } from "./words.js";

type Group = ReturnType<typeof emptyGroup>;

/** What an upstream block is in a configuration object: servers of HTTP, or of MySQL for `drizzlePass`. */
export type UpstreamBlock = HttpUpstream | DrizzleBlock;

interface HttpUpstream {
  /** `ADDRESS [weight=N] [max_fails=N] [fail_timeout=TIME] [backup] [down]`. */
  readonly server: string | readonly string[];
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
  for (const entry of d.block!) {
    if (entry.isBroken) continue;
    const read = entries[entry.name];
    if (!read) c.problems.add(entry, unknown(entry.name));
    else read(c, entry, group);
  }
  if (group.servers.length === 0) c.problems.add(d, "no servers are inside upstream");
}

function readDrizzle(c: Compiler, d: Directive, name: string): void {
  const upstream: drizzle.DrizzleUpstream = { servers: [], max: 0, mode: "single", overflow: "ignore" };
  c.drizzleUpstreams.set(name, upstream);
  for (const entry of d.block!) {
    if (entry.isBroken) continue;
    if (entry.name === "drizzle_server") drizzle.readServer(c, entry, upstream);
    else if (entry.name === "drizzle_keepalive") drizzle.readKeepalive(c, entry, upstream);
    else if (entries[entry.name]) c.problems.add(entry, `"${entry.name}" cannot stand beside "drizzle_server"`);
    else c.problems.add(entry, unknown(entry.name));
  }
  if (!d.block!.some((entry) => entry.name === "drizzle_server")) c.problems.add(d, "no servers are inside upstream");
}

function unknown(name: string): string {
  const isKnown = /^(ip_hash|hash|least_conn|random|zone|least_time|sticky|queue|resolver\w*)$/.test(name);
  return isKnown ? `"${name}" in "upstream" is not supported` : `unknown directive "${name}"`;
}

const entries: Record<string, (c: Compiler, d: Directive, group: Group) => void> = {
  server: readServer,
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

function readServer(c: Compiler, d: Directive, group: Group): void {
  const [address, ...params] = d.args;
  if (!address) return c.problems.add(d, 'invalid number of arguments in "server" directive');
  const server: Record<string, unknown> = {
    address: address.text,
    weight: 1,
    max_fails: 1,
    fail_timeout: 10_000,
    backup: false,
    down: false,
    pos: posOf(address),
  };
  for (const word of params)
    if (!readParam(server, word)) return c.problems.add(word, `invalid parameter "${word.text}"`);
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
  if (m[1] !== "max_conns") server[m[1]!] = v;
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
