// SPDX-License-Identifier: MIT
// Cosockets and the resolver they use: lua_socket_*, resolver, resolver_timeout.
import { readFileSync } from "node:fs";
import type { Compiler, Level } from "../compile.js";
import { openFailure } from "../parser.js";
import { everywhereAndStream, many, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { parseTime } from "../words.js";

const module = "lua";

export const socket = {
  lua_socket_connect_timeout: time("60s", "longest wait for a cosocket's connection"),
  lua_socket_send_timeout: time("60s", "longest wait between two writes to a cosocket"),
  lua_socket_read_timeout: time("60s", "longest wait between two reads from a cosocket"),
  lua_socket_keepalive_timeout: time("60s", "how long a pooled cosocket may be idle; 0 is for ever"),
  lua_socket_buffer_size: {
    module,
    in: everywhereAndStream,
    kind: "size",
    default: "4k",
    about: "first size of a cosocket's receive buffer",
  },
  lua_socket_pool_size: {
    module,
    in: everywhereAndStream,
    kind: "number",
    default: "30",
    about: "idle connections that a cosocket pool keeps, per worker",
  },
  lua_socket_log_errors: {
    module,
    in: everywhereAndStream,
    kind: "flag",
    default: "on",
    about: "failures of cosockets go to the error log",
  },
  resolver: {
    module: "http",
    in: everywhereAndStream,
    kind: "own",
    args: [1, many],
    form: "words",
    merge: "inherit",
    store: "location",
    initial: { servers: [], valid: 0, ipv4: true, ipv6: true },
    type: typed<string | string[]>(),
    read: readResolver,
    about:
      "name servers: addresses, `valid=`, `ipv4=`, `ipv6=`, and OpenResty's `local=on` or `local=FILE`: those of " +
      "/etc/resolv.conf or of another such file too; without it, and with `local=on` alone, /etc/hosts and " +
      "/etc/resolv.conf hold, as they are at the moment",
  },
  resolver_timeout: {
    module: "http",
    in: everywhereAndStream,
    kind: "time",
    default: "30s",
    about: "longest wait for a name to be looked up",
  },
} as const satisfies Record<string, Spec>;

function time(initial: string, about: string) {
  return { module, in: everywhereAndStream, kind: "time", default: initial, about } as const;
}

function readResolver(c: Compiler, d: Directive, level: Level): void {
  const out = { servers: [] as string[], valid: 0, ipv4: true, ipv6: true };
  const mistakes = c.problems.list.length;
  let local: Word | undefined;
  for (const word of d.args) {
    const [, key, value = ""] = /^(valid|ipv4|ipv6|local|status_zone)=(.*)$/.exec(word.text) ?? [];
    if (key === undefined) {
      const address = serverAddress(word.text);
      if (address !== undefined) out.servers.push(address);
      else c.problems.add(word, `${hasPort(word.text) ? "invalid port" : "host not found"} in resolver "${word.text}"`);
    } else if (key === "valid") {
      const valid = parseTime(value);
      if (valid === undefined) c.problems.add(word, `invalid parameter: ${word.text}`);
      else out.valid = valid;
    } else if (key === "local") {
      if (value === "") c.problems.add(word, `invalid parameter: ${word.text}`);
      else local = value === "off" ? undefined : word;
    } else if (key !== "status_zone") {
      if (value !== "on" && value !== "off") c.problems.add(word, `invalid parameter: ${word.text}`);
      else out[key as "ipv4" | "ipv6"] = value === "on";
    }
  }
  if (!out.ipv4 && !out.ipv6) c.problems.add(d, '"ipv4" and "ipv6" cannot both be "off"');
  const isSystemAlone = local?.text === "local=on" && out.servers.length === 0;
  if (local && !isSystemAlone) out.servers.push(...localServers(c, local));
  const isBroken = c.problems.list.length > mistakes || d.args.length === 0;
  if (!isSystemAlone && out.servers.length === 0 && !isBroken) c.problems.add(d, "no name servers defined");
  level.conf["resolver"] = out;
}

/** The name servers of the file that `local=` names, /etc/resolv.conf where it is `on` (resolv.conf(5)). */
function localServers(c: Compiler, word: Word): string[] {
  const name = word.text.slice("local=".length);
  const path = name === "on" ? "/etc/resolv.conf" : c.path(name);
  try {
    const lines = readFileSync(path, "utf8").matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm);
    return [...lines].flatMap(([, host = ""]) => serverAddress(host.includes(":") ? `[${host}]` : host) ?? []);
  } catch (e) {
    c.problems.add(word, openFailure(path, e));
    return [];
  }
}

/** An address that only its port can make a bad one. */
const hasPort = (text: string) => serverAddress(text.replace(/:\d*$/, "")) !== undefined;

// "ADDRESS:PORT" or "[ADDRESS]:PORT" of a name server; a name would need one itself.
function serverAddress(text: string): string | undefined {
  const match = /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]|localhost)(?::(\d+))?$/i.exec(text);
  const port = Number(match?.[2] ?? 53);
  if (!match || port < 1 || port > 65535) return undefined;
  return `${match[1] === "localhost" ? "127.0.0.1" : match[1]}:${port}`;
}
