// SPDX-License-Identifier: MIT
// The directive table: every directive that is known, where it may stand, how many words it takes and what they mean. Both
// fronts, the checks, the plan and the TypeScript types come from it; there is no second list.
// `field` is the member of the plan's structs that a simple directive sets, where it is not its own name.

/** Blocks that directives stand in. */
export type Context = "main" | "events" | "http" | "server" | "location";

/** What a directive's words mean; compile.ts has one reader for each. */
export type Kind =
  | "flag" //            on | off
  | "number"
  | "size" //            1k 8m
  | "offset" //          as size, for what may be large
  | "time" //            ms; 10s 1m 500ms
  | "string"
  | "complex" //         text with variables
  | "enum"
  | "script" //          Lua: NAME, NAME_block, NAME_file
  | "words" //           a list of words
  | "map" //             a name and what belongs to it; repeatable
  | "block" //           { ... }
  | "ignored" //         accepted for nginx.conf's sake, nothing to do
  | "own"; //            words that only its own reader understands

export interface Spec {
  readonly in: readonly Context[];
  readonly kind: Kind;
  /** Least and most words; by kind when left out. */
  readonly args?: readonly [number, number];
  readonly field?: string;
  readonly values?: Readonly<Record<string, number>>;
  /** May stand several times in one block. */
  readonly repeat?: boolean;
  /** In one line, for the documents. */
  readonly about: string;
}

const everywhere = ["http", "server", "location"] as const;
const many = 2047;

