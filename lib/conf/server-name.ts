// SPDX-License-Identifier: MIT
// server_name: the kinds of names, stored as native/http/router looks them up.
import { hostname } from "node:os";
import type { Compiler } from "./compile.js";
import { nameKind } from "./plan.js";
import type { Directive, Word } from "./tree.js";

/** Reads one server_name directive into the server being built. */
export function readServerName(c: Compiler, d: Directive): void {
  for (const word of d.args) readName(c, word);
}

function readName(c: Compiler, word: Word): void {
  const { names } = c.server!;
  const text = word.text === "$hostname" ? hostname().toLowerCase() : word.text;
  // $server_name says the first name, without the dot of ".example.com".
  c.server!.primary ??= text.replace(/^\./, "").replace(/^[^~].*/s, (name) => name.toLowerCase());
  const add = (kind: number, name: string) => void names.push({ kind, name, text, at: word });
  if (text.startsWith("~")) {
    if (text.length === 1) return c.problems.add(word, `empty regex in server name "${text}"`);
    c.declareGroups(text, word);
    return add(nameKind.regex, text.slice(1));
  }
  const name = text.toLowerCase();
  if (/^\*(.?$|[^.])|^\.$/s.test(name)) return c.problems.add(word, `server name "${text}" is invalid`);
  if (name.includes("/")) c.problems.warn(word, `server name "${text}" has suspicious symbols`);
  if (/^\*?\.[^*]+$/.test(name)) {
    if (name.startsWith(".")) add(nameKind.exact, name.slice(1));
    return add(nameKind.wildcardStart, name.replace(/^\*/, ""));
  }
  if (/^[^*]+\.\*$/.test(name)) return add(nameKind.wildcardEnd, name.slice(0, -1));
  if (name.includes("*")) return c.problems.warn(word, `invalid server name or wildcard "${text}", ignored`);
  add(nameKind.exact, name);
}
