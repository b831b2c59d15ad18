// SPDX-License-Identifier: MIT
// What the directive table says of a directive. The table types the TypeScript front, checks and reads both fronts, holds
// every default, and is what docs/configuration.md is written from.
import type { Compiler, Level } from "./compile.js";
import type { Directive } from "./tree.js";

/** Blocks that directives stand in. */
export type Context = "main" | "events" | "http" | "server" | "location" | "if" | "if in server";

/** What a directive's words mean. */
export type Kind =
  | "flag" //    on | off
  | "number"
  | "size" //    bytes: 512, 8k, 1m
  | "offset" //  bytes, with g
  | "time" //    milliseconds: 500ms, 10s, 1h 30m
  | "enum" //    one of `values`
  | "string"
  | "path" //    a file name below the prefix
  | "complex" // text with variables
  | "words" //   texts with variables
  | "script" //  Lua: NAME, NAME_block, NAME_file
  | "block" //   { ... }
  | "own"; //    words that only its own `read` understands

/**
 * How a configuration object writes it: `one` value; the `words` of one directive (a string is split as nginx would, an array
 * is taken word by word); a `list`, each item the words of one directive; a `map` from first word to the others.
 */
export type Form = "one" | "words" | "list" | "map";

/** How an inner block stands to an outer one: takes its value, takes its list unless it begins its own, or takes nothing. */
export type Merge = "inherit" | "replace" | "none";

/** The struct of native/config.h that holds it (UpstreamConf: `upstream`); `control` stays in TypeScript, `none` has no effect here. */
export type Store = "plan" | "control" | "server" | "location" | "upstream" | "none";

/** Carries the TypeScript type of a directive's value; never read. */
export interface Typed<T> {
  readonly value?: T;
}

/** A directive. */
export interface Spec {
  /** The nginx module that has it, for the documents. */
  readonly module: string;
  readonly in: readonly Context[];
  readonly kind: Kind;
  /** Least and most words; by kind when left out. */
  readonly args?: readonly [number, number];
  /** Words before the block of a script directive's block form. */
  readonly blockArgs?: number;
  readonly form?: Form;
  readonly store?: Store;
  /** The member of the struct, where it is not the directive's name. */
  readonly member?: string;
  readonly values?: Readonly<Record<string, number | boolean>>;
  /** What holds where nothing is said, in the words of an nginx.conf. */
  readonly default?: string;
  /** The same where words cannot say it. */
  readonly initial?: unknown;
  readonly merge?: Merge;
  /** An `own` directive with a block of directives. */
  readonly hasBlock?: boolean;
  /** May stand several times in one block. */
  readonly repeat?: boolean;
  /** Reads an `own` directive into the plan and notes its mistakes. */
  readonly read?: (c: Compiler, d: Directive, level: Level) => void;
  readonly type?: Typed<unknown>;
  /** What the log is to be told, at level alert, of a value that is taken all the same. */
  readonly alert?: (value: unknown) => string | undefined;
  /** In one line, for the documents. */
  readonly about: string;
}

/** The type of an `own` directive's value. */
export function typed<T>(): Typed<T> {
  return {};
}

export const everywhere = ["http", "server", "location"] as const;
export const many = 2047;

/** Where a directive's value is kept. */
export function storeOf(spec: Spec): Store {
  if (spec.store) return spec.store;
  if (spec.in.includes("location")) return "location";
  return spec.in.includes("server") ? "server" : "plan";
}

/** Least and most words of a directive; of the string and file forms of Lua directives where it has several. */
export function arityOf(spec: Spec): readonly [number, number] {
  return spec.args ?? (spec.kind === "block" ? [0, 0] : spec.kind === "words" ? [1, many] : [1, 1]);
}

// What nginx lets stand in the `if` of a location, beside the rewrite module's own (NGX_HTTP_LIF_CONF).
const insideIf =
  /^(root|sendfile|error_page|limit_rate|limit_rate_after|access_log|add_header|add_trailer|expires|charset|gzip|proxy_pass|memc_pass|echo|echo_.+|more_.+|(?:rewrite|access|precontent|content|header_filter|body_filter|log)_by_lua|lua_(?:use_default_type|code_cache|need_request_body|http10_buffering|check_client_abort|transform_underscores_in_response_headers))$/;

/** True where a directive may stand. */
export function mayStandIn(name: string, spec: Spec, context: Context): boolean {
  return spec.in.includes(context) || (context === "if" && insideIf.test(name));
}
