// SPDX-License-Identifier: MIT
// proxy_redirect, proxy_cookie_domain, proxy_cookie_path, proxy_cookie_flags: what is changed in the header of an upstream's response.
import type { Compiler, Level } from "../compile.js";
import { posOf } from "../plan.js";
import type { Directive, Word } from "../tree.js";
import { pushSetting } from "../upstream-pass.js";

export function readRedirect(c: Compiler, d: Directive, level: Level): void {
  const [from, to] = d.args;
  const isFirst = !level.own.has("upstream.redirects");
  if (!to) {
    if (from!.text !== "off" && from!.text !== "default" && from!.text !== "false")
      return c.problems.add(from!, `invalid parameter "${from!.text}"`);
    level.upstream["default_redirect"] = from!.text === "default";
    return pushSetting(level, "redirects", undefined);
  }
  if (isFirst) level.upstream["default_redirect"] = false;
  addReplacement(c, level, "redirects", from!, to);
}

export function readCookie(c: Compiler, d: Directive, level: Level): void {
  const member = d.name === "proxy_cookie_domain" ? "cookie_domains" : "cookie_paths";
  const [from, to] = d.args;
  if (!to) {
    if (from!.text !== "off") return c.problems.add(from!, `invalid parameter "${from!.text}"`);
    level.own.set(`upstream.${member}`, member);
    level.upstream[member] = [];
    return;
  }
  addReplacement(c, level, member, from!, to);
}

function addReplacement(c: Compiler, level: Level, member: string, from: Word, to: Word): void {
  const isDomain = member === "cookie_domains";
  const pattern = readPattern(c, isDomain ? withoutDot(from) : from);
  const kind = isDomain && pattern.kind === 1 ? 2 : pattern.kind; // domains have no case
  const { text } = pattern;
  const replacement = c.text((isDomain && kind === 0 ? withoutDot(to) : to).text, to);
  if (text !== undefined && replacement !== undefined)
    pushSetting(level, member, { kind, from: text, to: replacement, pos: posOf(from) });
}

// A dot before a domain means nothing: what the cookie has is kept.
function withoutDot(word: Word): Word {
  return word.text.startsWith(".") ? { ...word, text: word.text.slice(1) } : word;
}

// "~regex", "~*regex" or a text with variables, and its Replacement::Kind.
function readPattern(c: Compiler, word: Word): { kind: number; text: ReturnType<Compiler["text"]> } {
  if (word.text.startsWith("~*")) return { kind: 2, text: word.text.slice(2) };
  if (word.text.startsWith("~")) return { kind: 1, text: word.text.slice(1) };
  return { kind: 0, text: c.text(word.text, word) };
}

const setFlags: Record<string, number> = {
  secure: 1,
  httponly: 2,
  "samesite=strict": 4 | 8,
  "samesite=lax": 4 | 16,
  "samesite=none": 4 | 32,
};
const clearFlags: Record<string, number> = { nosecure: 1, nohttponly: 2, nosamesite: 4 };

export function readFlags(c: Compiler, d: Directive, level: Level): void {
  const [name, ...flags] = d.args;
  if (flags.length === 0) {
    if (name!.text !== "off") return c.problems.add(name!, `invalid parameter "${name!.text}"`);
    level.own.set("upstream.cookie_flags", "cookie_flags");
    level.upstream["cookie_flags"] = [];
    return;
  }
  let [set, clear] = [0, 0];
  const words: unknown[] = [];
  for (const word of flags) {
    const flag = word.text.toLowerCase();
    if (Object.hasOwn(setFlags, flag)) set |= setFlags[flag]!;
    else if (Object.hasOwn(clearFlags, flag)) clear |= clearFlags[flag]!;
    else {
      const value = c.text(word.text, word); // one that is no flag is told of when it is used, as in nginx
      if (value === undefined) return;
      words.push(value);
    }
  }
  const { kind, text } = readPattern(c, name!);
  if (text !== undefined)
    pushSetting(level, "cookie_flags", { kind: kind && 2, name: text, set, clear, words, pos: posOf(name!) });
}
