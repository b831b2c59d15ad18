// SPDX-License-Identifier: MIT
// limit_except: what holds in a location for other methods than those named. Its block becomes one of Plan::if_confs.
import type { Compiler, Level } from "../compile.js";
import { typed, many, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

/** MethodId of native/http/parser.h. */
const methods: Readonly<Record<string, number>> = {
  GET: 0x2,
  HEAD: 0x4,
  POST: 0x8,
  PUT: 0x10,
  DELETE: 0x20,
  MKCOL: 0x40,
  COPY: 0x80,
  MOVE: 0x100,
  OPTIONS: 0x200,
  PROPFIND: 0x400,
  PROPPATCH: 0x800,
  LOCK: 0x1000,
  UNLOCK: 0x2000,
  PATCH: 0x4000,
  TRACE: 0x8000,
};
const all = 0xfffe;

export const limitExcept = {
  limit_except: {
    module: "http_core",
    in: ["location"],
    kind: "block",
    args: [1, many],
    merge: "none",
    store: "location",
    initial: 0,
    read: readLimitExcept,
    type: typed<{ readonly [methods: string]: Readonly<Record<string, unknown>> }>(),
    about: "`allow`, `deny`, `auth_basic` and `proxy_pass` for all methods but those named; GET stands for HEAD too",
  },
} as const satisfies Record<string, Spec>;

function readLimitExcept(c: Compiler, d: Directive, level: Level): void {
  let named = 0;
  for (const word of d.args) {
    const bit = methods[word.text.toUpperCase()];
    if (bit === undefined) return c.problems.add(word, `invalid method "${word.text}"`);
    named |= bit;
  }
  if (named & methods["GET"]!) named |= methods["HEAD"]!;
  level.conf["limit_except"] = all & ~named;
  // Read when the block around it has been: it takes all that this says.
  level.later.push(() => {
    const inner = c.inIf(level, "limit_except");
    c.block(d.block!, inner);
    level.conf["limit_except_conf"] = c.plan.if_confs.push({ ...inner.conf, limit_except: 0 }) - 1;
  });
}
