// SPDX-License-Identifier: MIT
// The TypeScript front: a configuration object into the same tree of directives that an nginx.conf gives.
import { isLuaFile, isLuaSource } from "./define.js";
import { specOf } from "./directives/index.js";
import { displayName, splitWords } from "./parser.js";
import type { Spec } from "./spec.js";
import type { Directive, Place, Problems, Word } from "./tree.js";

/** Finds lines for properties: an object has none, but its file's text most often shows them, in the object's order. */
class Finder {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(
    readonly file: string,
    text: string,
  ) {
    this.#text = text;
  }

  /** The place of the next `key:`; without one, line 0. */
  find(key: string): { line: number; column: number } {
    const name = key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("\\\\", "\\\\{1,2}");
    const pattern = new RegExp(`(?<![\\w$])(["'\`]?)${name}\\1\\s*:`, "g");
    pattern.lastIndex = this.#at;
    const at = pattern.exec(this.#text)?.index;
    if (at === undefined) return { line: 0, column: 0 };
    for (let i = this.#text.indexOf("\n", this.#at); i >= 0 && i < at; i = this.#text.indexOf("\n", i + 1)) {
      this.#line++;
      this.#lineStart = i + 1;
    }
    this.#at = at;
    return { line: this.#line, column: at - this.#lineStart + 1 };
  }
}

class Reader {
  readonly #problems: Problems;
  readonly #finder: Finder;

  constructor(problems: Problems, finder: Finder) {
    this.#problems = problems;
    this.#finder = finder;
  }

  block(value: unknown, place: Place): Directive[] {
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object of directives, not ${nameOf(value)}`);
      return [];
    }
    return Object.entries(value).flatMap(([key, v]) => (v === undefined ? [] : this.#property(key, v, place)));
  }

  #property(key: string, value: unknown, parent: Place): Directive[] {
    const name = key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
    const path = parent.path ? `${parent.path}.${key}` : key;
    const place = { file: this.#finder.file, ...this.#finder.find(key), path };
    const spec = /^[a-z][a-zA-Z0-9]*$/.test(key) ? specOf(name) : undefined;
    if (!spec) {
      this.#problems.add(place, `unknown directive "${key}"`);
      return [];
    }
    if (spec.kind === "script" && spec.form === "map") return this.#scripts(name, value, place);
    if (spec.kind === "script") return this.#script(name, value, place);
    if (spec.kind === "block") return this.#blocks(name, spec, value, place);
    if (name === "internal" || name === "break") return value === false ? [] : [{ ...place, name, args: [] }];
    const before = this.#problems.list.length;
    const list = this.#lists(spec, value, place);
    const isBroken = this.#problems.list.length > before;
    return list.map((args) => ({ ...place, name, args, isBroken }));
  }

  // Scripts by the word that stands before each.
  #scripts(name: string, value: unknown, place: Place): Directive[] {
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object, not ${nameOf(value)}`);
      return [];
    }
    return Object.entries(value).flatMap(([key, item]) =>
      this.#script(name, item, place).map((d) => ({ ...d, args: [word(key, place), ...d.args] })),
    );
  }

