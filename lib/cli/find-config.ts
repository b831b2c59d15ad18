// SPDX-License-Identifier: MIT
// Which configuration file a command means when none is named.
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { MoonwireError } from "../errors.js";

const names = ["ts", "mts", "js", "mjs", "json"].map((ending) => `moonwire.config.${ending}`).concat("nginx.conf");

/** The named file, or the first of the default names in the working directory. Throws when there is none. */
export function findConfig(file: string | undefined, cwd = process.cwd()): string {
  if (file === undefined) {
    const found = names.find((name) => existsSync(resolve(cwd, name)));
    if (found === undefined) throw new MoonwireError("CONFIG_NOT_FOUND", cwd);
    return found;
  }
  checkReadable(file);
  return file;
}

/** Throws CONFIG_UNREADABLE where a configuration file cannot be read. */
export function checkReadable(file: string): void {
  const fail = (why: string) => new MoonwireError("CONFIG_UNREADABLE", file === "" ? '""' : file, why);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) throw fail("no such file");
  if (stat.isDirectory()) throw fail("is a directory");
  try {
    accessSync(file, constants.R_OK);
  } catch {
    throw fail("permission denied");
  }
}
