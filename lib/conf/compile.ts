// SPDX-License-Identifier: MIT
// The tree of directives into the plan: checks every directive against the table, applies nginx's inheritance, and notes
// every mistake. One reader a kind of directive; those whose words are their own are in readers.ts.
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { availableParallelism, tmpdir } from "node:os";
import { scriptOf, specOf, type Context, type Spec } from "./directives.js";
import {
  combined,
  defaultTypes,
  match,
  phases,
  type ComplexValue,
  type Listen,
  type Location,
  type LocationConf,
  type Plan,
} from "./plan.js";
import { readers } from "./readers.js";
import type { Directive, Place, Problems, Word } from "./tree.js";
import { isBuiltinVariable } from "./variables.js";
import { parseSize, parseText, parseTime } from "./words.js";

/** What the command line says over the configuration. */
export interface Overrides {
  port?: number;
  host?: string;
  workers?: number | "auto";
}

/** Settings of one block: what is its own, on top of what it inherits. */
export interface Level {
  readonly context: Context;
  /** Members of LocationConf. */
  readonly conf: LocationConf;
  /** Members of ServerConf that http may set. */
  readonly server: Record<string, unknown>;
  /** Lists begun in this block; a list that is inherited is replaced, not extended. */
  readonly own: Set<string>;
}

interface ServerBuild {
  names: { kind: number; name: string }[];
  primary: string | undefined;
  listens: { address: string; params: Record<string, unknown>; isDefault: boolean; at: Place }[];
}

const serverMembers = new Set([
  "client_header_timeout",
  "client_header_buffer_size",
  "underscores_in_headers",
  "ignore_invalid_headers",
]);
/** Members of LocationConf that a block does not take from the one around it. */
const notInherited = ["rewrite", "internal", "has_try_files", "try_files"];

export class Compiler {
  readonly plan: Plan;
  readonly problems: Problems;
  server: ServerBuild | undefined;
  readonly #variables = new Map<string, number>();
  readonly #used = new Map<string, Place>();
  readonly #declared = new Set<string>();

  constructor(problems: Problems, confFile: string, prefix: string) {
    this.problems = problems;
    this.plan = {
      conf_file: confFile,
      prefix: prefix.endsWith("/") ? prefix : `${prefix}/`,
      variables: [],
      user_variables: [],
      scripts: [],
      types: [defaultTypes],
      log_formats: [],
      shared_dicts: [],
      error_logs: [],
      env: [],
      servers: [],
      listens: [],
    };
    this.plan.log_formats.push({ name: "combined", format: this.text(combined, nowhere) ?? "", escape: 0 });
  }

