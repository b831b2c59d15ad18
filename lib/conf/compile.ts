// SPDX-License-Identifier: MIT
// The tree of directives into the plan: checks every directive against the table in nginx's order, applies its inheritance,
// and notes every mistake.
import type { DrizzleUpstream } from "./directives/drizzle.js";
import { checkLimitZones } from "./directives/limit.js";
import { checkCaches } from "./directives/proxy-cache.js";
import { tmpdir } from "node:os";
import { upstreamDefaults } from "./upstream-pass.js";
import { directives, scriptOf, specOf } from "./directives/index.js";
import { plainAccessLog } from "./directives/log.js";
import { workerCount } from "./directives/main.js";
import { readIf } from "./directives/rewrite.js";
import {
  ephemeralListens,
  Listens,
  overrideListens,
  warnOfConflicts,
  type ListenBuild,
  type NamedAt,
} from "./listen.js";
import { readLocations } from "./locations.js";
import { misuse } from "./misuse.js";
import {
  combined,
  defaultTypes,
  logLevels,
  phases,
  posOf,
  type ComplexValue,
  type LocationConf,
  type Plan,
} from "./plan.js";
import { readScript, type Chunk } from "./script.js";
import { isAllowedIn, storeOf, type Context, type Spec } from "./spec.js";
import type { Directive, Place, Problems, Word } from "./tree.js";
import { checkUpstreamZones, readUpstream } from "./upstream.js";
import { isBuiltinVariable } from "./variables.js";
import { parseSize, parseText, parseTime } from "./words.js";

/** The nginx whose behaviour and configuration this server has; ngx.config.nginx_version says the same. */
export const nginxVersion = "1.29.2";

/** What the command line says over the configuration. */
export interface Overrides {
  port?: number;
  host?: string;
  workers?: number | "auto";
  /** Every listen becomes a port of its own on 127.0.0.1, which the system chooses. */
  ephemeral?: boolean;
  /** The one error log, whatever the blocks of the configuration say. */
  errorLog?: { path: string; level: (typeof logLevels)[number] };
}

/** Settings of one block: what is its own, on top of what it inherits. */
export interface Level {
  readonly context: Context;
  /** Inside a named location. */
  readonly isNamed: boolean;
  /** LocationConf::alias where `alias` stands in this block. */
  readonly aliasSize: number;
  /** Members of LocationConf. */
  readonly conf: LocationConf;
  /** Members of ServerConf that http may set. */
  readonly server: Record<string, unknown>;
  /** Members of UpstreamConf, for the proxy_pass that may stand in this block. */
  readonly upstream: Record<string, unknown>;
  /** Done when the block has been read. */
  readonly atEnd: (() => void)[];
  /** Done after that: the `if` blocks inside, which take all that the block says. */
  readonly later: (() => void)[];
  /** Lists begun in this block, and the directive that began them: an inherited list is replaced, not extended. */
  readonly own: Map<string, string>;
}

/** The server block being read. */
interface ServerBuild {
  names: NamedAt[];
  primary: string | undefined;
  listens: ListenBuild[];
}

export interface CompilerOptions {
  confFile: string;
  prefix: string;
  /** Whose places logs and temporary files have where the configuration says nothing. */
  defaults: "nginx" | "moonwire";
  /** The error log where the configuration names none. */
  errorLog: string | undefined;
  /** Lua files are read as well, for their syntax to be checked. */
  hasCheck: boolean;
}

