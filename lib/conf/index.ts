// SPDX-License-Identifier: MIT
// loadConfig: a configuration, as an object or a file of any kind, becomes an encoded plan, or a list of every mistake.
import { readFileSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ConfigProblem } from "../errors.js";
import { Compiler, type Overrides } from "./compile.js";
import type { Config } from "./define.js";
import { readObject } from "./object.js";
import { displayName, openFailure, parseFile } from "./parser.js";
import { Problems, type Directive } from "./tree.js";
import { encodeValue } from "./value.js";

export { defineConfig, lua, luaFile, LuaFile, LuaSource, type Block, type Config } from "./define.js";
export type { Overrides } from "./compile.js";

/** How a configuration is read. */
export interface LoadOptions {
  /** Folder that relative paths start from; the configuration file's, or the working directory for an object. */
  prefix?: string;
  /** What wins over the configuration. */
  overrides?: Overrides;
}

/** What came of it. */
export interface LoadedConfig {
  /** The encoded plan; null when there are problems. */
  plan: Buffer | null;
  problems: readonly ConfigProblem[];
  /** Every file that was read. */
  files: readonly string[];
}

const moduleEndings = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]);

function isModule(path: string): boolean {
  return moduleEndings.has(extname(path));
}

/** Reads a configuration whole: all mistakes are found in one run. */
export async function loadConfig(config: string | Config, options: LoadOptions = {}): Promise<LoadedConfig> {
  const problems = new Problems();
  const path = typeof config === "string" ? resolve(config) : "";
  const { tree, files } =
    typeof config === "string" ? await readTree(path, problems) : { tree: readObject(config, problems), files: [] };
  const prefix = resolve(options.prefix ?? (path === "" ? "." : dirname(path)));
  const compiler = new Compiler(problems, path, prefix);
  if (tree) compiler.main(tree, options.overrides ?? {});
  if (tree && path !== "" && !isModule(path) && problems.list.length === 0 && !tree.some((d) => d.name === "events"))
    problems.add({ file: displayName(path), line: 0, column: 0 }, 'no "events" section in configuration');
  const plan = problems.list.length === 0 ? encodeValue(compiler.plan) : null;
  const order = files.map(displayName);
  const rank = (p: ConfigProblem) => order.indexOf(p.file) * 1e9 + p.line * 1e3 + p.column;
  return { plan, problems: problems.list.toSorted((a, b) => rank(a) - rank(b)), files };
}

async function readTree(path: string, problems: Problems): Promise<{ tree: Directive[] | null; files: string[] }> {
  const file = displayName(path);
  try {
    if (!isModule(path)) return parseFile(path, problems);
    const text = readFileSync(path, "utf8");
    const found = await readModule(path, text);
    return { tree: readObject(found, problems, file, text), files: [path] };
  } catch (e) {
    problems.add(await placeOf(e, path, file), messageOf(e, path));
    return { tree: null, files: [path] };
  }
}

let reads = 0;

async function readModule(path: string, text: string): Promise<unknown> {
  if (path.endsWith(".json")) return JSON.parse(text);
  if (/\.[mc]?ts$/.test(path)) {
    const { createJiti } = await import("jiti");
    const self = fileURLToPath(new URL("../index.js", import.meta.url)); // also where the package is not installed beside it
    return createJiti(path, { moduleCache: false, fsCache: false, alias: { moonwire: self } }).import(path, {
      default: true,
    });
  }
  // A query makes Node read the file anew on a reload.
  const url = `${pathToFileURL(path).href}${reads++ === 0 ? "" : `?reload=${reads}`}`;
  const module = (await import(url)) as { default?: unknown };
  return module.default ?? module;
}

// Where in the file an error of the module itself stands: its own stack says so.
async function placeOf(e: unknown, path: string, file: string) {
  let stack = e instanceof Error ? (e.stack ?? "") : "";
  // Node tells where a module does not parse only when it prints the error itself.
  const { spawnSync } = await import("node:child_process"); // loaded for this alone
  if (e instanceof SyntaxError && !stack.includes(path) && /\.[cm]?js$/.test(path))
    stack = spawnSync(process.execPath, ["--check", path], { encoding: "utf8" }).stderr;
  const name = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const m = new RegExp(`${name}(?:\\?[^:\\s]*)?:(\\d+)(?::(\\d+))?`).exec(stack);
  return { file, line: Number(m?.[1] ?? 0), column: Number(m?.[2] ?? 0) };
}

function messageOf(e: unknown, path: string): string {
  if (!(e instanceof Error)) return String(e);
  if ("syscall" in e) return openFailure(path, e);
  return `${e.name}: ${e.message.split("\n")[0]}`;
}
