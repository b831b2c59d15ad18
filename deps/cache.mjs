// SPDX-License-Identifier: MIT
// Where downloaded tarballs and built dependencies are kept between runs and worktrees.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/// The cache folder, made when missing.
export function cacheDir() {
  const dir = process.env.MOONWIRE_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "moonwire");
  mkdirSync(join(dir, "built"), { recursive: true });
  mkdirSync(join(dir, "tarballs"), { recursive: true });
  return dir;
}

/// SHA-256 of a file as lower-case hex.
export function sha256File(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
