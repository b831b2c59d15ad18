// SPDX-License-Identifier: MIT
// Directives of nginx's realip module.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { networkList, readNetwork } from "./access.js";

const module = "realip";

export const realip = {
  set_real_ip_from: networkList(
    module,
    "real_ip_from",
    readTrusted,
    "an address or network of trusted proxies, or `unix:`: what their header says is the client's address",
  ),
  real_ip_header: {
    module,
    in: everywhere,
    kind: "own",
    initial: "X-Real-IP",
    read: readHeader,
    type: typed<string>(),
    about: "the request header with the client's address, the last one of a list; `X-Real-IP` without it",
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
  const network = readNetwork(c, d.args[0]!);
  if (network) c.push(level, "real_ip_from", { ...network, is_deny: false });
}

function readHeader(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  if (word.text === "proxy_protocol") return c.problems.add(word, '"real_ip_header proxy_protocol" is not supported');
  level.conf["real_ip_header"] = word.text;
}