  /** Compiles the whole tree. */
  main(tree: Directive[], overrides: Overrides): void {
    const hasLogs = existsSync(join(this.plan.prefix, "logs")); // nginx's own places, where they are there
    const conf: LocationConf = {
      scripts: phases.map(() => -1),
      root: join(this.plan.prefix, "html"),
      index: ["index.html"],
      types: 0,
      client_body_temp_path: tmpdir(),
      access_logs: hasLogs ? [{ path: join(this.plan.prefix, "logs/access.log"), format: 0 }] : [],
    };
    this.block(tree, { context: "main", conf, server: {}, own: new Set() });
    if (this.plan.error_logs.length === 0)
      this.plan.error_logs.push({ path: hasLogs ? join(this.plan.prefix, "logs/error.log") : "stderr", level: 4 });
    if (overrides.workers !== undefined) this.workers(overrides.workers);
    if (overrides.port !== undefined || overrides.host !== undefined) this.#override(overrides);
    for (const [name, at] of this.#used)
      if (!this.#declared.has(name) && !isBuiltinVariable(name)) this.problems.add(at, `unknown "${name}" variable`);
  }

  workers(n: number | "auto"): void {
    this.plan["worker_processes"] = n === "auto" ? cores() : n;
  }

  /** The directives of a block, each checked and read. */
  block(tree: Directive[], level: Level): void {
    const seen = new Set<string>();
    for (const d of tree) {
      const script = scriptOf(d.name);
      const name = script?.name ?? d.name;
      const spec = specOf(name);
      const problem = spec
        ? this.#misuse(d, spec, script?.form, level, seen.has(name))
        : `unknown directive "${d.name}"`;
      seen.add(name);
      if (problem !== undefined) this.problems.add(d, problem);
      else this.#directive(d, name, spec!, level);
    }
  }

  // nginx's order of checks.
  #misuse(d: Directive, spec: Spec, form: string | undefined, level: Level, isRepeated: boolean): string | undefined {
    if (!spec.in.includes(level.context)) return `"${d.name}" directive is not allowed here`;
    const isBlock = spec.kind === "block";
    if (isBlock && !d.block) return `directive "${d.name}" has no opening "{"`;
    if (form === "block" && d.lua === undefined) return `directive "${d.name}" has no opening "{"`;
    if (!isBlock && d.block) return `directive "${d.name}" is not terminated by ";"`;
    const words = form === "block" ? 0 : 1;
    const [low, high] = spec.args ?? (isBlock ? [0, 0] : form === undefined ? [1, 1] : [words, words]);
    if (d.args.length < low || d.args.length > high) return `invalid number of arguments in "${d.name}" directive`;
    if (isRepeated && !spec.repeat) return `"${d.name}" directive is duplicate`;
    return undefined;
  }

  #directive(d: Directive, name: string, spec: Spec, level: Level): void {
    const member = spec.field ?? name;
    const word = d.args[0]?.text ?? "";
    const invalid = () => this.problems.add(d, `"${d.name}" directive invalid value`);
    const set = (v: unknown) => (v === undefined ? invalid() : this.set(level, spec, member, v));
    switch (spec.kind) {
      case "ignored":
        return;
      case "flag":
        if (word !== "on" && word !== "off")
          return this.problems.add(d, `invalid value "${word}" in "${d.name}" directive, it must be "on" or "off"`);
        return set(word === "on");
      case "number":
        return /^\d{1,9}$/.test(word) ? set(Number(word)) : this.problems.add(d, "invalid number");
      case "size":
      case "offset":
        return set(parseSize(word, spec.kind === "offset"));
      case "time":
        return set(parseTime(word));
      case "enum": {
        const v = spec.values?.[word];
        if (v === undefined) return this.problems.add(d, `invalid value "${word}"`);
        return set(member === "server_tokens" || member === "client_body_in_file_only" ? v !== 0 : v);
      }
      case "string":
        return set(member === "client_body_temp_path" ? this.path(word) : word);
      case "complex":
        return this.#folder(d, member, level);
      case "words":
        return set(d.args.map((a) => this.text(a.text, a) ?? ""));
      case "script":
        return this.#script(d, name, level);
      case "map":
        return this.#sharedDict(d);
      case "block":
        return this.#nested(d, level);
      case "own":
        return readers[name]!(this, d, level);
    }
  }

  /** Sets a member of the plan, the server or the location, whichever has it. */
  set(level: Level, spec: Spec, member: string, v: unknown): void {
    if (serverMembers.has(member)) level.server[member] = v;
    else if (spec.in.some((c) => c === "server" || c === "location")) level.conf[member] = v;
    else this.plan[member] = v;
  }

  /** Adds to a list of LocationConf that replaces an inherited one. */
  push(level: Level, member: string, item: unknown): void {
    if (!level.own.has(member)) level.conf[member] = [];
    level.own.add(member);
    (level.conf[member] as unknown[]).push(item);
  }

  /** A file name as configured, below the prefix where it is relative. */
  path(name: string): string {
    return resolve(this.plan.prefix, name);
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

  /** A text with variables; undefined, with the mistake noted, where it is none. */
  text(source: string, at: Place): ComplexValue | undefined {
    const parts = parseText(source);
    if (typeof parts === "string") return void this.problems.add(at, `${parts} in "${source}"`);
    if (parts.length === 1 && typeof parts[0] === "string") return parts[0];
    return parts.map((p) => (typeof p === "string" || "capture" in p ? p : { var: this.variable(p.variable, at) }));
  }

  #folder(d: Directive, member: string, level: Level): void {
    const word = d.args[0]!;
    const text = this.text(word.text.startsWith("$") ? word.text : this.path(word.text), word);
    const isAlias = member === "alias";
    if (level.own.has("root")) return this.problems.add(d, `"${d.name}" directive is duplicate`);
    level.own.add("root");
    level.conf["root"] = text === undefined ? "" : isAlias && word.text.endsWith("/") ? withSlash(text) : text;
    level.conf["is_alias"] = isAlias;
  }

