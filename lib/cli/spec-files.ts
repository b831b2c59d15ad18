// SPDX-License-Identifier: MIT
// Which files `moonwire test` runs: those that are named, those of the folders that are named, or all below spec/ and test/.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { MoonwireError } from "../errors.js";

const ending = "_spec.lua";

/** The files, in the order of their names within each folder. Throws when there is none. */
export function findSpecs(paths: string[]): string[] {
  const named = paths.length > 0 ? paths : ["spec", "test"].filter((p) => kindOf(p) === "folder");
  const files = named.flatMap((path) => {
    const kind = kindOf(path);
    if (kind === undefined) throw new MoonwireError("CONFIG_UNREADABLE", path, "no such file");
    return kind === "folder" ? below(path) : [path];
  });
  if (files.length > 0) return [...new Set(files)];
  const where = paths.length > 0 ? `*${ending} below ${paths.join(", ")}` : `spec/**/*${ending} and test/**/*${ending}`;
  throw new MoonwireError("CONFIG_INVALID", `no specs found: expected ${where}`);
}

function kindOf(path: string): "file" | "folder" | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && (stat.isDirectory() ? "folder" : "file");
}

function below(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name.startsWith(".") ? [] : below(path);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}
