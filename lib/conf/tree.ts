// SPDX-License-Identifier: MIT
// What both fronts, nginx.conf and TypeScript, turn a configuration into: a tree of directives that know where they stood.
import type { ConfigProblem } from "../errors.js";

/** A place in a configuration. */
export interface Place {
  /** The file as messages name it; for a configuration object, empty. */
  file: string;
  /** From 1; 0 when unknown. */
  line: number;
  column: number;
  /** For a configuration object: where in it, for example `http.server[0]`. */
  path?: string;
}

/** One word of a directive. */
export interface Word extends Place {
  text: string;
}

/** A directive: its name, its words, and the block where it has one. */
export interface Directive extends Place {
  name: string;
  args: Word[];
  /** Directives inside braces. */
  block?: Directive[];
  /** Line of its `;`, where it was read from nginx.conf: what nginx itself names a directive of several lines by. */
  endLine?: number;
  /** Lua source, of `*_by_lua_block` and of `lua` templates. */
  lua?: string;
  /** A mistake in it is noted already: its words are not to be trusted. */
  isBroken?: boolean;
}

/** The mistakes found so far. */
export class Problems {
  readonly list: ConfigProblem[] = [];

  /** True when a mistake keeps the configuration from being used. */
  get isFatal(): boolean {
    return this.list.some((p) => p.severity === "emerg");
  }

  /** Notes a mistake at a place. */
  add(at: Place, message: string): void {
    this.#note(at, message, "emerg");
  }

  /** Notes what is odd, but can be served. */
  warn(at: Place, message: string): void {
    this.#note(at, message, "warn");
  }

  #note(at: Place, message: string, severity: ConfigProblem["severity"]): void {
    const text = at.path ? `${at.path}: ${message}` : message;
    this.list.push({ file: at.file, line: at.line, column: at.column, message: text, severity });
  }
}
