// SPDX-License-Identifier: MIT
// Directives of nginx's limit_req and limit_conn modules. A zone may be used before it is declared.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive, Place, Word } from "../tree.js";
import { parseSize } from "../words.js";

/** Smallest zone, in bytes, as nginx's: eight pages. */
export const leastZone = 8 * 4096;
/** LimitReq::delay of native/config.h when nothing is delayed. */
const noDelay = 4294967295;

const zone = (module: string, args: [number, number], about: string) =>
  ({
    module,
    in: ["http"],
    kind: "own",
    args,
    form: "list",
    repeat: true,
    store: "none",
    read: readZone,
    type: typed<readonly string[] | readonly (readonly string[])[]>(),
    about,
  }) as const satisfies Spec;

const status = (module: string) =>
  ({
    module,
    in: everywhere,
    kind: "own",
    initial: 503,
    read: readStatus,
    type: typed<number>(),
    about: "status of a refused request, 400 to 599; 503 without it",
  }) as const satisfies Spec;
const logLevel = (module: string, about: string) =>
  ({
    module,
    in: everywhere,
    kind: "enum",
    values: { error: 4, warn: 5, notice: 6, info: 7 },
    default: "error",
    about,
  }) as const;
const dryRun = (module: string) =>
  ({
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "counts and logs, but lets every request in",
  }) as const;

export const limit = {
  limit_req_zone: zone(
    "limit_req",
    [3, 4],
    "a zone that counts requests by a key (text with variables), `zone=NAME:SIZE`, `rate=Nr/s` or `Nr/m`",
  ),
  limit_req: {
    module: "limit_req",
    in: everywhere,
    kind: "own",
    args: [1, 3],
    form: "list",
    repeat: true,
    merge: "replace",
    member: "limit_reqs",
    initial: [],
    read: readRequests,
    type: typed<string | readonly string[] | readonly (readonly string[])[]>(),
    about: "slows requests beyond the rate of `zone=NAME` down, refuses those beyond `burst=N`; `nodelay`, `delay=N`",
  },
  limit_req_status: status("limit_req"),
  limit_req_log_level: logLevel("limit_req", "level of refusals; delays are logged one below it"),
  limit_req_dry_run: dryRun("limit_req"),
  limit_conn_zone: zone(
    "limit_conn",
    [2, 2],
    "a zone that counts connections by a key (text with variables), `zone=NAME:SIZE`",
  ),
  limit_conn: {
    module: "limit_conn",
    in: everywhere,
    kind: "own",
    args: [2, 2],
    form: "list",
    repeat: true,
    merge: "replace",
    member: "limit_conns",
    initial: [],
    read: readConnections,
    type: typed<readonly [zone: string, n: number] | readonly (readonly [zone: string, n: number])[]>(),
    about: "most connections with a request in work, by the key of a zone",
  },
  limit_conn_status: status("limit_conn"),
  limit_conn_log_level: logLevel("limit_conn", "level of refusals"),
  limit_conn_dry_run: dryRun("limit_conn"),
} as const satisfies Record<string, Spec>;

/** LimitZone of native/config.h. A size of 0: used, not declared yet. */
export interface LimitZone {
  name: string;
  size: number;
  key: unknown;
  /** Thousandths of a request per second; 0 counts connections. */
  rate: number;
}

const used = new WeakMap<LimitZone, Place>();

// The zone of that name and use; undefined, with the mistake noted, where it has the other use.
function zoneOf(c: Compiler, name: string, use: "limit_req" | "limit_conn", at: Place): number | undefined {
  const zones = c.plan.limit_zones;
  const index = zones.findIndex((z) => z.name === name);
  const rate = use === "limit_req" ? 1000 : 0;
  if (index < 0) {
    const made: LimitZone = { name, size: 0, key: "", rate };
    used.set(made, at);
    return zones.push(made) - 1;
  }
  if (zones[index]!.rate > 0 === rate > 0) return index;
  c.problems.add(at, `the shared memory zone "${name}" is already declared for a different use`);
  return undefined;
}

