// SPDX-License-Identifier: MIT
// nginx.conf into words: quoting and unescaping as nginx does, and the raw text of Lua blocks, whose braces are balanced by
// Lua's own rules for strings and comments.
import type { Place } from "./tree.js";

/** A word, or one of `;`, `{`, `}`, or the end of the file. */
export interface Token extends Place {
  kind: "word" | ";" | "{" | "}" | "end";
  text: string;
}

/** A mistake that ends the reading of a file. */
export class SyntaxProblem extends Error {
  constructor(
    readonly at: Place,
    message: string,
  ) {
    super(message);
  }
}

const escapes: Record<string, string> = { t: "\t", r: "\r", n: "\n", '"': '"', "'": "'", "\\": "\\" };

export class Lexer {
  #at = 0;
  #line = 1;
  #lineStart = 0;
  readonly #text: string;
  readonly #file: string;

  constructor(text: string, file: string) {
    this.#text = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    this.#file = file;
  }

  /** The next token. Throws a SyntaxProblem. */
  next(): Token {
    this.#skipSpace();
    const place = this.#place();
    const c = this.#text[this.#at];
    if (c === undefined) return { ...place, kind: "end", text: "" };
    if (c === ";" || c === "{" || c === "}") {
      this.#at++;
      return { ...place, kind: c, text: c };
    }
    const text = c === '"' || c === "'" ? this.#quoted(c, place) : this.#plain();
    return { ...place, kind: "word", text };
  }

  /** The text of a Lua block whose `{` was just read, up to its `}`. Throws a SyntaxProblem. */
  luaBlock(opened: Place): string {
    const start = this.#at;
    for (let depth = 1; depth > 0;) {
      const skipped = this.#skipLua();
      if (skipped) continue;
      const c = this.#text[this.#at];
      if (c === undefined) throw new SyntaxProblem(opened, 'Lua code block missing the closing long bracket "}"');
      if (c === "{") depth++;
      if (c === "}") depth--;
      this.#advance(1);
    }
    return this.#text.slice(start, this.#at - 1);
  }

  #place(): Place {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #advance(count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.#text[this.#at] === "\n") {
        this.#line++;
        this.#lineStart = this.#at + 1;
      }
      this.#at++;
    }
  }

  #skipSpace(): void {
    for (;;) {
      const c = this.#text[this.#at];
      if (c === " " || c === "\t" || c === "\r" || c === "\n") this.#advance(1);
      else if (c === "#") while (this.#at < this.#text.length && this.#text[this.#at] !== "\n") this.#at++;
      else return;
    }
  }

  // A backslash keeps what follows from ending the word; only some letters mean something after it.
  #escaped(): string {
    const c = this.#text[this.#at + 1];
    const out = c === undefined ? "\\" : (escapes[c] ?? `\\${c}`);
    this.#advance(c === undefined ? 1 : 2);
    return out;
  }

  #quoted(quote: string, opened: Place): string {
    let out = "";
    this.#at++;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined)
        throw new SyntaxProblem(opened, `unexpected end of file, expecting ${quote === '"' ? "'\"'" : '"\'"'}`);
      if (c === quote) break;
      if (c === "\\") out += this.#escaped();
      else {
        out += c;
        this.#advance(1);
      }
    }
    this.#at++;
    const after = this.#text[this.#at];
    if (after !== undefined && !/[\s;{)]/.test(after)) throw new SyntaxProblem(this.#place(), `unexpected "${after}"`);
    if (after === ")") this.#at++;
    return out;
  }

  #plain(): string {
    let out = "";
    for (;;) {
      const c = this.#text[this.#at];
      if (c === undefined || /[\s;]/.test(c) || (c === "{" && !out.endsWith("$"))) return out;
      if (c === "\\") out += this.#escaped();
      else {
        out += c;
        this.#at++;
      }
    }
  }

  // Skips a Lua string or comment that starts here.
  #skipLua(): boolean {
    const text = this.#text;
    const c = text[this.#at];
    const long = /^(?:--)?\[(=*)\[/.exec(text.slice(this.#at, this.#at + 64));
    if (long) {
      const close = text.indexOf(`]${long[1]}]`, this.#at + long[0].length);
      if (close < 0)
        throw new SyntaxProblem(this.#place(), `Lua code block missing the closing long bracket "]${long[1]}]"`);
      this.#advance(close + long[1]!.length + 2 - this.#at);
      return true;
    }
    if (c === "-" && text[this.#at + 1] === "-") {
      const end = text.indexOf("\n", this.#at);
      this.#advance((end < 0 ? text.length : end) - this.#at);
      return true;
    }
    if (c !== '"' && c !== "'") return false;
    let end = this.#at + 1;
    while (end < text.length && text[end] !== c && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
    this.#advance(Math.min(end + 1, text.length) - this.#at);
    return true;
  }
}
