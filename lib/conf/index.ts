// SPDX-License-Identifier: MIT
// loadConfig: a configuration, as an object or a file of any kind, becomes an encoded plan, or a list of every mistake.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ConfigProblem } from "../errors.js";
import { Compiler, type Overrides } from "./compile.js";
import type { Config } from "./define.js";
import { importedFiles } from "./imports.js";
import { isModule, messageOfError, placeOfError, readModule } from "./module.js";
import { readObject } from "./object.js";
import { displayName, parseFile, parseText } from "./parser.js";
import type { ErrorLog, Plan } from "./plan.js";
import { checkChunks, type CheckLua } from "./script.js";
import { Problems, type Directive, type Place } from "./tree.js";
import { encodeValue } from "./value.js";

export { defineConfig, lua, luaFile, LuaFile, LuaSource, type Block, type Config } from "./define.js";
export type { Overrides } from "./compile.js";
export type { CheckLua } from "./script.js";

/** How a configuration is read. */
export interface LoadOptions {
  /** Folder that relative paths start from; the configuration file's, or the working directory for an object. */
  prefix?: string;
  /** What wins over the configuration. */
  overrides?: Overrides;
  /**
   * What holds for logs and temporary files where the configuration says nothing. `"moonwire"`, the default: errors go to
   * standard error, there is no access log, bodies go to the system's folder for temporary files. `"nginx"`: `logs/error.log`,
   * `logs/access.log` and `client_body_temp` below the prefix.
   */
  defaults?: "nginx" | "moonwire";
  /** The error log where the configuration names none: a path, or `stderr`. */
  errorLog?: string;
  /** Directives outside every block, read before the file: nginx's `-g`. */
  globals?: string;
  /** Directives behind those of the http block, as nginx.conf writes them. @internal */
  httpText?: string;
  /** Says what is wrong with a Lua chunk, in Lua's own words, or null. */
  checkLua?: CheckLua;
  /**
   * Also finds what a start would: bad regexes, hosts that are not found, logs that cannot be opened. `"look"` creates
   * nothing; `"create"` makes log files and folders where nothing is wrong, as `nginx -t` does.
   * @internal
   */
  checkStart?: "look" | "create";
}

/** The text of an nginx.conf that stands in no file. */
export class ConfigText {
  constructor(readonly text: string) {}
}

/** Settings that the process which serves uses itself. */
export interface ControlSettings {
  readonly daemon: boolean;
  readonly master_process: boolean;
  /** The file for the process id. */
  readonly pid: string;
  /** User, and group where it is said; where the directive stands. */
  readonly user?: readonly [at: Place, user: string, group?: string];
}

/** What came of it. */
export interface LoadedConfig {
  /** The encoded plan; null when a problem of severity `emerg` keeps it from being one. */
  plan: Buffer | null;
  /** Every mistake and every warning, in the order of the files. */
  problems: readonly ConfigProblem[];
  /** Every file that was read, what a module imports by relative paths included. */
  files: readonly string[];
  control: ControlSettings;
  /** What a server's log is to be told of it, at level alert. */
  alerts: readonly { file: string; line: number; message: string }[];
  /** The error logs of the main level. */
  errorLogs: readonly ErrorLog[];
  /** Of each listen, in the order of the server's addresses: whether it is a stream server's. */
  isStream: readonly boolean[];
}

/** Reads a configuration whole: all mistakes are found in one run. Never throws on what the configuration says. */
export async function loadConfig(
  config: string | Config | ConfigText,
  options: LoadOptions = {},
): Promise<LoadedConfig> {
  const problems = new Problems();
  const path = typeof config === "string" ? resolve(config) : "";
  const prefix = resolve(options.prefix ?? (path === "" ? "." : dirname(path)));
  const { tree, files } = await read(config, path, prefix, problems);
  const compiler = new Compiler(problems, {
    confFile: path,
    prefix,
    defaults: options.defaults ?? "moonwire",
    hasCheck: options.checkLua !== undefined,
    errorLog: options.errorLog,
  });
  const globals = options.globals ? parseText(options.globals, "command line", problems, prefix) : [];
  if (tree && options.httpText) addToHttp(tree, parseText(options.httpText, "", problems, prefix));
  compiler.main([...globals, ...(tree ?? [])], options.overrides ?? {});
  if (options.checkLua) await checkChunks(compiler.chunks, options.checkLua, problems);
  const isNginx = path !== "" && !isModule(path);
  if (isNginx && tree && !problems.isFatal && !tree.some((d) => d.name === "events"))
    problems.add({ file: displayName(path), line: 0, column: 0 }, 'no "events" section in configuration');
  if (options.checkStart) await checkStart(compiler.plan, options.checkStart === "create", problems);
  const plan = problems.isFatal ? null : encodeValue(compiler.plan, { raw: true });
  const control = compiler.control as unknown as ControlSettings;
  return {
    plan,
    problems: inOrder(problems.list, files),
    files,
    control,
    errorLogs: compiler.plan.error_logs,
    alerts: compiler.alerts,
    isStream: compiler.plan.listens.map((l) => compiler.plan.servers[l.default_server]!.is_stream),
  };
}

async function checkStart(plan: Plan, mayCreate: boolean, problems: Problems): Promise<void> {
  const { checkPlan } = await import("../start-problem.js");
  const { isFatal } = problems;
  const found = checkPlan(encodeValue(plan, { raw: true }), mayCreate && !isFatal);
  // What has no place is of the whole plan, which is not whole where there are mistakes.
  problems.list.push(...found.filter((p) => !isFatal || p.line > 0));
}

async function read(config: string | Config | ConfigText, path: string, prefix: string, problems: Problems) {
  if (typeof config === "string") return readTree(path, problems);
  if (!(config instanceof ConfigText)) return { tree: readObject(config, problems), files: [] };
  return { tree: parseText(config.text, "nginx.conf", problems, prefix), files: [] };
}

async function readTree(path: string, problems: Problems): Promise<{ tree: Directive[] | null; files: string[] }> {
  const file = displayName(path);
  let text = "";
  const files = [path];
  try {
    if (!isModule(path)) return parseFile(path, problems);
    text = readFileSync(path, "utf8").replace(/^\uFEFF/, "");
    if (!path.endsWith(".json")) files.push(...importedFiles(path, text));
    const exported = await readModule(path, text, files.slice(1));
    if (exported !== undefined) return { tree: readObject(exported, problems, file, text), files };
    problems.add({ file, line: 0, column: 0 }, "no default export");
  } catch (e) {
    problems.add(await placeOfError(e, path, file, text), messageOfError(e, path));
  }
  return { tree: null, files };
}

function addToHttp(tree: Directive[], directives: Directive[]): void {
  const http = tree.find((d) => d.name === "http" && d.block);
  if (http) http.block!.push(...directives);
  else tree.push({ file: "", line: 0, column: 0, name: "http", args: [], block: directives });
}

// Lua files, which are not among the files of the configuration, come last.
function inOrder(list: readonly ConfigProblem[], files: readonly string[]): ConfigProblem[] {
  const names = files.map(displayName);
  const rank = ({ file }: ConfigProblem) => (names.includes(file) ? names.indexOf(file) : names.length);
  return list.toSorted((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}