export const directives = {
  // ---- main ----
  worker_processes: { in: ["main"], kind: "own", args: [1, 1], about: 'worker threads, or "auto" for one per core' },
  daemon: { in: ["main"], kind: "ignored", args: [1, 1], about: "accepted; the server stays in the foreground" },
  master_process: { in: ["main"], kind: "ignored", args: [1, 1], about: "accepted; there is one process" },
  pid: { in: ["main"], kind: "ignored", args: [1, 1], about: "accepted; no pid file is written" },
  user: { in: ["main"], kind: "ignored", args: [1, 2], about: "accepted; the server keeps the user it was started as" },
  env: { in: ["main"], kind: "own", args: [1, 1], repeat: true, about: "an environment variable for os.getenv" },
  error_log: {
    in: ["main", ...everywhere],
    kind: "own",
    args: [1, 2],
    repeat: true,
    about: "file and level of the error log",
  },
  events: { in: ["main"], kind: "block", about: "the block of connection processing" },
  http: { in: ["main"], kind: "block", about: "the block of HTTP servers" },
  worker_connections: { in: ["events"], kind: "number", about: "connections of one worker" },
  use: { in: ["events"], kind: "ignored", args: [1, 1], about: "accepted; it is always epoll" },
  multi_accept: { in: ["events"], kind: "ignored", args: [1, 1], about: "accepted" },
  accept_mutex: { in: ["events"], kind: "ignored", args: [1, 1], about: "accepted" },

  // ---- http ----
  server: { in: ["http"], kind: "block", repeat: true, about: "a virtual server" },
  listen: { in: ["server"], kind: "own", args: [1, many], repeat: true, about: "an address to listen on" },
  server_name: { in: ["server"], kind: "own", args: [1, many], repeat: true, about: "names of the server" },
  location: { in: ["server", "location"], kind: "block", args: [1, 2], repeat: true, about: "what a set of URIs gets" },
  log_format: { in: ["http"], kind: "own", args: [2, many], repeat: true, about: "a format for access_log" },
  access_log: {
    in: everywhere,
    kind: "own",
    args: [1, many],
    repeat: true,
    about: "file and format of the access log, or off",
  },
  types: { in: everywhere, kind: "block", args: [0, 0], about: "MIME types by file name extension" },
  default_type: { in: everywhere, kind: "string", about: "MIME type where types has none" },
  root: { in: everywhere, kind: "complex", about: "folder of static files" },
  alias: { in: ["location"], kind: "complex", about: "folder in place of the location's prefix" },
  index: { in: everywhere, kind: "words", args: [1, many], about: "files that stand for a folder" },
  try_files: { in: ["server", "location"], kind: "own", args: [2, many], about: "files to try, and what else" },
  set: { in: ["server", "location"], kind: "own", args: [2, 2], repeat: true, about: "sets a variable" },
  return: {
    in: ["server", "location"],
    kind: "own",
    args: [1, 2],
    repeat: true,
    about: "ends with a status, a text or a redirect",
  },
  add_header: { in: everywhere, kind: "own", args: [2, 3], repeat: true, about: "adds a header to responses" },
  error_page: { in: everywhere, kind: "own", args: [2, many], repeat: true, about: "a URI to show for statuses" },
  internal: { in: ["location"], kind: "own", args: [0, 0], about: "for internal redirects only" },

  // ---- limits and times ----
  client_header_timeout: { in: ["http", "server"], kind: "time", about: "time for a request's header" },
  client_header_buffer_size: { in: ["http", "server"], kind: "size", about: "buffer for most request headers" },
  large_client_header_buffers: {
    in: ["http", "server"],
    kind: "own",
    args: [2, 2],
    about: "number and size of buffers for large headers",
  },
  underscores_in_headers: { in: ["http", "server"], kind: "flag", about: "accepts header names with underscores" },
  ignore_invalid_headers: { in: ["http", "server"], kind: "flag", about: "drops headers with invalid names" },
  client_body_timeout: { in: everywhere, kind: "time", about: "longest wait between two reads of a body" },
  client_body_min_rate: { in: everywhere, kind: "size", about: "bytes per second a body must come with; 0 is off" },
  client_body_buffer_size: { in: everywhere, kind: "size", about: "body kept in memory; more goes to a file" },
  client_body_temp_path: { in: everywhere, kind: "string", args: [1, 4], about: "folder for body files" },
  client_body_in_file_only: {
    in: everywhere,
    kind: "enum",
    values: { off: 0, on: 1, clean: 1 },
    about: "every body goes to a file",
  },
  client_max_body_size: { in: everywhere, kind: "offset", about: "longest body, 413 past it; 0 is no limit" },
  send_timeout: { in: everywhere, kind: "time", about: "longest wait between two writes" },
  keepalive_timeout: { in: everywhere, kind: "own", args: [1, 2], about: "how long an idle connection is kept" },
  keepalive_requests: { in: everywhere, kind: "number", about: "requests over one connection" },
  lingering_close: {
    in: everywhere,
    kind: "enum",
    values: { off: 0, on: 1, always: 2 },
    about: "reads on before it closes",
  },
  lingering_time: { in: everywhere, kind: "time", about: "longest lingering close" },
  lingering_timeout: { in: everywhere, kind: "time", about: "longest wait of a lingering close" },
  postpone_output: { in: everywhere, kind: "size", about: "output is held until so many bytes" },
  tcp_nodelay: { in: everywhere, kind: "flag", about: "TCP_NODELAY" },
  tcp_nopush: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted" },
  sendfile: { in: everywhere, kind: "flag", about: "files are sent by the kernel" },
  chunked_transfer_encoding: { in: everywhere, kind: "flag", about: "chunked responses in HTTP/1.1" },
  merge_slashes: { in: ["http", "server"], kind: "flag", about: "several slashes are one" },
  server_tokens: {
    in: everywhere,
    kind: "enum",
    values: { off: 0, on: 1, build: 1 },
    about: "version in the Server header",
  },
  log_not_found: { in: everywhere, kind: "flag", about: "logs missing files" },
  log_subrequest: { in: everywhere, kind: "flag", about: "logs subrequests" },
  etag: { in: everywhere, kind: "flag", about: "ETag of static files" },
  if_modified_since: {
    in: everywhere,
    kind: "enum",
    values: { off: 0, exact: 1, before: 2 },
    about: "how If-Modified-Since is compared",
  },
  absolute_redirect: { in: everywhere, kind: "flag", about: "redirects with scheme and host" },
  port_in_redirect: { in: everywhere, kind: "flag", about: "redirects with the port" },
  server_name_in_redirect: { in: everywhere, kind: "flag", about: "redirects with server_name's first name" },
  server_names_hash_max_size: { in: ["http"], kind: "ignored", args: [1, 1], about: "accepted" },
  server_names_hash_bucket_size: { in: ["http"], kind: "ignored", args: [1, 1], about: "accepted" },
  types_hash_max_size: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted" },
  types_hash_bucket_size: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted" },
  variables_hash_max_size: { in: ["http"], kind: "ignored", args: [1, 1], about: "accepted" },
  variables_hash_bucket_size: { in: ["http"], kind: "ignored", args: [1, 1], about: "accepted" },

  // ---- Lua ----
  init_by_lua: { in: ["http"], kind: "script", about: "runs once, before the workers serve" },
  init_worker_by_lua: { in: ["http"], kind: "script", about: "runs when a worker starts" },
  exit_worker_by_lua: { in: ["http"], kind: "script", about: "runs when a worker ends" },
  server_rewrite_by_lua: { in: ["http", "server"], kind: "script", about: "the server_rewrite phase" },
  rewrite_by_lua: { in: everywhere, kind: "script", about: "the rewrite phase" },
  access_by_lua: { in: everywhere, kind: "script", about: "the access phase" },
  precontent_by_lua: { in: everywhere, kind: "script", about: "the precontent phase" },
  content_by_lua: { in: ["location"], kind: "script", about: "makes the response" },
  header_filter_by_lua: { in: everywhere, kind: "script", about: "sees and changes the response header" },
  body_filter_by_lua: { in: everywhere, kind: "script", about: "sees and changes the response body" },
  log_by_lua: { in: everywhere, kind: "script", about: "runs after the response" },
  lua_package_path: { in: ["http"], kind: "string", about: "where Lua modules are looked for" },
  lua_package_cpath: { in: ["http"], kind: "string", about: "where Lua C modules are looked for" },
  lua_shared_dict: {
    in: ["http"],
    kind: "map",
    args: [2, 2],
    repeat: true,
    about: "a dictionary that all workers share",
  },
  lua_code_cache: { in: everywhere, kind: "flag", about: "off: Lua is loaded for every request" },
  lua_need_request_body: { in: everywhere, kind: "flag", about: "reads the body before Lua runs" },
  lua_use_default_type: { in: everywhere, kind: "flag", about: "default_type holds for Lua responses" },
  lua_http10_buffering: { in: everywhere, kind: "flag", about: "buffers HTTP/1.0 responses for Content-Length" },
  lua_check_client_abort: { in: everywhere, kind: "flag", about: "notices a client that has gone" },
  lua_transform_underscores_in_response_headers: {
    in: everywhere,
    kind: "flag",
    field: "lua_transform_underscores",
    about: "_ in ngx.header keys is -",
  },
  lua_max_pending_timers: { in: ["http"], kind: "number", about: "timers that may wait" },
  lua_max_running_timers: { in: ["http"], kind: "number", about: "timers that may run" },
  lua_regex_cache_max_entries: { in: ["http"], kind: "number", about: "compiled patterns kept" },
  lua_regex_match_limit: { in: ["http"], kind: "number", about: "PCRE's match limit; 0 is its own" },
  lua_thread_cache_max_entries: { in: ["http"], kind: "number", about: "coroutines kept for reuse" },
  lua_malloc_trim: { in: ["http"], kind: "number", about: "malloc_trim every so many requests" },
  lua_capture_error_log: { in: ["http"], kind: "size", about: "memory for ngx.errlog" },
  lua_load_resty_core: { in: ["http"], kind: "ignored", args: [1, 1], about: "accepted" },
  lua_sa_restart: { in: ["http"], kind: "ignored", args: [1, 1], about: "accepted" },
  lua_socket_log_errors: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted; cosockets come later" },
  lua_socket_connect_timeout: {
    in: everywhere,
    kind: "ignored",
    args: [1, 1],
    about: "accepted; cosockets come later",
  },
  lua_socket_send_timeout: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted; cosockets come later" },
  lua_socket_read_timeout: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted; cosockets come later" },
  lua_socket_buffer_size: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted; cosockets come later" },
  lua_socket_pool_size: { in: everywhere, kind: "ignored", args: [1, 1], about: "accepted; cosockets come later" },
  lua_socket_keepalive_timeout: {
    in: everywhere,
    kind: "ignored",
    args: [1, 1],
    about: "accepted; cosockets come later",
  },
  rewrite_by_lua_no_postpone: { in: ["http"], kind: "flag", about: "rewrite_by_lua before the rewrite module" },
  access_by_lua_no_postpone: { in: ["http"], kind: "flag", about: "access_by_lua before the other access checks" },
  precontent_by_lua_no_postpone: { in: ["http"], kind: "flag", about: "precontent_by_lua before try_files" },
  lua_strict_phases: { in: ["http"], kind: "flag", about: "refuses what OpenResty refuses, phase by phase" },
} as const satisfies Record<string, Spec>;

export type DirectiveName = keyof typeof directives;

/** The spec of a directive, or undefined when there is none of that name. */
export function specOf(name: string): Spec | undefined {
  return Object.hasOwn(directives, name) ? directives[name as DirectiveName] : undefined;
}

/** Splits `content_by_lua_block` into the script directive's name and its form. */
export function scriptOf(name: string): { name: string; form: "string" | "block" | "file" } | undefined {
  const m = /^(\w+_by_lua)(?:_(block|file))?$/.exec(name);
  if (!m || specOf(m[1]!)?.kind !== "script") return undefined;
  return { name: m[1]!, form: (m[2] as "block" | "file" | undefined) ?? "string" };
}
