// SPDX-License-Identifier: MIT
// Directives of nginx's memcached module: a location's responses out of memcached, by $memcached_key. The memc module's engine
// serves it; its settings are kept beside the proxy's by their own names, as those of memc are.
import type { Compiler, Level } from "../compile.js";
import { addMemcachedPass } from "../memcached-pass.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { readBindAddress, readFailures } from "../upstream-pass.js";

const module = "memcached";
const store = "upstream";
const setting = { module, in: everywhere, store } as const;

export const memcached = {
  memcached_pass: {
    module,
    in: ["location"],
    kind: "own",
    store: "none",
    read: readPass,
    type: typed<string>(),
    about: "the memcached server that answers GET and HEAD: `HOST[:PORT]`, a unix socket, or the name of an `upstream`",
  },
  memcached_connect_timeout: time("longest wait for a connection to memcached"),
  memcached_send_timeout: time("longest wait between two writes to memcached"),
  memcached_read_timeout: time("longest wait between two reads from memcached"),
  memcached_buffer_size: {
    ...setting,
    kind: "size",
    default: "4k",
    about: "longest first line of a reply, and what waits for a slow client",
  },
  memcached_gzip_flag: {
    ...setting,
    kind: "number",
    default: "0",
    about: "bit of a value's flags that says it is compressed: `Content-Encoding: gzip`",
  },
  memcached_force_ranges: {
    ...setting,
    kind: "flag",
    default: "off",
    about: "answers byte ranges",
  },
  memcached_next_upstream: {
    ...setting,
    kind: "own",
    args: [1, many],
    form: "words",
    default: "error timeout",
    read: readNext,
    type: typed<string | readonly string[]>(),
    about: "failures after which the next server is tried: `error`, `timeout`, `invalid_response`, `not_found`, `off`",
  },
  memcached_next_upstream_tries: {
    ...setting,
    kind: "number",
    default: "0",
    about: "most servers tried; 0 is no limit",
  },
  memcached_next_upstream_timeout: {
    ...setting,
    kind: "time",
    default: "0",
    about: "time for all tries; 0 is no limit",
  },
  memcached_bind: {
    ...setting,
    kind: "own",
    args: [1, 2],
    form: "words",
    initial: "",
    read: readBind,
    type: typed<string>(),
    about: "local address of connections to memcached, or `off`",
  },
  memcached_socket_keepalive: { module, in: everywhere, kind: "flag", store: "none", about: "accepted, no effect" },
} as const satisfies Record<string, Spec>;

function time(about: string) {
  return { ...setting, kind: "time", default: "60s", about } as const;
}

const settings = [
  "connect_timeout",
  "send_timeout",
  "read_timeout",
  "buffer_size",
  "gzip_flag",
  "force_ranges",
  "next_upstream",
  "next_upstream_tries",
  "next_upstream_timeout",
  "bind",
];

function readPass(c: Compiler, d: Directive, level: Level): void {
  addMemcachedPass(c, d, level, "memcached", settings, (word) => ({
    kind: 2,
    memc_vars: [-1, c.declareUnset("memcached_key", word), -1, -1, -1],
  }));
}

const words: Record<string, string> = {
  error: "error",
  timeout: "timeout",
  invalid_response: "invalid_header",
  not_found: "http_404",
  off: "off",
};

function readNext(c: Compiler, d: Directive, level: Level): void {
  const bad = d.args.find(({ text }) => !Object.hasOwn(words, text));
  if (bad) return c.problems.add(bad, `invalid value "${bad.text}"`);
  const bits = readFailures(c, { ...d, args: d.args.map((w) => ({ ...w, text: words[w.text]! })) });
  if (bits !== undefined) level.upstream["memcached_next_upstream"] = bits;
}

function readBind(c: Compiler, d: Directive, level: Level): void {
  const [address, how] = d.args;
  if (how) return c.problems.add(how, `"${how.text}" in "memcached_bind" is not supported`);
  const text = readBindAddress(c, address!);
  if (text !== undefined) level.upstream["memcached_bind"] = text;
}
