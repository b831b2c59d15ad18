// SPDX-License-Identifier: MIT
// The TypeScript front: a configuration object into the same tree of directives that an nginx.conf gives.
import { isLuaFile, isLuaSource } from "./define.js";
import { specOf, type Spec } from "./directives.js";
import { SyntaxProblem } from "./lexer.js";
import { displayName, splitWords } from "./parser.js";
import type { Directive, Place, Problems, Word } from "./tree.js";

/** Directives that an array repeats; for others it is one directive's words, or its items are arrays of them. */
const listed = new Set(["env", "listen", "error_log", "access_log"]);

/** Finds lines for properties: an object has none, but its file's text most often shows them. */
class Finder {
  constructor(
    readonly file: string,
    readonly text: string,
  ) {}

  /** The place of the first `key:` at or after `from`, and where to look for what is inside. */
  find(key: string, from: number): { line: number; column: number; at: number } {
    const name = key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const pattern = new RegExp(`(?<![\\w$])(["'\`]?)${name}\\1\\s*:`, "g");
    pattern.lastIndex = from;
    const at = pattern.exec(this.text)?.index;
    if (at === undefined) return { line: 0, column: 0, at: from };
    const before = this.text.slice(0, at);
    return { line: before.split("\n").length, column: at - before.lastIndexOf("\n"), at };
  }
}

class Reader {
  readonly #problems: Problems;
  readonly #finder: Finder;

  constructor(problems: Problems, finder: Finder) {
    this.#problems = problems;
    this.#finder = finder;
  }

  block(value: unknown, place: Place, from: number): Directive[] {
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object of directives, not ${nameOf(value)}`);
      return [];
    }
    return Object.entries(value).flatMap(([key, v]) => (v === undefined ? [] : this.#property(key, v, place, from)));
  }

  #property(key: string, value: unknown, parent: Place, from: number): Directive[] {
    const { line, column, at } = this.#finder.find(key, from);
    const name = key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
    const place = { file: this.#finder.file, line, column, path: parent.path ? `${parent.path}.${key}` : key };
    const spec = specOf(name);
    if (!spec || /[^a-zA-Z0-9]/.test(key)) {
      this.#problems.add(place, `unknown directive "${key}"`);
      return [];
    }
    if (spec.kind === "script") return this.#script(name, value, place);
    if (spec.kind === "block") return this.#blocks(name, value, place, at);
    return this.#simple(name, spec, value, place);
  }

  #script(name: string, value: unknown, place: Place): Directive[] {
    if (isLuaFile(value)) return [{ ...place, name: `${name}_file`, args: [word(value.path, place)] }];
    if (isLuaSource(value)) {
      const at = value.line > 0 ? { ...place, file: displayName(value.file), line: value.line } : place;
      return [{ ...at, name: `${name}_block`, args: [], lua: value.source }];
    }
    if (typeof value === "string") return [{ ...place, name: `${name}_block`, args: [], lua: value }];
    this.#problems.add(place, `expected lua\`...\`, luaFile(...) or a string, not ${nameOf(value)}`);
    return [];
  }

  #blocks(name: string, value: unknown, place: Place, from: number): Directive[] {
    if (name === "server") {
      const list = Array.isArray(value) ? (value as unknown[]) : [value];
      return list.map((item, i) => {
        const at = Array.isArray(value) ? { ...place, path: `${place.path}[${i}]` } : place;
        return { ...at, name, args: [], block: this.block(item, at, from) };
      });
    }
    if (name === "location" || name === "types") return this.#keyed(name, value, place, from);
    return [{ ...place, name, args: [], block: this.block(value, place, from) }];
  }

  #keyed(name: string, value: unknown, place: Place, from: number): Directive[] {
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object, not ${nameOf(value)}`);
      return [];
    }
    const entries = Object.entries(value).map(([key, item]) => {
      const { line, column, at } = this.#finder.find(key, from);
      return { key, item, from: at, at: { ...place, line, column, path: `${place.path}[${JSON.stringify(key)}]` } };
    });
    if (name === "types") {
      const block = entries.map(({ key, item, at }) => ({ ...at, name: key, args: this.#words(item, at, true) }));
      return [{ ...place, name, args: [], block }];
    }
    return entries.map(({ key, item, at, from: inside }) => {
      const [modifier, rest] = /^(=|\^~|~\*|~)\s*(.*)$/s.exec(key)?.slice(1) ?? [undefined, key];
      const args = modifier === undefined ? [word(key, at)] : [word(modifier, at), word(rest ?? "", at)];
      return { ...at, name, args, block: this.block(item, at, inside) };
    });
  }

  #simple(name: string, spec: Spec, value: unknown, place: Place): Directive[] {
    const directive = (args: Word[]): Directive => ({ ...place, name, args });
    if (name === "internal") return value === false ? [] : [directive([])];
    if (isObject(value))
      return Object.entries(value).map(([key, item]) =>
        directive([...this.#words(key, place, name === "error_page"), ...this.#words(item, place, false)]),
      );
    const isList = Array.isArray(value) && (listed.has(name) || Array.isArray(value[0]));
    if (isList) return value.map((item) => directive(this.#words(item, place, true)));
    const isOneWord = spec.kind !== "own" && spec.kind !== "words" && (spec.args?.[1] ?? 1) === 1;
    return [directive(this.#words(value, place, !isOneWord))];
  }

  #words(value: unknown, place: Place, split: boolean): Word[] {
    if (Array.isArray(value)) return value.flatMap((item) => this.#words(item, place, false));
    if (typeof value === "boolean") return [word(value ? "on" : "off", place)];
    if (typeof value === "number") return [word(String(value), place)];
    if (typeof value !== "string") {
      this.#problems.add(place, `invalid value: ${nameOf(value)}`);
      return [];
    }
    if (!split) return [word(value, place)];
    try {
      return splitWords(value).map((text) => word(text, place));
    } catch (e) {
      if (!(e instanceof SyntaxProblem)) throw e;
      this.#problems.add(place, e.message);
      return [];
    }
  }
}

function word(text: string, place: Place): Word {
  return { ...place, text };
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v) && !isLuaSource(v) && !isLuaFile(v);
}

function nameOf(v: unknown): string {
  if (v === null) return "null";
  return Array.isArray(v) ? "an array" : `a value of type ${typeof v}`;
}

/** The tree of a configuration object. `file` and `text` are the module's, for the places of mistakes; may be empty. */
export function readObject(config: unknown, problems: Problems, file = "", text = ""): Directive[] {
  const place: Place = { file, line: 0, column: 0 };
  return new Reader(problems, new Finder(file, text)).block(config, place, 0);
}