  #script(d: Directive, name: string, level: Level): void {
    const isFile = d.name.endsWith("_file");
    const pos = { file: d.file, line: d.line };
    const where = d.line > 0 ? `${basename(d.file)}:${d.line}` : basename(d.file || "config");
    let index: number;
    if (isFile) {
      const word = d.args[0]!;
      const path = this.text(word.text.startsWith("$") ? word.text : this.path(word.text), word);
      if (path === undefined) return;
      const chunkname = typeof path === "string" ? `@${path}` : `=${name}`;
      index = this.plan.scripts.push({ chunkname, path, is_file: true, pos }) - 1;
    } else {
      const source = d.lua ?? d.args[0]?.text ?? "";
      index = this.plan.scripts.push({ chunkname: `=${name}(${where})`, source, is_file: false, pos }) - 1;
    }
    const phase = phases.indexOf(name.replace(/_by_lua$/, ""));
    if (phase < 0) this.plan[name.replace(/_by_lua$/, "_script")] = index;
    else level.conf.scripts[phase] = index;
  }

  #sharedDict(d: Directive): void {
    const [name, size] = d.args as [Word, Word];
    const bytes = parseSize(size.text, true);
    if (bytes === undefined || bytes < 8191) return this.problems.add(d, `invalid lua shared dict size "${size.text}"`);
    if (this.plan.shared_dicts.some((s) => s.name === name.text))
      return this.problems.add(d, `lua_shared_dict "${name.text}" is already defined as "${name.text}"`);
    this.plan.shared_dicts.push({ name: name.text, size: bytes });
  }

  #nested(d: Directive, level: Level): void {
    if (d.name === "types") return this.#types(d, level);
    if (d.name === "location") return; // read by the block around it, after its other directives
    const conf: LocationConf = { ...level.conf, scripts: [...level.conf.scripts] };
    for (const member of notInherited) delete conf[member];
    const inner: Level = { context: d.name as Context, conf, server: { ...level.server }, own: new Set() };
    if (d.name !== "server") {
      this.block(orderly(d.block!), inner);
      return;
    }
    const server: ServerBuild = { names: [], primary: undefined, listens: [] };
    this.server = server;
    this.block(d.block!, inner);
    const locations = this.#locations(d.block!, inner, undefined);
    const names = server.names.length > 0 ? server.names : [{ kind: 0, name: "" }];
    const pos = { file: d.file, line: d.line };
    const index =
      this.plan.servers.push({
        ...inner.server,
        names,
        primary_name: server.primary ?? "",
        conf: inner.conf,
        locations,
        pos,
      }) - 1;
    this.#listens(server, index, d);
    this.server = undefined;
  }

  #locations(tree: Directive[], level: Level, parent: Location | undefined): Location[] {
    const out: Location[] = [];
    for (const d of tree) {
      if (d.name !== "location" || !d.block || d.args.length < 1 || d.args.length > 2) continue;
      const location = this.#location(d, level, parent);
      if (!location) continue;
      if (location.match < match["~"] || location.match === match["@"]) {
        const kind = (l: Location) => (l.match === match["^~"] ? match[""] : l.match);
        if (out.some((l) => l.name === location.name && kind(l) === kind(location)))
          this.problems.add(d, `duplicate location "${location.name}"`);
      }
      out.push(location);
    }
    return out;
  }

  #location(d: Directive, level: Level, parent: Location | undefined): Location | undefined {
    const [modifier, name] = locationName(d);
    const kind = match[modifier as keyof typeof match];
    if (kind === undefined) return void this.problems.add(d, `invalid location modifier "${modifier}"`);
    if (parent) {
      const quote = `location "${name}"`;
      if (parent.match === match["="])
        this.problems.add(d, `${quote} cannot be inside the exact location "${parent.name}"`);
      else if (parent.match === match["@"])
        this.problems.add(d, `${quote} cannot be inside the named location "${parent.name}"`);
      else if (kind === match["@"]) this.problems.add(d, `named ${quote} can be on the server level only`);
      else if (kind < match["~"] && parent.match < match["~"] && !name.startsWith(parent.name))
        this.problems.add(d, `${quote} is outside location "${parent.name}"`);
    }
    const conf: LocationConf = { ...level.conf, scripts: [...level.conf.scripts] };
    for (const member of notInherited) delete conf[member];
    conf.scripts[phases.indexOf("content")] = -1;
    const inner: Level = { context: "location", conf, server: {}, own: new Set() };
    const location: Location = { match: kind, name, conf, children: [], pos: { file: d.file, line: d.line } };
    this.block(d.block!, inner);
    location.children = this.#locations(d.block!, inner, location);
    return location;
  }

  #types(d: Directive, level: Level): void {
    const map: Record<string, string> = {};
    for (const entry of d.block!) for (const word of entry.args) map[word.text.toLowerCase()] = entry.name;
    level.conf["types"] = this.plan.types.push(map) - 1;
  }

  #listens(server: ServerBuild, index: number, d: Directive): void {
    if (server.listens.length === 0) {
      const port = process.getuid?.() === 0 ? 80 : 8000;
      server.listens.push({ address: `0.0.0.0:${port}`, params: {}, isDefault: false, at: d });
    }
    for (const l of server.listens) {
      const known = this.plan.listens.find((other) => other.address === l.address && !isAnyPort(l.address));
      if (!known) {
        this.plan.listens.push({
          address: l.address,
          servers: [index],
          default_server: index,
          has_default: l.isDefault,
          ...l.params,
        });
        continue;
      }
      if (known.servers.includes(index)) this.problems.add(l.at, `a duplicate listen ${l.address}`);
      if (l.isDefault && known["has_default"]) this.problems.add(l.at, `a duplicate default server for ${l.address}`);
      known.servers.push(index);
      if (l.isDefault) Object.assign(known, { default_server: index, has_default: true });
      Object.assign(known, l.params);
    }
  }

  #override({ port, host }: Overrides): void {
    const first = this.plan.listens.find((l) => !l.address.startsWith("unix:"));
    const [, oldHost, oldPort] = /^(.*):(\d+)$/.exec(first?.address ?? "127.0.0.1:8080") ?? [];
    const newHost =
      host === undefined
        ? oldHost
        : host === "localhost"
          ? "127.0.0.1"
          : host.includes(":") && !host.startsWith("[")
            ? `[${host}]`
            : host;
    const listen: Listen = {
      address: `${newHost}:${port ?? oldPort}`,
      servers: this.plan.servers.map((_, i) => i),
      default_server: first?.default_server ?? 0,
    };
    if (this.plan.servers.length > 0) this.plan.listens = [listen];
  }
}

/** A place that messages leave out. */
export const nowhere: Place = { file: "", line: 0, column: 0 };

// Formats are named before they are used, wherever they stand; servers see all that http says.
function orderly(block: Directive[]): Directive[] {
  const rank = (d: Directive) => (d.name === "log_format" ? 0 : d.name === "server" ? 2 : 1);
  return [...block].sort((a, b) => rank(a) - rank(b));
}

function locationName(d: Directive): [modifier: string, name: string] {
  const [first, second] = d.args.map((a) => a.text) as [string, string | undefined];
  if (second !== undefined) return [first, second];
  const m = /^(=|\^~|~\*|~)(.*)$/s.exec(first);
  if (m) return [m[1]!, m[2]!];
  return [first.startsWith("@") ? "@" : "", first];
}

// With port 0 each listen is a port of its own.
function isAnyPort(address: string): boolean {
  return address.endsWith(":0");
}

function withSlash(text: ComplexValue): ComplexValue {
  if (typeof text === "string") return text.endsWith("/") ? text : `${text}/`;
  return [...text, "/"];
}

function cores(): number {
  return Math.max(1, availableParallelism());
}
