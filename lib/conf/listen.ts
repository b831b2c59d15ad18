// SPDX-License-Identifier: MIT
// listen: addresses and parameters of one directive, and the listens of all servers put together by address, with nginx's
// checks for what two servers say of one address.
import { readFileSync } from "node:fs";
import type { Compiler } from "./compile.js";
import { posOf, type Listen, type ServerConf } from "./plan.js";
import type { Directive, Place, Problems, Word } from "./tree.js";

/** One listen directive of the server being built. */
export interface ListenBuild {
  address: string;
  backlog?: number;
  ipv6only?: boolean;
  /** One of several servers may say it for all of them. */
  proxyProtocol?: boolean;
  isDefault: boolean;
  /** Has options of the socket, which only one server may give. */
  hasOptions: boolean;
  at: Place;
}

/** The port where none is said, as in nginx. */
export function defaultPort(): number {
  return process.getuid?.() === 0 ? 80 : 8000;
}

const needsModule: Record<string, string> = {
  ssl: "ngx_http_ssl_module",
  http2: "ngx_http_v2_module",
  quic: "ngx_http_v3_module",
};

/** Reads one listen directive into the server being built. */
export function readListen(c: Compiler, d: Directive): void {
  const [first, ...params] = d.args;
  const parsed = parseRange(first!.text, defaultPort());
  if ("error" in parsed) return c.problems.add(first!, `${parsed.error} in "${first!.text}" of the "listen" directive`);
  const build: ListenBuild = { address: "", isDefault: false, hasOptions: false, at: first! };
  for (const word of params) {
    const problem = readParameter(build, word);
    if (problem !== undefined) c.problems.add(word, problem);
  }
  for (const address of parsed.addresses) c.server!.listens.push({ ...build, address });
}

/** The addresses of `ADDRESS:FIRST-LAST`, one for each port, or the one of anything else; or what is wrong with it. */
function parseRange(text: string, port: number): { addresses: string[] } | { error: string } {
  const m = text.startsWith("unix:") ? null : /^(.*:)?(\d*)-(\d*)$/s.exec(text);
  if (!m || (m[1] === undefined && m[2] === "")) {
    const parsed = parseAddress(text, port);
    return "error" in parsed ? parsed : { addresses: [parsed.address] };
  }
  const [first, last] = [m[2]!, m[3]!].map((n) => (/^\d{1,5}$/.test(n) ? Number(n) : 0)) as [number, number];
  if (first < 1 || last < 1 || first > 65535 || last > 65535) return { error: "invalid port" };
  if (first > last) return { error: "invalid port range" };
  const addresses: string[] = [];
  for (let n = first; n <= last; n++) {
    const parsed = parseAddress(`${m[1] ?? ""}${n}`, port);
    if ("error" in parsed) return parsed;
    addresses.push(parsed.address);
  }
  return { addresses };
}

function readParameter(build: ListenBuild, { text }: Word): string | undefined {
  if (text === "default_server" || text === "default") {
    build.isDefault = true;
    return undefined;
  }
  if (text === "proxy_protocol") {
    build.proxyProtocol = true;
    return undefined;
  }
  const name = /^[^=]*/.exec(text)![0];
  const value = text.slice(name.length + 1);
  if (Object.hasOwn(needsModule, text)) return `the "${text}" parameter requires ${needsModule[text]}`;
  switch (name) {
    case "backlog":
      if (!/^[1-9]\d{0,8}$/.test(value)) return `invalid backlog "${text}"`;
      build.backlog = Number(value);
      break;
    case "ipv6only":
      if (value !== "on" && value !== "off") return `invalid ipv6only flags "${value}"`;
      build.ipv6only = value === "on";
      break;
    case "reuseport": // always so
    case "bind":
    case "deferred":
      if (value !== "" || text.includes("=")) return `invalid parameter "${text}"`;
      break;
    case "rcvbuf":
    case "sndbuf":
    case "fastopen":
    case "so_keepalive":
      if (value === "") return `invalid parameter "${text}"`;
      break;
    case "setfib":
    case "accept_filter":
      return `the "${name}" parameter is not supported`;
    default:
      return `invalid parameter "${text}"`;
  }
  build.hasOptions = true;
  return undefined;
}

/** "ip:port", "[ip6]:port" or "unix:/path", or what is wrong with it. */
export function parseAddress(text: string, port: number): { address: string } | { error: string } {
  if (text.startsWith("unix:"))
    return text.length > 5 ? { address: text } : { error: "no path in the unix domain socket" };
  if (text.startsWith("[")) {
    const m = /^\[([0-9a-fA-F:.]+)\](?::(.*))?$/s.exec(text);
    if (!m) return { error: "invalid host" };
    if (!m[1]!.includes(":")) return { error: "invalid IPv6 address" };
    return withPort(`[${m[1]!.toLowerCase()}]`, m[2], port);
  }
  const colon = text.lastIndexOf(":");
  if (colon < 0) return /^\d+$/.test(text) ? withPort("0.0.0.0", text, port) : withHost(text, undefined, port);
  return withHost(text.slice(0, colon), text.slice(colon + 1), port);
}

function withHost(name: string, portText: string | undefined, port: number): { address: string } | { error: string } {
  if (name === "") return { error: "no host" };
  const host = name === "*" ? "0.0.0.0" : hostAddress(name);
  return host === undefined ? { error: "host not found" } : withPort(host, portText, port);
}