  #script(name: string, value: unknown, place: Place): Directive[] {
    if (isLuaFile(value)) return [{ ...place, name: `${name}_file`, args: [word(value.path, place)] }];
    if (isLuaSource(value)) {
      // Lua's own errors count from the line of the template, wherever the object is put together.
      const at = value.line > 0 ? { ...place, file: displayName(value.file), line: value.line, column: 1 } : place;
      return [{ ...at, name: `${name}_block`, args: [], lua: value.source }];
    }
    if (typeof value === "string") return [{ ...place, name: `${name}_block`, args: [], lua: value }];
    this.#problems.add(place, `expected lua\`...\`, luaFile(...) or a string, not ${nameOf(value)}`);
    return [];
  }

  #blocks(name: string, spec: Spec, value: unknown, place: Place): Directive[] {
    if (name === "server") {
      const list = Array.isArray(value) ? (value as unknown[]) : [value];
      return list.map((item, i) => {
        const at = Array.isArray(value) ? { ...place, path: `${place.path}[${i}]` } : place;
        return { ...at, name, args: [], block: this.block(item, at) };
      });
    }
    if (name === "upstream") return this.#upstreams(value, place);
    const isMap = spec.form === "map";
    if (!isMap && !["location", "types", "if", "limit_except"].includes(name))
      return [{ ...place, name, args: [], block: this.block(value, place) }];
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object, not ${nameOf(value)}`);
      return [];
    }
    const entries = Object.entries(value).map(([key, item]): Directive => {
      const at = { ...place, ...this.#finder.find(key), path: `${place.path}[${JSON.stringify(key)}]` };
      if (name === "types") return { ...at, name: key, args: this.#words(item, at, true) };
      if (isMap) return { ...at, name, args: this.#words(key, at, true), block: this.#entries(item, at) };
      if (name === "if" || name === "limit_except")
        return { ...at, name, args: this.#words(key, at, true), block: this.block(item, at) };
      const [modifier, rest] = /^(=|\^~|~\*|~)\s*(.*)$/s.exec(key)?.slice(1) ?? [undefined, key];
      const args = modifier === undefined ? [word(key, at)] : [word(modifier, at), word(rest!, at)];
      return { ...at, name, args, block: this.block(item, at) };
    });
    return name === "types" ? [{ ...place, name, args: [], block: entries }] : entries;
  }

  // The lines of a block such as `map`: `true` stands for a word alone.
  #entries(value: unknown, place: Place): Directive[] {
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object, not ${nameOf(value)}`);
      return [];
    }
    return Object.entries(value).map(([key, item]) => {
      const at = { ...place, path: `${place.path}[${JSON.stringify(key)}]` };
      return { ...at, name: key, args: item === true ? [] : this.#words(item, at, false) };
    });
  }

  #upstreams(value: unknown, place: Place): Directive[] {
    if (!isObject(value)) {
      this.#problems.add(place, `expected an object, not ${nameOf(value)}`);
      return [];
    }
    return Object.entries(value).map(([key, item]): Directive => {
      const at = { ...place, ...this.#finder.find(key), path: `${place.path}[${JSON.stringify(key)}]` };
      if (!isObject(item)) this.#problems.add(at, `expected an object, not ${nameOf(item)}`);
      const block = Object.entries(isObject(item) ? item : {}).flatMap(([property, v]): Directive[] => {
        const name = property.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
        const inside = { ...at, path: `${at.path}.${property}` };
        if (name.endsWith("_by_lua")) return this.#script(name, v, inside);
        if (typeof v === "boolean") return v ? [{ ...inside, name, args: [] }] : [];
        const lists = /^(drizzle_)?server$/.test(name) && Array.isArray(v) ? (v as unknown[]) : [v];
        return lists.map((words) => ({ ...inside, name, args: this.#words(words, inside, true) }));
      });
      return { ...at, name: "upstream", args: [word(key, at)], block };
    });
  }

  // The words of each directive that a value stands for.
  #lists(spec: Spec, value: unknown, place: Place): Word[][] {
    const form = spec.form ?? (spec.kind === "words" ? "words" : "one");
    if (form === "one") return [this.#words(value, place, false, 1)];
    if (form === "words") return [this.#words(value, place, true)];
    if (form === "list") return (Array.isArray(value) ? value : [value]).map((item) => this.#words(item, place, true));
    if (isObject(value))
      // "404 500": codes, each a word; other keys are one word, whatever they hold.
      return Object.entries(value).map(([key, item]) => [
        ...(/^[\d ]+$/.test(key) ? key.trim().split(/ +/) : [key]).map((text) => word(text, place)),
        ...this.#words(item, place, false),
      ]);
    const isList = Array.isArray(value) && value.some((item) => Array.isArray(item));
    return (isList ? (value as unknown[]) : [value]).map((item) => this.#words(item, place, true));
  }

  // The words of one directive; at most `most`, since an array in place of a single value is a mistake.
  #words(value: unknown, place: Place, split: boolean, most = Infinity): Word[] {
    if (Array.isArray(value) && most > 1) return value.flatMap((item) => this.#words(item, place, false, 1));
    if (typeof value === "boolean") return [word(value ? "on" : "off", place)];
    if (typeof value === "number") return [word(String(value), place)];
    if (typeof value !== "string") {
      this.#problems.add(place, `invalid value: ${nameOf(value)}`);
      return [];
    }
    return split ? splitWords(value, place, this.#problems).map((text) => word(text, place)) : [word(value, place)];
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
  return new Reader(problems, new Finder(file, text)).block(config, { file, line: 0, column: 0 });
}
