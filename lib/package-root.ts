// SPDX-License-Identifier: MIT
// Where the package lies. Its modules are bundled into a few files, so that a module's own place says nothing.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function find(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json"))) dir = dirname(dir);
  return dir;
}

/** The folder of package.json. */
export const packageRoot = find();
