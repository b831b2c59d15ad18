// SPDX-License-Identifier: MIT
// `moonwire init`: writes a small project and says what to type next. Nothing that is there is ever overwritten: a package.json
// or .gitignore is kept, any other file of the project's stops it before the first is written.
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { MoonwireError } from "../errors.js";
import { projectFiles } from "./init-files.js";
import { announce, report } from "./report.js";
import { version } from "./version.js";

const keptFiles = new Set(["package.json", ".gitignore"]);

/** Writes the project into the folder, which is made where it is missing; the exit code is set. */
export function initCommand(folder = "."): void {
  try {
    const written = writeProject(resolve(folder));
    announce(nextSteps(folder, written));
  } catch (e) {
    process.exitCode = report(e);
  }
}

function writeProject(dir: string): Set<string> {
  if (existsSync(dir) && !statSync(dir).isDirectory()) throw new MoonwireError("INIT_FAILED", dir, "not a directory");
  const files = projectFiles(packageName(basename(dir)), version());
  const there = Object.keys(files).filter((name) => existsSync(join(dir, name)));
  const inTheWay = there.filter((name) => !keptFiles.has(name));
  if (inTheWay.length > 0) throw new MoonwireError("INIT_EXISTS", dir, inTheWay.join(", "));
  const written = new Set<string>();
  for (const [name, content] of Object.entries(files)) {
    if (there.includes(name)) continue;
    const path = join(dir, name);
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content, { flag: "wx" });
    } catch (e) {
      throw new MoonwireError("INIT_FAILED", path, e instanceof Error ? e.message : String(e));
    }
    written.add(name);
  }
  return written;
}

/** The folder's name as npm allows it. */
function packageName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, "-")
    .replace(/^[._-]+|-+$/g, "");
  return name === "" || name === "moonwire" || name === "node_modules" ? "moonwire-app" : name;
}

/** A path as a shell reads it; quoted where it must be. */
function shellWord(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) && !path.startsWith("-") ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function nextSteps(folder: string, written: Set<string>): string {
  const place = relative(process.cwd(), resolve(folder));
  const list = [...written].map((name) => `  ${join(place, name)}\n`).join("");
  const own = written.has("package.json")
    ? "  npm install && npm test\n  npm start\n"
    : "  npx moonwire serve\n  node --test\n(package.json was there and is as it was.)\n";
  return `moonwire: written:\n${list}Next:\n${place === "" ? "" : `  cd ${shellWord(place)}\n`}${own}`;
}