function withPort(host: string, text: string | undefined, port: number): { address: string } | { error: string } {
  if (text === undefined) return { address: `${host}:${port}` };
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) return { error: "invalid port" };
  return { address: `${host}:${Number(text)}` };
}

// IPv4 addresses as they are, names as /etc/hosts has them: a configuration does not wait for DNS.
function hostAddress(name: string): string | undefined {
  if (/^\d+(\.\d+){3}$/.test(name)) return name.split(".").every((n) => Number(n) <= 255) ? name : undefined;
  const wanted = name.toLowerCase();
  try {
    for (const line of readFileSync("/etc/hosts", "utf8").split("\n")) {
      const [address, ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/);
      if (address && /^[\d.]+$/.test(address) && names.includes(wanted)) return address;
    }
  } catch {
    // without the file only localhost is known
  }
  return wanted === "localhost" ? "127.0.0.1" : undefined;
}

/** Puts the listens of all servers together. */
export class Listens {
  readonly list: Listen[] = [];
  readonly #seen = new Map<string, { listen: Listen; hasDefault: boolean; hasOptions: boolean }>();
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  /** Adds those of the server with that index; `d` is its directive. */
  add(builds: ListenBuild[], server: number, d: Directive): void {
    const here = { address: `0.0.0.0:${defaultPort()}`, isDefault: false, hasOptions: false, at: d };
    for (const build of builds.length > 0 ? builds : [here]) this.#one(build, server);
  }

  /** Adds those of a stream server: what it listens on is its own. */
  addStream(builds: ListenBuild[], server: number): void {
    for (const build of builds) {
      const isTaken = !build.address.endsWith(":0") && this.#seen.has(build.address);
      if (isTaken) this.#problems.add(build.at, `a duplicate listen ${build.address}`);
      else this.#one(build, server);
    }
  }

  #one(b: ListenBuild, server: number): void {
    // With port 0 each listen is a port of its own.
    const known = b.address.endsWith(":0") ? undefined : this.#seen.get(b.address);
    if (!known) {
      const listen: Listen = {
        address: b.address,
        servers: [server],
        default_server: server,
        backlog: b.backlog ?? 511,
        ipv6only: b.ipv6only ?? true,
        reuseport: true,
        tcp_nodelay: true,
        proxy_protocol: b.proxyProtocol ?? false,
        pos: posOf(b.at),
      };
      this.list.push(listen);
      this.#seen.set(b.address, { listen, hasDefault: b.isDefault, hasOptions: b.hasOptions });
      return;
    }
    const { listen } = known;
    if (listen.servers.includes(server)) return this.#problems.add(b.at, `a duplicate listen ${b.address}`);
    if (b.hasOptions && known.hasOptions) this.#problems.add(b.at, `duplicate listen options for ${b.address}`);
    if (b.isDefault && known.hasDefault) this.#problems.add(b.at, `a duplicate default server for ${b.address}`);
    listen.servers.push(server);
    if (b.isDefault) listen.default_server = server;
    listen.proxy_protocol ||= b.proxyProtocol ?? false;
    if (b.backlog !== undefined) listen.backlog = b.backlog;
    if (b.ipv6only !== undefined) listen.ipv6only = b.ipv6only;
    known.hasDefault ||= b.isDefault;
    known.hasOptions ||= b.hasOptions;
  }
}

/** A name as a server says it. */
export interface NamedAt {
  kind: number;
  name: string;
  text: string;
  at: Place;
}

/** nginx's warning for a name that two servers of one address have; the first one keeps it. */
export function warnOfConflicts(listens: Listen[], names: NamedAt[][], problems: Problems): void {
  for (const { servers, address } of listens) {
    if (servers.length < 2) continue;
    const seen = new Set<string>();
    for (const { kind, name, text, at } of servers.flatMap((i) => names[i]!)) {
      const key = `${kind} ${name}`;
      if (seen.has(key)) problems.warn(at, `conflicting server name "${text}" on ${address}, ignored`);
      seen.add(key);
    }
  }
}

/** The one listen that the command line asks for, in place of the http servers' own. */
export function overrideListens(
  listens: Listen[],
  servers: ServerConf[],
  { port, host }: { port?: number; host?: string },
): Listen[] {
  const ofStream = listens.filter((l) => servers[l.default_server]!.is_stream);
  const first = listens.find((l) => !l.address.startsWith("unix:") && !ofStream.includes(l));
  const [, oldHost, oldPort] = /^(.*):(\d+)$/.exec(first?.address ?? "127.0.0.1:8080")!;
  const isBareIp6 = host !== undefined && host.includes(":") && !host.startsWith("[");
  const newHost = host === undefined ? oldHost! : host === "localhost" ? "127.0.0.1" : isBareIp6 ? `[${host}]` : host;
  const like = {
    backlog: 511,
    ipv6only: true,
    reuseport: true,
    tcp_nodelay: true,
    proxy_protocol: false,
    pos: posOf({ file: "", line: 0, column: 0 }),
  };
  const listen: Listen = {
    ...like,
    ...first,
    address: `${newHost}:${port ?? oldPort}`,
    servers: servers.flatMap((s, i) => (s.is_stream ? [] : [i])),
    default_server: first?.default_server ?? 0,
  };
  return listen.servers.length > 0 ? [listen, ...ofStream] : listens;
}

/** The same listens, each on a port of 127.0.0.1 that the system chooses: a server that gets in nobody's way, and
 * whose clients come without a proxy. */
export function ephemeralListens(listens: Listen[]): Listen[] {
  return listens.map((listen) => ({ ...listen, address: "127.0.0.1:0", proxy_protocol: false }));
}
