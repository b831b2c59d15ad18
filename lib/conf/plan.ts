// SPDX-License-Identifier: MIT
// The plan as TypeScript builds it: the structs of native/config.h by their members' names, every one of them. The defaults
// are those of the directive table; plan_decode() has none and refuses a plan that leaves a member out.
import type { LimitZone } from "./directives/limit.js";
import type { CachePath } from "./directives/proxy-cache.js";
import type { Place } from "./tree.js";

/** A text with variables: a constant, or its parts. */
export type ComplexValue = string | (string | { var: number } | { capture: number })[];

export interface SourcePos {
  file: string;
  line: number;
  column: number;
  path: string;
}

/** A place as the plan has it. */
export function posOf({ file, line, column, path = "" }: Place): SourcePos {
  return { file, line, column, path };
}

export interface Script {
  chunkname: string;
  source: string;
  path: ComplexValue;
  is_file: boolean;
  is_set: boolean;
  pos: SourcePos;
}

export interface ErrorLog {
  path: string;
  level: number;
  pos: SourcePos;
}

/** Members of LocationConf that something reads back; the rest goes through by name. */
export interface LocationConf {
  [member: string]: unknown;
  scripts: number[];
}

export interface Location {
  match: number;
  name: string;
  conf: LocationConf;
  children: Location[];
  pos: SourcePos;
}

export interface ServerConf {
  [member: string]: unknown;
  names: { kind: number; name: string; pos: SourcePos }[];
  primary_name: string;
  conf: LocationConf;
  locations: Location[];
  is_stream: boolean;
  pos: SourcePos;
}

export interface Listen {
  address: string;
  servers: number[];
  default_server: number;
  backlog: number;
  ipv6only: boolean;
  reuseport: boolean;
  tcp_nodelay: boolean;
  proxy_protocol: boolean;
  pos: SourcePos;
}

export interface Plan {
  [member: string]: unknown;
  conf_file: string;
  product: string;
  prefix: string;
  variables: string[];
  user_variables: number[];
  unset_variables: number[];
  scripts: Script[];
  types: Record<string, string>[];
  log_formats: { name: string; format: ComplexValue; escape: number }[];
  shared_dicts: { name: string; size: number }[];
  limit_zones: LimitZone[];
  /** Lists of upstreams that set_hashed_upstream chooses from. */
  upstream_lists: { name: string; upstreams: string[] }[];
  cache_paths: CachePath[];
  /** Members of LogCacheConf. */
  log_caches: Record<string, number>[];
  error_logs: ErrorLog[];
  env: string[];
  hides_env: boolean;
  /** Members of UpstreamGroup of config.h. */
  upstreams: { [member: string]: unknown; name: string; servers: Record<string, unknown>[] }[];
  /** Members of UpstreamConf. */
  upstream_confs: Record<string, unknown>[];
  /** What `if` blocks of locations say. */
  if_confs: LocationConf[];
  /** What the http block says. */
  http_conf: LocationConf;
  /** Members of MapConf. */
  maps: Record<string, unknown>[];
  /** Members of GeoConf. */
  geos: Record<string, unknown>[];
  /** Members of SplitConf. */
  splits: Record<string, unknown>[];
  /** Charsets that the configuration names, lower case. */
  charsets: string[];
  /** Members of CharsetMap. */
  charset_maps: { from: string; to: string; is_utf8: boolean; pairs: [number, number][] }[];
  regexes: { pattern: string; is_icase: boolean; pos: SourcePos }[];
  servers: ServerConf[];
  listens: Listen[];
  /** moonwire_status stands somewhere. */
  has_status: boolean;
}

/** LuaPhase of config.h: the index of a location's scripts. */
export const phases = [
  "server_rewrite",
  "rewrite",
  "access",
  "precontent",
  "content",
  "header_filter",
  "body_filter",
  "log",
];
/** Location::Match of config.h. */
export const match = { "=": 0, "": 1, "^~": 2, "~": 3, "~*": 4, "@": 5 } as const;
/** LogLevel of config.h. */
export const logLevels = ["stderr", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"] as const;
/** ServerName::Kind of config.h. */
export const nameKind = { exact: 0, wildcardStart: 1, wildcardEnd: 2, regex: 3 };

/** nginx's own default of `types`. */
export const defaultTypes: Record<string, string> = { html: "text/html", gif: "image/gif", jpg: "image/jpeg" };
/** nginx's log format "combined". */
export const combined =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';
