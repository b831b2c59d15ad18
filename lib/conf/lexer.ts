// SPDX-License-Identifier: MIT
// nginx.conf into words: quoting and unescaping as nginx does, and the raw text of Lua blocks, whose braces are balanced by
// Lua's own rules for strings and comments. Never throws: a mistake is noted, and reading goes on where that makes sense.
import type { Place, Problems } from "./tree.js";

/** A word, or one of `;`, `{`, `}`, or the end of the file. */
export interface Token extends Place {
  kind: "word" | ";" | "{" | "}" | "end";
  text: string;
  /** A mistake in this word is noted already. */
  isBroken?: boolean;
}

const escapes: Record<string, string> = { t: "\t", r: "\r", n: "\n", '"': '"', "'": "'", "\\": "\\" };

export class Lexer {
  #at = 0;
  #line = 1;
  #lineStart = 0;
  readonly #text: string;
  readonly #file: string;
  readonly #problems: Problems;

  constructor(text: string, file: string, problems: Problems) {
    this.#text = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    this.#file = file;
    this.#problems = problems;
  }

  /** The next token; at the end of the text `end`, again and again. */
  next(): Token {
    this.#skipSpace();
    const place = this.#place();
    const c = this.#text[this.#at];
    if (c === undefined) return { ...place, kind: "end", text: "" };
    if (c === ";" || c === "{" || c === "}") {
      this.#at++;
      return { ...place, kind: c, text: c };
    }
    return c === '"' || c === "'" ? this.#quoted(c, place) : { ...place, kind: "word", text: this.#plain() };
  }

  /** The text of a Lua block whose `{` was just read, up to its `}`. */
  luaBlock(opened: Place): { source: string; isBroken: boolean } {
    const start = this.#at;
    for (let depth = 1; depth > 0;) {
      const c = this.#text[this.#at];
      const isOpen = this.#skipLua();
      if (c === undefined || isOpen !== undefined) {
        const what = isOpen ?? "unexpected end of file, expecting terminating characters for lua code block";
        this.#problems.add(opened, what);
        this.#advance(this.#text.length - this.#at);
        return { source: this.#text.slice(start), isBroken: true };
      }
      if (c === "{") depth++;
      if (c === "}") depth--;
    }
    return { source: this.#text.slice(start, this.#at - 1), isBroken: false };
  }

  #place(): Place {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #advance(count: number): void {
    const end = Math.min(this.#at + count, this.#text.length);
    for (let i = this.#text.indexOf("\n", this.#at); i >= 0 && i < end; i = this.#text.indexOf("\n", i + 1)) {
      this.#line++;
      this.#lineStart = i + 1;
    }
    this.#at = end;
  }

  #skipSpace(): void {
    for (;;) {
      const c = this.#text[this.#at];
      if (c === " " || c === "\t" || c === "\r") this.#at++;
      else if (c === "\n") this.#advance(1);
      else if (c === "#") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else return;
    }
  }

  // A backslash keeps what follows from ending the word; only some letters mean something after it.
  #escaped(): string {
    const c = this.#text[this.#at + 1];
    this.#advance(2);
    return c === undefined ? "\\" : (escapes[c] ?? `\\${c}`);
  }

  #quoted(quote: string, opened: Place): Token {
    const out: string[] = [];
    this.#at++;
    for (let from = this.#at; ;) {
      const c = this.#text[this.#at];
      if (c === undefined) {
        this.#problems.add(opened, `unexpected end of file, expecting ";" or "}"`);
        return { ...opened, kind: "word", text: out.join(""), isBroken: true };
      }
      if (c !== quote && c !== "\\") {
        this.#advance(1);
        continue;
      }
      out.push(this.#text.slice(from, this.#at));
      if (c === quote) break;
      out.push(this.#escaped());
      from = this.#at;
    }
    this.#at++;
    const token: Token = { ...opened, kind: "word", text: out.join("") };
    const after = this.#text[this.#at];
    if (after === undefined || " \t\r\n;{)".includes(after)) return token;
    this.#problems.add(this.#place(), `unexpected "${after}"`);
    return { ...token, isBroken: true };
  }

  #plain(): string {
    let out = "";
    for (let from = this.#at, afterDollar = false; ;) {
      const c = this.#text[this.#at];
      const isEnd = c === undefined || " \t\r\n;".includes(c) || (c === "{" && !afterDollar);
      if (isEnd || c === "\\") out += this.#text.slice(from, this.#at);
      if (isEnd) return out;
      afterDollar = c === "$";
      if (c === "\\") {
        out += this.#escaped();
        from = this.#at;
      } else this.#at++;
    }
  }

  // Skips a Lua string or comment that starts here, or one character. Says what is wrong with a string that has no end.
  #skipLua(): string | undefined {
    const text = this.#text;
    const c = text[this.#at];
    const isComment = c === "-" && text[this.#at + 1] === "-";
    const bracket = isComment ? this.#at + 2 : this.#at;
    if (text[bracket] === "[") {
      const level = /=*/y;
      level.lastIndex = bracket + 1;
      const equals = level.exec(text)![0];
      if (text[bracket + 1 + equals.length] === "[") {
        const close = text.indexOf(`]${equals}]`, bracket + 2 + equals.length);
        if (close < 0)
          return `Lua code block missing the closing long bracket "]${equals}]", the inlined Lua code may be too long`;
        this.#advance(close + equals.length + 2 - this.#at);
        return undefined;
      }
    }
    if (isComment) {
      const end = text.indexOf("\n", this.#at);
      this.#advance((end < 0 ? text.length : end) - this.#at);
    } else if (c === '"' || c === "'") {
      // A string ends with its line, whatever its quotes say; Lua itself will complain.
      let end = this.#at + 1;
      while (end < text.length && text[end] !== c && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
      this.#advance(end + 1 - this.#at);
    } else this.#advance(1);
    return undefined;
  }
}
