// SPDX-License-Identifier: MIT
// Lua directives: their chunk names, their files, and the check of their syntax where the caller has one.
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, relative, resolve } from "node:path";
import type { Compiler } from "./compile.js";
import { displayName, openFailure } from "./parser.js";
import { posOf, type Script } from "./plan.js";
import type { Directive, Place, Problems } from "./tree.js";

/** Says what Lua has against a chunk, in its own words, or null. `chunkname` as lua_load takes it. */
export type CheckLua = (source: string, chunkname: string) => string | null | Promise<string | null>;

/** A chunk whose syntax is still to be checked, and the place of its first line. */
export interface Chunk {
  source: string;
  chunkname: string;
  at: Place;
}

/** Has every chunk checked, and notes what is wrong with it where that stands. */
export async function checkChunks(chunks: readonly Chunk[], check: CheckLua, problems: Problems): Promise<void> {
  for (const { source, chunkname, at } of chunks) {
    const message = await check(source, chunkname);
    if (message === null) continue;
    // Lua says CHUNK:LINE: MESSAGE; the line counts from the one that opens the block, or the file.
    const line = Number(/:(\d+): /.exec(message.slice(chunkname.length - 1))?.[1] ?? 1);
    problems.add(at.line > 0 ? { ...at, line: at.line + line - 1, column: 1 } : at, message);
  }
}

/** Reads a Lua directive; undefined, with the mistake noted, where it is none. `name` is without _block and _file. */
export function readScript(c: Compiler, d: Directive, name: string): Script | undefined {
  const pos = posOf(d);
  if (!d.name.endsWith("_file")) {
    const chunkname = `=${chunkName(name, d, c.plan.conf_file, c.plan.prefix)}`;
    const source = d.lua ?? d.args[0]!.text;
    c.chunks.push({ source, chunkname, at: d });
    return { chunkname, source, path: "", is_file: false, is_set: name === "set_by_lua", pos };
  }
  const word = d.args[0]!;
  if (word.text === "") return void c.problems.add(d, `invalid location config: no Lua file`);
  const path = c.text(word.text.startsWith("$") ? word.text : c.path(word.text), word);
  if (path === undefined) return undefined;
  if (typeof path === "string") checkFile(c, d, name, path);
  const chunkname = typeof path === "string" ? `@${path}` : `=${name}`;
  return { chunkname, source: "", path, is_file: true, is_set: name === "set_by_lua", pos };
}

/** Lua's LUA_IDSIZE, without the NUL: it shows no more of a chunk's name. */
const maxChunkName = 59;

// `content_by_lua(FILE:LINE)` with the file as its include names it from the configuration's folder, the front of a long one
// left out: Lua would leave out its end. The line is the one OpenResty names: where a block begins, where a string ends.
function chunkName(name: string, d: Directive, confFile: string, prefix: string): string {
  if (d.line === 0) return `${name}(${basename(d.file || "config")})`;
  if (confFile === "") return `${name}(${basename(d.file)}:${d.endLine ?? d.line})`;
  let file = isAbsolute(d.file) ? d.file : resolve(d.file);
  if (file.startsWith(prefix) || dirname(file) === dirname(confFile)) file = relative(dirname(confFile), file);
  const line = d.endLine ?? d.line;
  const room = maxChunkName - `${name}(:${line})`.length;
  if (file.length > room) file = `...${file.slice(3 - room)}`;
  return `${name}(${file}:${line})`;
}

// A request that needs a missing file gets an error status, and the file may come later: a warning, unless the start needs it.
function checkFile(c: Compiler, d: Directive, name: string, path: string): void {
  const note = (message: string) =>
    /^init(_worker)?_by_lua$/.test(name) ? c.problems.add(d.args[0]!, message) : c.problems.warn(d.args[0]!, message);
  try {
    if (statSync(path).isDirectory()) return note(`open() "${path}" failed (21: Is a directory)`);
    if (c.hasCheck)
      c.chunks.push({
        source: readFileSync(path, "utf8").replace(/^#[^\n]*/, ""),
        chunkname: `@${path}`,
        at: { file: displayName(path), line: 1, column: 1 },
      });
  } catch (e) {
    note(openFailure(path, e));
  }
}