export class Compiler {
  readonly plan: Plan;
  /** What the control plane itself uses: daemon, master_process, pid. */
  readonly control: Record<string, unknown> = {};
  readonly problems: Problems;
  /** What the log is to be told of a configuration that is served all the same. */
  readonly alerts: (Place & { message: string })[] = [];
  readonly hasCheck: boolean;
  /** The caller says where errors are logged: what the configuration says of that is checked, but not used. */
  hasErrorLog = false;
  /** The Lua chunks that are there to check. */
  readonly chunks: Chunk[] = [];
  server: ServerBuild | undefined;
  /** Members of UpstreamConf where no directive says anything. */
  upstreamDefaults: Readonly<Record<string, unknown>> = {};
  /** Upstream blocks of MySQL servers, and what each drizzle_pass does once all of them are known. */
  readonly drizzleUpstreams = new Map<string, DrizzleUpstream>();
  readonly drizzlePasses: (() => void)[] = [];
  /** Zones of upstream blocks by name; a size of 0: not said yet. */
  readonly upstreamZones = new Map<string, { size: number; at: Place }>();
  /** Access logs by the file that they write to. */
  readonly accessLogs = new Map<string, { path: unknown; buffer: number; flush: number; gzip: number }[]>();
  /** What can be checked only when everything has been read. */
  readonly lastChecks: (() => void)[] = [];
  readonly #defaults: CompilerOptions["defaults"];
  readonly #errorLog: string | undefined;
  readonly #listens: Listens;
  readonly #names: NamedAt[][] = [];
  readonly #variables = new Map<string, number>();
  readonly #used = new Map<string, Place>();
  readonly #declared = new Set<string>();

  constructor(problems: Problems, options: CompilerOptions) {
    this.problems = problems;
    this.hasCheck = options.hasCheck;
    this.#defaults = options.defaults;
    this.#errorLog = options.errorLog;
    this.#listens = new Listens(problems);
    this.plan = {
      conf_file: options.confFile,
      product: options.defaults === "nginx" ? `nginx/${nginxVersion}` : "",
      prefix: options.prefix.endsWith("/") ? options.prefix : `${options.prefix}/`,
      variables: [],
      user_variables: [],
      unset_variables: [],
      scripts: [],
      types: [defaultTypes],
      log_formats: [],
      shared_dicts: [],
      limit_zones: [],
      upstream_lists: [],
      cache_paths: [],
      log_caches: [],
      error_logs: [],
      env: [],
      worker_cpu_auto: false,
      hides_env: options.defaults === "nginx",
      upstreams: [],
      upstream_confs: [],
      if_confs: [],
      http_conf: { scripts: [] },
      regexes: [],
      maps: [],
      geos: [],
      splits: [],
      charset_maps: [],
      charsets: [],
      servers: [],
      listens: [],
      has_status: false,
    };
    this.plan.log_formats.push({ name: "combined", format: this.text(combined, nowhere) ?? "", escape: 0 });
  }

