// SPDX-License-Identifier: MIT
// Configuration modules: .js, .mjs and .json by Node itself, .ts and .mts by jiti, which is loaded for them alone.
import nodeModule, { createRequire } from "node:module";
import { dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openFailure } from "./parser.js";
import type { Place } from "./tree.js";
import { packageRoot } from "../package-root.js";

const endings = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"]);

/** True for a file that is a module and not an nginx.conf. */
export function isModule(path: string): boolean {
  return endings.has(extname(path));
}

let reads = 0;
let isRenewing = false;

/**
 * What the module exports by default, `module.exports` of CommonJS, read anew each time; undefined without one. Throws
 * whatever the module throws. `imports`: the files that it imports by relative paths.
 */
export async function readModule(path: string, text: string, imports: string[] = []): Promise<unknown> {
  if (path.endsWith(".json")) return JSON.parse(text);
  const exported = await (/\.[mc]?ts$/.test(path) ? readByJiti(path) : readByNode(path, imports));
  // Without import and export it counts as CommonJS, which exports an empty object where it says nothing.
  const isBare = isEmptyObject(exported) && !/\bexports?\b/.test(text);
  return isBare ? undefined : exported;
}

async function readByJiti(path: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  const self = join(packageRoot, "dist/index.js"); // also where the package is not installed beside it
  // Without interopDefault, which cannot stand null and gives the exports where there is no default.
  const options = { moduleCache: false, fsCache: false, interopDefault: false, alias: { moonwire: self } };
  const module: { default?: unknown } = await createJiti(path, options).import(path);
  const isCommonJs = !("default" in module) && !("__esModule" in module);
  return isCommonJs ? module : module.default;
}

async function readByNode(path: string, imports: string[]): Promise<unknown> {
  const { href } = pathToFileURL(path);
  if (reads++ === 0) return ((await import(href)) as { default?: unknown }).default;
  // On a reload a query makes Node read an ES module anew; CommonJS it keeps by the file's name.
  if (imports.length > 0 && !isRenewing) renewImports();
  const { cache } = createRequire(import.meta.url);
  for (const file of [path, ...imports]) delete cache[file];
  return ((await import(`${href}?reload=${reads}`)) as { default?: unknown }).default;
}

type Resolved = { url: string };
type Hooks = { resolve(name: string, context: object, next: (name: string, context: object) => Resolved): Resolved };

// What a module of a reload imports belongs to that reload. Its text also runs in Node's thread for hooks.
function renewed(resolved: Resolved, { parentURL = "" }: { parentURL?: string }): Resolved {
  const reload = /\?reload=\d+$/.exec(parentURL)?.[0];
  const isOwn = /^file:[^?]*$/.test(resolved.url) && !resolved.url.includes("/node_modules/");
  return reload !== undefined && isOwn ? { ...resolved, url: resolved.url + reload } : resolved;
}

function renewImports(): void {
  isRenewing = true;
  const { registerHooks } = nodeModule as { registerHooks?: (hooks: Hooks) => void }; // Node 22.15 and newer
  if (registerHooks) {
    registerHooks({ resolve: (name, context, next) => renewed(next(name, context), context) });
    return;
  }
  const code = `${renewed.toString()}
    export async function resolve(name, context, next) { return renewed(await next(name, context), context); }`;
  nodeModule.register(`data:text/javascript,${encodeURIComponent(code)}`);
}

function isEmptyObject(v: unknown): boolean {
  return typeof v === "object" && v !== null && Object.keys(v).length === 0;
}

/** Where in the file an error of the module itself stands: its own stack says so. */
export async function placeOfError(e: unknown, path: string, file: string, text: string): Promise<Place> {
  let stack = e instanceof Error ? (e.stack ?? "") : "";
  if (path.endsWith(".json")) return { file, ...placeInJson(e, text) };
  // Node tells where a module does not parse only when it prints the error itself.
  if (e instanceof SyntaxError && !stack.includes(path) && /\.[cm]?js$/.test(path)) {
    const { spawnSync } = await import("node:child_process");
    stack = spawnSync(process.execPath, ["--check", path], { encoding: "utf8" }).stderr;
  }
  const name = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const m = new RegExp(`${name}(?:\\?[^:\\s]*)?:(\\d+)(?::(\\d+))?`).exec(stack);
  // jiti puts its wrapper before the first line; columns of that line are then not the file's.
  const isShifted =
    m?.[1] === "1" && /\.[mc]?ts$/.test(path) && !(e instanceof Error && e.message.startsWith("ParseError: "));
  if (isShifted) return { file, line: 1, column: placeOfImport(e, path, text).column };
  if (!m) return { file, ...placeOfImport(e, path, text) };
  // Where Node prints the error itself, the column is that of its mark below the line.
  const mark = /^[^\n]*\n[^\n]*\n( *)\^/.exec(stack.slice(m.index))?.[1];
  return { file, line: Number(m[1]), column: Number(m[2] ?? (mark === undefined ? 0 : mark.length + 1)) };
}

/** Where the module names the module or package that is not found. */
function placeOfImport(e: unknown, path: string, text: string): { line: number; column: number } {
  const missing = /^Cannot find (?:module|package) '([^']+)'/.exec(e instanceof Error ? e.message : "")?.[1];
  for (const { 2: name, index } of missing === undefined ? [] : text.matchAll(/(["'])([^"'\n]+)\1/g)) {
    if (![name, name!.split("/")[0], resolve(dirname(path), name!)].includes(missing)) continue;
    const before = text.slice(0, index);
    return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
  }
  return { line: 0, column: 0 };
}

function placeInJson(e: unknown, text: string): { line: number; column: number } {
  const said = /at position (\d+)/.exec(e instanceof Error ? e.message : "")?.[1];
  const before = text.slice(0, said === undefined ? firstNonToken(text) : Number(said));
  return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
}

// Node says the position of what stands at a wrong place, but not always of what is no JSON at all.
function firstNonToken(text: string): number {
  const token = /\s*(?:[{}[\],:]|"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)\s*/y;
  let at = 0;
  while (token.test(text)) at = token.lastIndex;
  return at;
}

/** An error of the module in one line. */
export function messageOfError(e: unknown, path: string): string {
  if (!(e instanceof Error)) return String(e);
  if ("syscall" in e) return openFailure(path, e);
  const message = e.message.split("\n")[0]!.trimEnd();
  return message.startsWith("ParseError: ") ? message.replace("Parse", "Syntax") : `${e.name}: ${message}`; // jiti's
}
