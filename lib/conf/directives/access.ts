// SPDX-License-Identifier: MIT
// Directives of nginx's access, auth_basic and auth_request modules, and `satisfy` over them.
import { isIP, isIPv4, isIPv6 } from "node:net";
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";

type Addresses = string | readonly string[];

/** AddressRule::Kind of native/config.h. */
const kinds = { all: 0, unix: 1, ip4: 2, ip6: 3 } as const;

/** A directive that adds networks to a list of AddressRule. */
export const networkList = <M extends string>(
  module: string,
  member: M,
  read: (c: Compiler, d: Directive, level: Level) => void,
  about: string,
) =>
  ({
    module,
    in: everywhere,
    kind: "own",
    form: "list",
    repeat: true,
    merge: "replace",
    store: "location",
    member,
    initial: [],
    read,
    type: typed<Addresses>(),
    about,
  }) as const satisfies Spec;
const rule = (about: string) => networkList("access", "access_rules", readRule, about);

export const access = {
  allow: rule("lets an address, a network (`10.0.0.0/8`), `unix:` or `all` in; the first rule that fits counts"),
  deny: rule("answers 403 to an address, a network, `unix:` or `all`"),
  satisfy: {
    module: "http_core",
    in: everywhere,
    kind: "enum",
    member: "satisfy_any",
    values: { all: false, any: true },
    default: "all",
    about: "whether `allow`, `auth_basic`, `auth_request` and access_by_lua must all let a request in, or any",
  },
  auth_delay: {
    module: "http_core",
    in: everywhere,
    kind: "time",
    default: "0",
    about: "how long an answer of 401 waits",
  },
  auth_basic: {
    module: "auth_basic",
    in: everywhere,
    kind: "complex",
    default: "off",
    about: "asks for user and password of this realm, may hold variables; `off` asks nothing",
  },
  auth_basic_user_file: {
    module: "auth_basic",
    in: everywhere,
    kind: "complex",
    default: "",
    about: "file of `NAME:PASSWORD` lines; crypt, `$apr1$`, `{SHA}`, `{SSHA}` and `{PLAIN}` passwords",
  },
  auth_request: {
    module: "auth_request",
    in: everywhere,
    kind: "own",
    initial: "",
    read: (_c, d, level) => void (level.conf["auth_request"] = d.args[0]!.text === "off" ? "" : d.args[0]!.text),
    type: typed<string>(),
    about: "URI whose answer to a subrequest lets a request in (2xx) or not (401, 403)",
  },
  auth_request_set: {
    module: "auth_request",
    in: everywhere,
    kind: "own",
    args: [2, 2],
    form: "map",
    repeat: true,
    merge: "replace",
    initial: [],
    read: readSetting,
    type: typed<{ readonly [variable: string]: string }>(),
    about: "sets a variable once the subrequest of `auth_request` has answered, from its variables",
  },
} as const satisfies Record<string, Spec>;

function readRule(c: Compiler, d: Directive, level: Level): void {
  const network = readNetwork(c, d.args[0]!);
  if (network) c.push(level, "access_rules", { ...network, is_deny: d.name === "deny" });
}

/** Is it an address or a network, rather than a host's name? */
export function isNetwork(text: string): boolean {
  const [, host, bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(host ?? "") as 0 | 4 | 6];
  return text === "all" || text === "unix:" || Number(bits ?? 0) <= most;
}

/** An AddressRule without its verdict; undefined, with the mistake noted, where the word names no network. */
export function readNetwork(
  c: Compiler,
  word: Word,
  what: "parameter" | "network" = "parameter",
): Record<string, unknown> | undefined {
  if (word.text === "all") return { kind: kinds.all, address: [], bits: 0 };
  if (word.text === "unix:") return { kind: kinds.unix, address: [], bits: 0 };
  const [host, mask] = word.text.split("/") as [string, string | undefined];
  const address = isIPv4(host) ? host.split(".").map(Number) : isIPv6(host) ? bytesOf6(host) : undefined;
  const bits = mask === undefined ? (address?.length ?? 0) * 8 : /^\d{1,3}$/.test(mask) ? Number(mask) : -1;
  if (!address || bits < 0 || bits > address.length * 8 || word.text.split("/").length > 2)
    return void c.problems.add(word, `invalid ${what} "${word.text}"`);
  const network = address.map((byte, i) => byte & (0xff << Math.max(0, 8 - Math.max(0, bits - i * 8))) & 0xff);
  if (network.some((byte, i) => byte !== address[i]))
    c.problems.warn(word, `low address bits of ${word.text} are meaningless`);
  return { kind: address.length === 4 ? kinds.ip4 : kinds.ip6, address: network, bits };
}

function bytesOf6(text: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const hex = (a: string, b: string) => ((Number(a) << 8) | Number(b)).toString(16);
  const plain = dotted ? `${dotted[1]}${hex(dotted[2]!, dotted[3]!)}:${hex(dotted[4]!, dotted[5]!)}` : text;
  const [head, tail] = plain.split("::").map((half) => half.split(":").filter((group) => group !== ""));
  const zeros = tail ? Array<string>(8 - head!.length - tail.length).fill("0") : [];
  return [...head!, ...zeros, ...(tail ?? [])].flatMap((group) => [
    parseInt(group, 16) >> 8,
    parseInt(group, 16) & 255,
  ]);
}

function readSetting(c: Compiler, d: Directive, level: Level): void {
  const [name, text] = d.args as [Word, Word];
  if (!/^\$\w+$/.test(name.text)) return c.problems.add(name, `invalid variable name "${name.text}"`);
  const value = c.text(text.text, text);
  const set = c.declareUnset(name.text.slice(1).toLowerCase(), name);
  if (value !== undefined) c.push(level, "auth_request_set", { var: set, value });
}
