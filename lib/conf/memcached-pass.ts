// SPDX-License-Identifier: MIT
// What memc_pass and memcached_pass share: an UpstreamConf of memcached's kind out of a block's settings, which stand beside
// the proxy's (Level.upstream) by their directives' names.
import type { Compiler, Level } from "./compile.js";
import type { Directive, Word } from "./tree.js";
import { addPass, groupOf } from "./upstream-pass.js";

/**
 * Makes this location's requests commands to the memcached that `d` names. `settings` are members of UpstreamConf; each is
 * what the directive `PREFIX_MEMBER` says. `own` has what no directive sets.
 */
export function addMemcachedPass(
  c: Compiler,
  d: Directive,
  level: Level,
  prefix: "memc" | "memcached",
  settings: readonly string[],
  own: (word: Word) => { kind: 1 | 2; memc_vars: number[] },
): void {
  const word = d.args[0]!;
  const pass = c.text(word.text, word);
  if (pass === undefined) return;
  const group = typeof pass === "string" ? groupOf(c, word, pass, ":11211") : -1;
  addPass(c, d, level, { pass, group, ...own(word) }, () =>
    Object.fromEntries(settings.map((member) => [member, level.upstream[`${prefix}_${member}`]])),
  );
}