function readStatus(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  if (!/^\d{1,9}$/.test(word.text)) return c.problems.add(word, `"${d.name}" directive invalid number`);
  if (!/^[45]\d\d$/.test(word.text)) return c.problems.add(word, "value must be between 400 and 599");
  level.conf[d.name] = Number(word.text);
}

/** A problem for each zone that is used and nowhere declared. */
export function checkLimitZones(c: Compiler): void {
  for (const z of c.plan.limit_zones)
    if (z.size === 0) c.problems.add(used.get(z)!, `zero size shared memory zone "${z.name}"`);
}

function readZone(c: Compiler, d: Directive): void {
  const [first, ...params] = d.args;
  const key = c.text(first!.text, first!);
  let name: Word | undefined;
  let size = 0;
  let rate = d.name === "limit_req_zone" ? 1000 : 0;
  for (const word of params) {
    const m = /^(zone|rate)=(.*)$/s.exec(word.text);
    if (m?.[1] === "zone") {
      const [, zoneName, text] = /^(.+):([^:]*)$/s.exec(m[2]!) ?? [];
      const bytes = text === undefined ? undefined : parseSize(text, true);
      if (zoneName === undefined || bytes === undefined)
        return c.problems.add(word, `invalid zone size "${word.text}"`);
      if (bytes < leastZone) return c.problems.add(word, `zone "${word.text}" is too small`);
      name = { ...word, text: zoneName };
      size = bytes;
    } else if (m && rate) {
      const [, n, unit] = /^(\d{1,6})r\/([sm])$/.exec(m[2]!) ?? [];
      if (!Number(n)) return c.problems.add(word, `invalid rate "${word.text}"`);
      rate = unit === "s" ? Number(n) * 1000 : Math.floor((Number(n) * 1000) / 60);
    } else if (word.text !== "sync" || d.name !== "limit_req_zone")
      return c.problems.add(word, `invalid parameter "${word.text}"`);
  }
  if (!name) return c.problems.add(d, `"${d.name}" must have "zone" parameter`);
  if (key === undefined) return;
  const index = zoneOf(c, name.text, rate ? "limit_req" : "limit_conn", name);
  if (index === undefined) return;
  const made = c.plan.limit_zones[index]!;
  if (made.size) return c.problems.add(name, `${d.name} "${name.text}" is already bound to a key`);
  Object.assign(made, { size, key, rate });
}

function readRequests(c: Compiler, d: Directive, level: Level): void {
  let zone: Word | undefined;
  let burst = 0;
  let delay = 0;
  for (const word of d.args) {
    const [, name, value] = /^(zone|burst|delay)=(.*)$/s.exec(word.text) ?? [];
    if (name === "zone" && value) zone = { ...word, text: value };
    else if (name === "burst" || name === "delay") {
      if (!/^[1-9]\d{0,5}$/.test(value!)) return c.problems.add(word, `invalid ${name} value "${word.text}"`);
      if (name === "burst") burst = Number(value) * 1000;
      else delay = Number(value) * 1000;
    } else if (word.text === "nodelay") delay = noDelay;
    else return c.problems.add(word, `invalid parameter "${word.text}"`);
  }
  if (!zone) return c.problems.add(d, `"limit_req" must have "zone" parameter`);
  const index = zoneOf(c, zone.text, "limit_req", zone);
  if (index !== undefined) c.push(level, "limit_reqs", { zone: index, burst, delay });
}

function readConnections(c: Compiler, d: Directive, level: Level): void {
  const [name, most] = d.args as [Word, Word];
  const n = /^\d{1,5}$/.test(most.text) ? Number(most.text) : 0;
  if (n === 0) return c.problems.add(most, `invalid number of connections "${most.text}"`);
  if (n > 65535) return c.problems.add(most, "connection limit must be less 65536");
  const zone = zoneOf(c, name.text, "limit_conn", name);
  if (zone !== undefined) c.push(level, "limit_conns", { zone, most: n });
}
