// SPDX-License-Identifier: MIT
// Running tools: progress lines, one clear message and exit 1 when something is missing or fails.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/// One progress line on stderr.
export function say(text) {
  process.stderr.write(`[moonwire] ${text}\n`);
}

/// Prints why the set-up cannot go on and ends the process with code 1.
export function fail(text) {
  process.stderr.write(`[moonwire] error: ${text}\n`);
  process.exit(1);
}

/// True when PATH holds an executable of this name.
export function hasTool(name) {
  return (process.env.PATH || "").split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/// Fails with the Debian packages' names unless the tool is there.
export function tool(name, packages) {
  if (!hasTool(name)) fail(`"${name}" is missing; on Debian: apt-get install ${packages}`);
}

/// Runs a command to its end without showing its output; on failure shows the last lines and ends the process.
export function run(command, args, options = {}) {
  const r = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (r.status === 0) return r.stdout;
  const text = r.error ? String(r.error) : `${r.stdout}\n${r.stderr}`.trim().split("\n").slice(-40).join("\n");
  return fail(`${command} ${args.join(" ")} failed${r.status === null ? "" : ` (exit ${r.status})`}:\n${text}`);
}
