// SPDX-License-Identifier: MIT
// Directives of nginx's realip module.
import { spawnSync } from "node:child_process";
import { isIP } from "node:net";
import type { Compiler, Level } from "../compile.js";
import { everywhere, everywhereAndStream, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { isNetwork, networkList, readNetwork } from "./access.js";

const module = "realip";

export const realip = {
  set_real_ip_from: {
    ...networkList(
      module,
      "real_ip_from",
      readTrusted,
      "an address, network or host name of trusted proxies, or `unix:`: what their header says is the client's address; in `stream` the PROXY header",
    ),
    in: everywhereAndStream,
  },
  real_ip_header: {
    module,
    in: everywhere,
    kind: "own",
    initial: "X-Real-IP",
    read: readHeader,
    type: typed<string>(),
    about:
      "the request header with the client's address, the last one of a list, or `proxy_protocol`; `X-Real-IP` without it",
  },
  real_ip_recursive: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "takes the last address of the list that is not a trusted proxy's",
  },
} as const satisfies Record<string, Spec>;

function readTrusted(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  for (const text of isNetwork(word.text) ? [word.text] : addressesOf(c, word)) {
    const network = readNetwork(c, { ...word, text });
    if (network) c.push(level, "real_ip_from", { ...network, is_deny: false });
  }
}

/** All that the system says a host's addresses are; none, with the mistake noted, when it knows none. */
function addressesOf(c: Compiler, word: Word): string[] {
  // getent asks as getaddrinfo() does, and the configuration is read in one go.
  const ask = (name: string) =>
    spawnSync("getent", ["ahosts", name], {
      encoding: "utf8",
      timeout: 60_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
  const isName = /^[\w.-]+$/.test(word.text) && !word.text.startsWith("-");
  const found = (isName ? (ask(word.text).stdout ?? "") : "")
    .split("\n")
    .map((line) => line.split(/\s/)[0]!.replace(/%.*/, ""));
  const addresses = new Set(found.filter((address) => isIP(address) !== 0));
  if (addresses.size === 0 && word.text.toLowerCase() === "localhost") return ["127.0.0.1"];
  if (addresses.size === 0) c.problems.add(word, `host not found in set_real_ip_from "${word.text}"`);
  return [...addresses];
}

function readHeader(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  level.conf["real_ip_header"] = word.text === "proxy_protocol" ? "" : word.text;
}
