// SPDX-License-Identifier: MIT
// The files that a configuration module is made of: itself and what it imports by relative paths. Read from the text, since
// neither Node nor jiti tells; packages and paths that are put together at run time are not among them.
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

const specifier = /\b(?:from|import|require)\s*\(?\s*(["'])(\.{1,2}\/[^"'\n]+)\1/g;
const endings = ["", ".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];

/** The files that the module `path`, whose text is given, imports, and what those import. */
export function importedFiles(path: string, text: string): string[] {
  const files = new Set([path]);
  add(files, path, text);
  return [...files].slice(1);
}

function add(files: Set<string>, path: string, text: string): void {
  for (const [, , name] of text.matchAll(specifier)) {
    const file = find(resolve(dirname(path), name!));
    if (file === undefined || files.has(file) || file.includes("/node_modules/")) continue;
    files.add(file);
    if (!file.endsWith(".json")) add(files, file, readFileSync(file, "utf8"));
  }
}

// As TypeScript has it: a module is named without its ending, or with the one that it has once it is compiled.
function find(path: string): string | undefined {
  const source = path.replace(/\.([mc]?)js$/, ".$1ts");
  const names = [path, source, ...endings.flatMap((e) => [path + e, `${path}/index${e}`])];
  return names.find((name) => statSync(name, { throwIfNoEntry: false })?.isFile());
}