  /** Compiles the whole tree. */
  main(tree: Directive[], overrides: Overrides): void {
    this.hasErrorLog = overrides.errorLog !== undefined;
    const outermost = this.#outermost();
    this.plan.http_conf = outermost.conf;
    this.block(tree, outermost);
    this.plan.listens = this.#listens.list;
    if (overrides.errorLog) {
      const { path, level } = overrides.errorLog;
      this.plan.error_logs = [{ path, level: logLevels.indexOf(level), pos: posOf(nowhere) }];
    } else if (this.plan.error_logs.every(({ path }) => path.startsWith("syslog:"))) {
      const path = this.#errorLog ?? (this.#defaults === "nginx" ? this.path("logs/error.log") : "stderr");
      this.plan.error_logs.push({ path, level: 4, pos: posOf(nowhere) });
    }
    if (overrides.workers !== undefined) this.plan["worker_processes"] = workerCount(String(overrides.workers)) ?? 1;
    if (overrides.port !== undefined || overrides.host !== undefined)
      this.plan.listens = overrideListens(this.plan.listens, this.plan.servers, overrides);
    if (overrides.ephemeral) this.plan.listens = ephemeralListens(this.plan.listens);
    checkLimitZones(this);
    checkCaches(this);
    checkUpstreamZones(this);
    for (const finish of this.drizzlePasses) finish();
    for (const check of this.lastChecks) check();
    warnOfConflicts(this.plan.listens, this.#names, this.problems);
    for (const [name, at] of this.#used)
      if (!this.#declared.has(name) && !isBuiltinVariable(name)) this.problems.add(at, `unknown "${name}" variable`);
  }

  /** The directives of a block, each checked and read; of an `if` in two parts, the rewrite module's and the others. */
  block(tree: Directive[], level: Level, part: "all" | "rewrite" | "others" = "all"): void {
    const seen = new Set<string>();
    for (const d of inOrder(tree, level.context)) {
      const script = scriptOf(d.name);
      const name = script?.name ?? d.name;
      const spec = specOf(name);
      if (part !== "all" && (spec?.isRewrite === true) !== (part === "rewrite")) continue;
      if (d.isBroken) {
        // Its words are not to be trusted; what its block says may be.
        if (spec?.kind !== "block" || !isAllowedIn(spec, name, level.context) || !d.block) continue;
      } else {
        const problem = spec
          ? misuse(d, spec, name, script?.form, level.context, seen.has(name))
          : `unknown directive "${d.name}"`;
        seen.add(name);
        if (problem !== undefined) {
          this.problems.add(d, problem);
          continue;
        }
      }
      this.#directive(d, name, spec!, level);
    }
    for (const done of level.atEnd) done();
    if (part === "rewrite") return;
    for (const done of level.later) done();
  }

  /** A block inside a block: takes what its directives pass on. */
  inner(level: Level, context: Context, isNamed = false, aliasSize = level.aliasSize): Level {
    const conf: LocationConf = { ...level.conf, ...notInherited(), scripts: [...level.conf.scripts] };
    conf.scripts[phases.indexOf("content")] = -1;
    return {
      context,
      isNamed,
      aliasSize,
      conf,
      server: { ...level.server },
      upstream: { ...level.upstream },
      atEnd: [],
      later: [],
      own: new Map(),
    };
  }

  /** An `if` inside a block: takes everything. */
  inIf(level: Level, context: Context): Level {
    const conf: LocationConf = { ...level.conf, has_try_files: false, scripts: [...level.conf.scripts] };
    return { ...this.inner(level, context, level.isNamed), conf };
  }

  /** The index of a regex; the variables of its named groups are declared. */
  regex(pattern: string, is_icase: boolean, at: Place): number {
    this.declareGroups(pattern, at);
    return this.plan.regexes.push({ pattern, is_icase, pos: posOf(at) }) - 1;
  }

  /** Adds to a list of LocationConf that replaces an inherited one; without an item only begins it. */
  push(level: Level, member: string, ...items: unknown[]): void {
    if (!level.own.has(member)) level.conf[member] = [];
    level.own.set(member, member);
    (level.conf[member] as unknown[]).push(...items);
  }

  /** A file name as configured, below the prefix where it is relative. */
  path(name: string): string {
    return name.startsWith("/") ? name : this.plan.prefix + name;
  }

  /** The bytes that a word means; undefined, with the mistake noted, where it means none. */
  size(word: Word): number | undefined {
    const bytes = parseSize(word.text);
    if (bytes === undefined) this.problems.add(word, `invalid value "${word.text}"`);
    return bytes;
  }

  /** The index of a variable that a text uses. */
  variable(name: string, at: Place): number {
    let index = this.#variables.get(name);
    if (index === undefined) {
      index = this.plan.variables.push(name) - 1;
      this.#variables.set(name, index);
    }
    if (at !== nowhere && !this.#used.has(name)) this.#used.set(name, at);
    return index;
  }

  /** The index of a variable that `set` declares. */
  declare(name: string, at: Place): number {
    const index = this.variable(name, at);
    if (!this.#declared.has(name)) this.plan.user_variables.push(index);
    this.#declared.add(name);
    return index;
  }

  /** The same of one that has no value until a module gives it one; an uninitialized one of `set` is empty, with a warning. */
  declareUnset(name: string, at: Place): number {
    const index = this.declare(name, at);
    if (!this.plan.unset_variables.includes(index)) this.plan.unset_variables.push(index);
    return index;
  }

  /** Declares the variables that a regex's named groups set. */
  declareGroups(pattern: string, at: Place): void {
    for (const m of pattern.matchAll(/\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/g)) {
      const name = (m[1] ?? m[2])!.toLowerCase();
      if (!isBuiltinVariable(name)) this.declareUnset(name, at);
    }
  }

  /** A text with variables; undefined, with the mistake noted, where it is none. */
  text(source: string, at: Place): ComplexValue | undefined {
    const parts = parseText(source);
    if (typeof parts === "string") return void this.problems.add(at, parts);
    if (parts.length === 1 && typeof parts[0] === "string") return parts[0];
    return parts.map((p) => {
      if (typeof p === "string") return p;
      return "capture" in p ? { var: -1, capture: p.capture } : { var: this.variable(p.variable, at), capture: -1 };
    });
  }

  // Every default of the table, in its order: the members of the plan's structs always stand in one order.
  #outermost(): Level {
    const level: Level = {
      context: "main",
      isNamed: false,
      aliasSize: 0,
      conf: { scripts: phases.map(() => -1), ...notInherited(), types: 0 },
      server: {},
      upstream: { ...upstreamDefaults },
      atEnd: [],
      later: [],
      own: new Map(),
    };
    for (const [name, spec] of Object.entries<Spec>(directives)) {
      if (spec.initial !== undefined) this.#set(level, spec, spec.member ?? name, copyOf(spec.initial));
      if (spec.default === undefined) continue;
      const text = name === "client_body_temp_path" && this.#defaults === "moonwire" ? tmpdir() : spec.default;
      const args = (text === "" ? [""] : text.split(" ")).map((word) => ({ ...nowhere, text: word }));
      this.#directive({ ...nowhere, name, args }, name, spec, level);
    }
    if (this.#defaults === "nginx")
      level.conf["access_logs"] = [
        { path: this.path("logs/access.log"), format: 0, ...plainAccessLog, pos: posOf(nowhere) },
      ];
    level.own.clear();
    this.upstreamDefaults = { ...level.upstream };
    return level;
  }

  #directive(d: Directive, name: string, spec: Spec, level: Level): void {
    if (spec.kind === "block" && !spec.read) return this.#nested(d, level);
    if (spec.read) return spec.read(this, d, level);
    if (spec.kind === "script") return this.#script(d, name, spec, level);
    const v = this.#value(d, spec);
    if (v === undefined) return;
    const alert = spec.alert?.(v);
    if (alert !== undefined && d.line > 0) this.alerts.push({ ...d, message: alert });
    this.#set(level, spec, spec.member ?? name, v);
  }

  // What the words of a simple directive mean; undefined, with the mistake noted, where they mean nothing.
  #value(d: Directive, spec: Spec): unknown {
    const word = d.args[0]!;
    const invalid = (what: string) => void this.problems.add(d, `"${d.name}" directive ${what}`);
    switch (spec.kind) {
      case "flag":
        if (/^(on|off)$/i.test(word.text)) return word.text.toLowerCase() === "on";
        return void this.problems.add(
          word,
          `invalid value "${word.text}" in "${d.name}" directive, it must be "on" or "off"`,
        );
      case "number":
        if (!/^\d{1,9}$/.test(word.text)) return invalid("invalid number");
        if (spec.range && (Number(word.text) < spec.range[0] || Number(word.text) > spec.range[1]))
          return void this.problems.add(d, `value must be between ${spec.range[0]} and ${spec.range[1]}`);
        return Number(word.text);
      case "size":
      case "offset":
        return parseSize(word.text, spec.kind === "offset") ?? invalid("invalid value");
      case "time":
        return parseTime(word.text) ?? invalid("invalid value");
      case "enum":
        if (Object.hasOwn(spec.values!, word.text)) return spec.values![word.text];
        return void this.problems.add(word, `invalid value "${word.text}"`);
      case "path":
        return this.path(word.text);
      case "complex":
        return this.text(word.text, word);
      case "words":
        return spec.store === "none" ? null : d.args.map((a) => this.text(a.text, a) ?? "");
      default:
        return word.text;
    }
  }

  #set(level: Level, spec: Spec, member: string, v: unknown): void {
    const store = storeOf(spec);
    if (store === "location") level.conf[member] = v;
    else if (store === "server") level.server[member] = v;
    else if (store === "upstream") level.upstream[member] = v;
    else if (store === "control") this.control[member] = v;
    else if (store === "plan") this.plan[member] = v;
  }

  #script(d: Directive, name: string, spec: Spec, level: Level): void {
    if (spec.read) return spec.read(this, d, level);
    const script = readScript(this, d, name);
    if (!script) return;
    const index = this.plan.scripts.push(script) - 1;
    const phase = phases.indexOf(name.replace(/_by_lua$/, ""));
    if (phase < 0) this.plan[spec.member!] = index;
    else level.conf.scripts[phase] = index;
  }

  #nested(d: Directive, level: Level): void {
    if (d.name === "location") return; // read after the other directives of the block around it
    if (d.name === "server") return level.context === "stream" ? this.#streamServer(d, level) : this.#server(d, level);
    if (d.name === "upstream") return readUpstream(this, d);
    if (d.name === "if") return readIf(this, d, level);
    const inner = this.inner(level, d.name as Context);
    if (d.name === "http") this.plan.http_conf = inner.conf;
    if (d.name === "stream") inner.conf["access_logs"] = [];
    this.block(d.block!, inner);
  }

