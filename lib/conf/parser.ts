// SPDX-License-Identifier: MIT
// The nginx.conf front: tokens into directives, and the files that `include` names. A mistake does not end the reading: it
// goes on behind the directive's `;` or its block.
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { decodeRaw } from "./bytes.js";
import { expandGlob, isGlob } from "./glob.js";
import { Lexer, type Token } from "./lexer.js";
import type { Directive, Place } from "./tree.js";
import { Problems } from "./tree.js";

const maxBlockDepth = 60;

/** How messages name a file: relative to the working directory where it lies below it. */
export function displayName(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") ? path : short;
}

class Parser {
  readonly files: string[] = [];
  readonly #problems: Problems;
  readonly #base: string;
  /** The files being read, each included by the one before it. */
  readonly #open: string[] = [];

  constructor(problems: Problems, base: string) {
    this.#problems = problems;
    this.#base = base;
  }

  /** The directives of a file. Throws when it cannot be read. */
  file(path: string): Directive[] {
    const bytes = readFileSync(path);
    if (!this.files.includes(path)) this.files.push(path);
    this.#open.push(path);
    const out = this.text(isUtf8(bytes) ? bytes.toString("utf8") : decodeRaw(bytes), displayName(path));
    this.#open.pop();
    return out;
  }

  text(source: string, name: string): Directive[] {
    const lexer = new Lexer(source, name, this.#problems);
    const out: Directive[] = [];
    while (!this.#block(lexer, out, 0));
    return out;
  }

  // Directives up to the end of the file (true) or a `}`, which the block around it must have opened.
  #block(lexer: Lexer, out: Directive[], depth: number): boolean {
    for (;;) {
      const first = lexer.next();
      if (first.kind === "end") {
        if (depth > 0) this.#problems.add(first, 'unexpected end of file, expecting "}"');
        return true;
      }
      if (first.kind === "}") {
        if (depth === 0) this.#problems.add(first, 'unexpected "}"');
        return false;
      }
      if (first.kind === "word") {
        const end = this.#directive(lexer, first, out, depth);
        if (end !== undefined) return end;
        continue;
      }
      this.#problems.add(first, `unexpected "${first.kind}"`);
      // What a nameless block holds cannot be judged, but its syntax can.
      if (first.kind === "{" && this.#inner(lexer, first, [], depth)) return true;
    }
  }

  // One directive. Says how its block ended where the directive's own end is that of the block around it.
  #directive(lexer: Lexer, first: Token, out: Directive[], depth: number): boolean | undefined {
    const { file, line, column, text: name } = first;
    const directive: Directive = { file, line, column, name, args: [] };
    if (first.isBroken) directive.isBroken = true;
    for (;;) {
      const token = lexer.next();
      switch (token.kind) {
        case "word":
          directive.args.push({ file, line: token.line, column: token.column, text: token.text });
          if (token.isBroken) directive.isBroken = true;
          break;
        case ";":
          directive.endLine = token.line;
          if (name === "include") out.push(...this.#include(directive));
          else out.push(directive);
          return undefined;
        case "{": {
          out.push(directive);
          if (!name.endsWith("_by_lua_block")) {
            directive.block = [];
            return this.#inner(lexer, token, directive.block, depth) ? true : undefined;
          }
          const lua = lexer.luaBlock(token);
          directive.lua = lua.source;
          if (lua.isBroken) directive.isBroken = true;
          return lua.isBroken ? true : undefined;
        }
        case "}":
          this.#problems.add(token, 'unexpected "}"');
          return false;
        case "end":
          if (!directive.isBroken) this.#problems.add(token, 'unexpected end of file, expecting ";" or "}"');
          return true;
      }
    }
  }

  #inner(lexer: Lexer, opened: Token, out: Directive[], depth: number): boolean {
    if (depth < maxBlockDepth) return this.#block(lexer, out, depth + 1);
    this.#problems.add(opened, `blocks nest deeper than ${maxBlockDepth}`);
    for (let open = 1; open > 0;) {
      const { kind } = lexer.next();
      if (kind === "end") return true;
      open += kind === "{" ? 1 : kind === "}" ? -1 : 0;
    }
    return false;
  }

  #include(directive: Directive): Directive[] {
    if (directive.isBroken) return [];
    const pattern = directive.args[0]?.text;
    if (pattern === undefined || directive.args.length !== 1) {
      this.#problems.add(directive, 'invalid number of arguments in "include" directive');
      return [];
    }
    const path = isAbsolute(pattern) ? pattern : resolve(this.#base, pattern);
    return (isGlob(pattern) ? expandGlob(path) : [path]).flatMap((file) => {
      if (this.#open.includes(file)) {
        this.#problems.add(directive, `"include" of "${file}" inside itself`);
        return [];
      }
      try {
        return this.file(file);
      } catch (e) {
        this.#problems.add(directive, openFailure(file, e));
        return [];
      }
    });
  }
}

/** nginx's words for a file that cannot be opened. */
export function openFailure(path: string, e: unknown): string {
  const { errno, code, syscall } = e as NodeJS.ErrnoException;
  const texts: Record<string, string> = {
    ENOENT: "No such file or directory",
    EACCES: "Permission denied",
    EISDIR: "Is a directory",
    ENOTDIR: "Not a directory",
  };
  const call = syscall === "read" ? "read" : "open";
  return `${call}() "${path}" failed (${-(errno ?? 0)}: ${texts[code ?? ""] ?? String(code)})`;
}

/** Reads an nginx.conf and what it includes. Throws when the file itself cannot be read. */
export function parseFile(path: string, problems: Problems): { tree: Directive[]; files: string[] } {
  const parser = new Parser(problems, dirname(path));
  return { tree: parser.file(path), files: parser.files };
}

/** Reads the text of an nginx.conf, as if `name` held it; what it includes is looked for below `base`. */
export function parseText(text: string, name: string, problems: Problems, base = "."): Directive[] {
  return new Parser(problems, resolve(base)).text(text, name);
}

/** The words of a text, as nginx.conf would split them; mistakes are noted at `at`. */
export function splitWords(text: string, at: Place, problems: Problems): string[] {
  const own = new Problems();
  const lexer = new Lexer(text, "", own);
  const out: string[] = [];
  for (let t = lexer.next(); t.kind !== "end"; t = lexer.next()) {
    if (t.kind === "word") out.push(t.text);
    else own.add(t, `unexpected "${t.text}"`);
  }
  for (const p of own.list) problems.add(at, p.message);
  return out;
}
