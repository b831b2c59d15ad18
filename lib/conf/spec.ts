// SPDX-License-Identifier: MIT
// What the directive table says of a directive. The table types the TypeScript front, checks and reads both fronts, holds
// every default, and is what docs/configuration.md is written from.
import type { Compiler, Level } from "./compile.js";
import type { Directive } from "./tree.js";

/** Blocks that directives stand in. */
export type Context =
  "main" | "events" | "http" | "server" | "location" | "if" | "server_if" | "limit_except" | "stream" | "stream_server";

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
  /** Least and most value of a number. */
  readonly range?: readonly [number, number];
  /** What holds where nothing is said, in the words of an nginx.conf. */
  readonly default?: string;
  /** The same where words cannot say it. */
  readonly initial?: unknown;
  readonly merge?: Merge;
  /** May stand several times in one block. */
  readonly repeat?: boolean;
  /** Reads an `own` directive into the plan and notes its mistakes. */
  readonly read?: (c: Compiler, d: Directive, level: Level) => void;
  /** One of the instructions that run in the order of the file. */
  readonly isRewrite?: boolean;
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
/** The same, and the blocks of stream servers. */
export const everywhereAndStream = [...everywhere, "stream", "stream_server"] as const;
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

/** Directives of other modules that may stand in the `if` of a location (`NAME` stands for all forms of a Lua directive). */
export const inIf = [
  "root",
  "sendfile",
  "sendfile_max_chunk",
  "error_page",
  "add_header",
  "add_trailer",
  "expires",
  "access_log",
  "gzip",
  "charset",
  "source_charset",
  "override_charset",
  "limit_rate",
  "limit_rate_after",
  "post_action",
  "proxy_pass",
  "memc_pass",
  "memcached_pass",
  "drizzle_pass",
  "drizzle_query",
  "drizzle_connect_timeout",
  "drizzle_send_query_timeout",
  "drizzle_recv_cols_timeout",
  "drizzle_recv_rows_timeout",
  "drizzle_buffer_size",
  "drizzle_module_header",
  "rds_json",
  "rds_json_format",
  "rds_json_root",
  "rds_json_success_property",
  "rds_json_user_property",
  "rds_json_errcode_key",
  "rds_json_errstr_key",
  "rds_json_content_type",
  "rds_json_buffer_size",
  "echo",
  "echo_duplicate",
  "echo_flush",
  "echo_sleep",
  "echo_blocking_sleep",
  "echo_reset_timer",
  "echo_read_request_body",
  "echo_request_body",
  "echo_location",
  "echo_location_async",
  "echo_subrequest",
  "echo_subrequest_async",
  "echo_foreach_split",
  "echo_end",
  "echo_exec",
  "echo_abort_parent",
  "echo_status",
  "echo_before_body",
  "echo_after_body",
  "set_base32_padding",
  "set_misc_base32_padding",
  "set_base32_alphabet",
  "ssi",
  "more_set_headers",
  "more_clear_headers",
  "more_set_input_headers",
  "more_clear_input_headers",
  "rewrite_by_lua",
  "access_by_lua",
  "precontent_by_lua",
  "content_by_lua",
  "header_filter_by_lua",
  "body_filter_by_lua",
  "log_by_lua",
  "lua_code_cache",
  "lua_need_request_body",
  "lua_http10_buffering",
  "lua_use_default_type",
  "lua_transform_underscores_in_response_headers",
  "lua_check_client_abort",
  "lua_handler_timeout",
  "lua_socket_connect_timeout",
  "lua_socket_send_timeout",
  "lua_socket_read_timeout",
  "lua_socket_send_lowat",
  "lua_socket_buffer_size",
  "lua_socket_pool_size",
  "lua_socket_keepalive_timeout",
  "lua_socket_log_errors",
] as const;
const inIfNames: ReadonlySet<string> = new Set(inIf);

/** Directives that may stand in limit_except. */
const inLimitExcept: ReadonlySet<string> = new Set([
  "allow",
  "deny",
  "auth_basic",
  "auth_basic_user_file",
  "access_log",
  "proxy_pass",
]);

/** True when the directive `name` may stand in a block of that kind. */
export function isAllowedIn(spec: Spec, name: string, context: Context): boolean {
  if (spec.in.includes(context)) return true;
  if (context === "limit_except") return inLimitExcept.has(name);
  if (context === "if") return inIfNames.has(name);
  return context === "server_if" && /^(lua|set)_/.test(name) && inIfNames.has(name);
}