  #server(d: Directive, level: Level): void {
    const inner = this.inner(level, "server");
    const build: ServerBuild = { names: [], primary: undefined, listens: [] };
    this.server = build;
    this.block(d.block!, inner);
    const locations = readLocations(this, d.block!, inner);
    this.server = undefined;
    if (build.names.length === 0) build.names.push({ kind: 0, name: "", text: "", at: d });
    const names = build.names.map(({ kind, name, at }) => ({ kind, name, pos: posOf(at) }));
    const pos = posOf(d);
    const primary_name = build.primary ?? "";
    const { conf } = inner;
    const index =
      this.plan.servers.push({ ...inner.server, names, primary_name, conf, locations, is_stream: false, pos }) - 1;
    this.#names[index] = build.names;
    // A listen with a mistake does not mean the default port.
    const isSilent = !d.block!.some((inside) => inside.name === "listen");
    if (isSilent || build.listens.length > 0) this.#listens.add(build.listens, index, d);
  }

  // A server of the stream block: its connections are for its Lua code, whole.
  #streamServer(d: Directive, level: Level): void {
    const inner = this.inner(level, "stream_server");
    const build: ServerBuild = { names: [], primary: undefined, listens: [] };
    this.server = build;
    this.block(d.block!, inner);
    this.server = undefined;
    if (!d.block!.some(({ name }) => name === "listen"))
      return this.problems.add(d, 'no "listen" is defined for server of the "stream" block');
    if (!d.block!.some(({ name }) => name.startsWith("content_by_lua")))
      return this.problems.add(d, "no handler for server");
    const names = [{ kind: 0, name: "", pos: posOf(d) }];
    const pos = posOf(d);
    const { conf } = inner;
    const index =
      this.plan.servers.push({
        ...inner.server,
        names,
        primary_name: "",
        conf,
        locations: [],
        is_stream: true,
        pos,
      }) - 1;
    this.#names[index] = [];
    this.#listens.addStream(build.listens, index);
  }
}

/** A place that messages leave out. */
export const nowhere: Place = { file: "", line: 0, column: 0 };

// Members of LocationConf that a block does not take from the one around it.
function notInherited(): Record<string, unknown> {
  const out: Record<string, unknown> = { has_try_files: false, limit_except_conf: -1 };
  for (const [name, spec] of ownValues) out[spec.member ?? name] = copyOf(spec.initial);
  return out;
}

// Lists are added to; what they hold is never changed.
function copyOf(v: unknown): unknown {
  return Array.isArray(v) ? [...(v as unknown[])] : v;
}

const ownValues = Object.entries<Spec>(directives).filter(([, s]) => s.merge === "none" && s.initial !== undefined);

// Formats are named before they are used, wherever they stand; servers see all that http says.
function inOrder(block: Directive[], context: Context): Directive[] {
  if (context === "http") {
    const rank = (d: Directive) => (d.name === "log_format" || d.name === "upstream" ? 0 : d.name === "server" ? 2 : 1);
    return block.toSorted((a, b) => rank(a) - rank(b));
  }
  return block;
}
