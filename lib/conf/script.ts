// SPDX-License-Identifier: MIT
// Lua directives: their chunk names, their files, and the check of their syntax where the caller has one.
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Compiler } from "./compile.js";
import { openFailure } from "./parser.js";
import type { Script } from "./plan.js";
import type { Directive } from "./tree.js";

/** Says what Lua has against a chunk, in its own words, or null. `chunkname` as lua_load takes it. */
export type CheckLua = (source: string, chunkname: string) => string | null;

/** Reads a Lua directive; undefined, with the mistake noted, where it is none. `name` is without _block and _file. */
export function readScript(c: Compiler, d: Directive, name: string): Script | undefined {
  const pos = { file: d.file, line: d.line };
  if (!d.name.endsWith("_file")) {
    const where = d.line > 0 ? `${basename(d.file)}:${d.line}` : basename(d.file || "config");
    const chunkname = `=${name}(${where})`;
    const source = d.lua ?? d.args[0]!.text;
    if (c.checkLua) checkSyntax(c, source, chunkname, d);
    return { chunkname, source, path: "", is_file: false, pos };
  }
  const word = d.args[0]!;
  if (word.text === "") return void c.problems.add(d, `invalid location config: no Lua file`);
  const path = c.text(word.text.startsWith("$") ? word.text : c.path(word.text), word);
  if (path === undefined) return undefined;
  if (typeof path === "string") checkFile(c, d, name, path);
  return { chunkname: typeof path === "string" ? `@${path}` : `=${name}`, source: "", path, is_file: true, pos };
}

// Lua says CHUNK:LINE: MESSAGE; the line counts from the one that opens the block.
function checkSyntax(c: Compiler, source: string, chunkname: string, d: Directive): void {
  const message = c.checkLua!(source, chunkname);
  if (message === null) return;
  const line = /:(\d+): /.exec(message.slice(chunkname.length - 1))?.[1];
  const at = line && d.line > 0 ? { ...d, line: d.line + Number(line) - 1, column: 1 } : d;
  c.problems.add(at, message);
}

// A request that needs a missing file gets an error status, and the file may come later: a warning, unless the start needs it.
function checkFile(c: Compiler, d: Directive, name: string, path: string): void {
  const note = (message: string) =>
    /^init(_worker)?_by_lua$/.test(name) ? c.problems.add(d.args[0]!, message) : c.problems.warn(d.args[0]!, message);
  try {
    if (statSync(path).isDirectory()) return note(`open() "${path}" failed (21: Is a directory)`);
    if (!c.checkLua) return;
    const source = readFileSync(path, "utf8").replace(/^#[^\n]*/, "");
    const message = c.checkLua(source, `@${path}`);
    const line = message === null ? 0 : Number(/:(\d+): /.exec(message.slice(path.length))?.[1] ?? 1);
    if (message !== null) c.problems.add({ file: path, line, column: 1 }, message);
  } catch (e) {
    note(openFailure(path, e));
  }
}
