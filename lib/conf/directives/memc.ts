// SPDX-License-Identifier: MIT
// Directives of the memc module: a location's requests as commands to memcached. Its settings have defaults of their own, so
// they are kept beside the proxy's (Level.upstream) by their own names.
import type { Compiler, Level } from "../compile.js";
import { addMemcachedPass } from "../memcached-pass.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { readFailures } from "../upstream-pass.js";

const module = "memc";
const store = "upstream";

export const memc = {
  memc_pass: {
    module,
    in: ["location"],
    kind: "own",
    store: "none",
    read: readPass,
    type: typed<string>(),
    about: "the memcached server that answers: `HOST[:PORT]`, a unix socket, or the name of an `upstream`",
  },
  memc_connect_timeout: time("60s", "longest wait for a connection to memcached"),
  memc_send_timeout: time("60s", "longest wait between two writes to memcached"),
  memc_read_timeout: time("60s", "longest wait between two reads from memcached"),
  memc_buffer_size: {
    module,
    in: everywhere,
    kind: "size",
    store,
    default: "4k",
    about: "longest first line of a reply, and what waits for a slow client",
  },
  memc_next_upstream: {
    module,
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "words",
    store,
    default: "error timeout",
    read: readNext,
    type: typed<string | readonly string[]>(),
    about: "failures after which the next server is tried",
  },
  memc_cmds_allowed: {
    module,
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "words",
    store,
    initial: [],
    read: readAllowed,
    type: typed<string | readonly string[]>(),
    about: "commands that `$memc_cmd` may name; without it all",
  },
  memc_ignore_client_abort: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    default: "off",
    about: "goes on with memcached when the client has gone",
  },
  memc_upstream_max_fails: { module, in: everywhere, kind: "number", store: "none", about: "accepted, no effect" },
  memc_upstream_fail_timeout: { module, in: everywhere, kind: "time", store: "none", about: "accepted, no effect" },
} as const satisfies Record<string, Spec>;

function time<D extends string>(initial: D, about: string) {
  return { module, in: everywhere, kind: "time", store, default: initial, about } as const;
}

const variables = ["memc_cmd", "memc_key", "memc_value", "memc_exptime", "memc_flags"];

const settings = [
  "connect_timeout",
  "send_timeout",
  "read_timeout",
  "buffer_size",
  "next_upstream",
  "ignore_client_abort",
  "cmds_allowed",
];

function readPass(c: Compiler, d: Directive, level: Level): void {
  addMemcachedPass(c, d, level, "memc", settings, (word) => ({
    kind: 1,
    memc_vars: variables.map((name) => c.declareUnset(name, word)),
  }));
}

function readNext(c: Compiler, d: Directive, level: Level): void {
  const bits = readFailures(c, d);
  if (bits !== undefined) level.upstream["memc_next_upstream"] = bits;
}

function readAllowed(c: Compiler, d: Directive, level: Level): void {
  const known = "get set add replace append prepend delete incr decr flush_all version verbosity stats".split(" ");
  const bad = d.args.find((w) => !known.includes(w.text));
  if (bad) return c.problems.add(bad, `invalid memcached command "${bad.text}"`);
  level.upstream["memc_cmds_allowed"] = d.args.map((w) => w.text);
}
