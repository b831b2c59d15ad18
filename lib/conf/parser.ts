// SPDX-License-Identifier: MIT
// The nginx.conf front: words into a tree of directives, with files included where they are named.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { Lexer, SyntaxProblem, type Token } from "./lexer.js";
import type { Directive, Problems } from "./tree.js";

const maxIncludeDepth = 16;

/** How messages name a file: relative to the working directory where it lies below it. */
export function displayName(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") ? path : short;
}

class Parser {
  readonly files: string[] = [];
  readonly #problems: Problems;
  readonly #base: string;

  constructor(problems: Problems, base: string) {
    this.#problems = problems;
    this.#base = base;
  }

  file(path: string, depth = 0): Directive[] {
    this.files.push(path);
    return this.text(readFileSync(path, "utf8"), displayName(path), depth);
  }

  text(source: string, name: string, depth = 0): Directive[] {
    const out: Directive[] = [];
    try {
      this.#block(new Lexer(source, name), out, undefined, depth);
    } catch (e) {
      if (!(e instanceof SyntaxProblem)) throw e;
      this.#problems.add(e.at, e.message);
    }
    return out;
  }

  // Directives up to the end of the file or the `}` that closes `opened`.
  #block(lexer: Lexer, out: Directive[], opened: Token | undefined, depth: number): void {
    for (;;) {
      const first = lexer.next();
      if (first.kind === "}") {
        if (opened) return;
        throw new SyntaxProblem(first, 'unexpected "}"');
      }
      if (first.kind === "end") {
        if (!opened) return;
        throw new SyntaxProblem(first, 'unexpected end of file, expecting "}"');
      }
      if (first.kind !== "word") throw new SyntaxProblem(first, `unexpected "${first.kind}"`);
      const directive = this.#directive(lexer, first, depth);
      if (directive.name === "include" && !directive.block) out.push(...this.#include(directive, depth));
      else out.push(directive);
    }
  }

  #directive(lexer: Lexer, first: Token, depth: number): Directive {
    const { file, line, column, text: name } = first;
    const out: Directive = { file, line, column, name, args: [] };
    for (;;) {
      const token = lexer.next();
      switch (token.kind) {
        case "word":
          out.args.push({ file, line: token.line, column: token.column, text: token.text });
          break;
        case ";":
          return out;
        case "{":
          if (name.endsWith("_by_lua_block")) {
            out.lua = lexer.luaBlock(token);
            return out;
          }
          out.block = [];
          this.#block(lexer, out.block, token, depth);
          return out;
        case "}":
          throw new SyntaxProblem(token, `directive "${name}" is not terminated by ";"`);
        default:
          throw new SyntaxProblem(token, 'unexpected end of file, expecting ";" or "}"');
      }
    }
  }

  #include(directive: Directive, depth: number): Directive[] {
    const pattern = directive.args[0]?.text;
    if (pattern === undefined || directive.args.length !== 1) {
      this.#problems.add(directive, 'invalid number of arguments in "include" directive');
      return [];
    }
    const path = isAbsolute(pattern) ? pattern : resolve(this.#base, pattern);
    if (depth >= maxIncludeDepth) {
      this.#problems.add(directive, `"include" nests deeper than ${maxIncludeDepth} files: "${path}"`);
      return [];
    }
    const files = /[*?[]/.test(pattern) ? expand(path) : [path];
    return files.flatMap((file) => {
      try {
        return this.file(file, depth + 1);
      } catch (e) {
        this.#problems.add(directive, openFailure(file, e));
        return [];
      }
    });
  }
}

/** nginx's words for a file that cannot be opened. */
export function openFailure(path: string, e: unknown): string {
  const { errno, code } = e as NodeJS.ErrnoException;
  const texts: Record<string, string> = {
    ENOENT: "No such file or directory",
    EACCES: "Permission denied",
    EISDIR: "Is a directory",
    ENOTDIR: "Not a directory",
  };
  return `open() "${path}" failed (${-(errno ?? 0)}: ${texts[code ?? ""] ?? String(code)})`;
}

// The files that a pattern with * ? [...] names, in order.
function expand(pattern: string): string[] {
  const segment = (glob: string) =>
    new RegExp(
      `^${glob
        .replace(/[.+^${}()|\\]/g, "\\$&")
        .replace(/\*/g, "[^/]*")
        .replace(/\?/g, "[^/]")
        .replace(/\[!/g, "[^")}$`,
    );
  let paths = ["/"];
  for (const part of pattern.split("/").filter((p) => p !== "")) {
    if (!/[*?[]/.test(part)) {
      paths = paths.map((p) => join(p, part));
      continue;
    }
    const matches = segment(part);
    paths = paths.flatMap((p) => {
      try {
        const names = readdirSync(p).filter((n) => matches.test(n) && (part.startsWith(".") || !n.startsWith(".")));
        return names.sort().map((n) => join(p, n));
      } catch {
        return [];
      }
    });
  }
  return paths;
}

/** Reads an nginx.conf and what it includes. Throws when the file itself cannot be read. */
export function parseFile(path: string, problems: Problems): { tree: Directive[]; files: string[] } {
  const parser = new Parser(problems, dirname(path));
  const tree = parser.file(path);
  return { tree, files: parser.files };
}

/** The words of a text, as nginx.conf would split them. */
export function splitWords(text: string): string[] {
  const lexer = new Lexer(text, "");
  const out: string[] = [];
  for (let t = lexer.next(); t.kind !== "end"; t = lexer.next()) out.push(t.text);
  return out;
}
