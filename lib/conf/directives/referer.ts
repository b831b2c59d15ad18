// SPDX-License-Identifier: MIT
// Directive of nginx's referer module.
import type { Compiler, Level } from "../compile.js";
import { many, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";

/** Referer::Kind of native/config.h. */
const kinds = { exact: 0, wildcardStart: 1, wildcardEnd: 2, regex: 3, none: 4, blocked: 5, serverNames: 6 } as const;
const words: Readonly<Record<string, number>> = {
  none: kinds.none,
  blocked: kinds.blocked,
  server_names: kinds.serverNames,
};

export const referer = {
  valid_referers: {
    module: "referer",
    in: ["server", "location", "if"],
    kind: "own",
    args: [1, many],
    form: "words",
    repeat: true,
    merge: "replace",
    store: "location",
    member: "referers",
    initial: [],
    read: readReferers,
    type: typed<string | readonly string[]>(),
    about:
      "the Referer headers for which `$invalid_referer` is empty: `none`, `blocked`, `server_names`, names with wildcards and a path, `~regex`",
  },
} as const satisfies Record<string, Spec>;

function readReferers(c: Compiler, d: Directive, level: Level): void {
  for (const word of d.args)
    readReferer(c, word, (kind, name, uri, regex = -1) => {
      c.push(level, "referers", { kind, name, uri, regex });
    });
}

function readReferer(
  c: Compiler,
  word: Word,
  add: (kind: number, name: string, uri: string, regex?: number) => void,
): void {
  const { text } = word;
  if (Object.hasOwn(words, text)) return add(words[text]!, "", "");
  if (text.startsWith("~")) {
    if (text.length === 1) return c.problems.add(word, `empty regex in "${text}"`);
    return add(kinds.regex, "", "", c.regex(text.slice(1), true, word));
  }
  const slash = text.indexOf("/");
  const name = (slash < 0 ? text : text.slice(0, slash)).toLowerCase();
  const uri = slash < 0 ? "" : text.slice(slash);
  if (name === "" || /^\*(.?$|[^.])|^\.$/s.test(name) || /.\*./.test(name))
    return c.problems.add(word, `invalid host name or wildcard "${text}"`);
  if (name.startsWith(".")) add(kinds.exact, name.slice(1), uri);
  if (/^\*?\./.test(name)) return add(kinds.wildcardStart, name.replace(/^\*/, ""), uri);
  if (name.endsWith(".*")) return add(kinds.wildcardEnd, name.slice(0, -1), uri);
  add(kinds.exact, name, uri);
}
