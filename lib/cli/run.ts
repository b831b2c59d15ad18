// SPDX-License-Identifier: MIT
// `moonwire run`: one Lua script in a LuaVm, as `resty` runs it. native/lua/moonwire/run.lua is the other half: it sets
// `arg`, sends print and ngx.say to standard output, runs the script and waits for what it started.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { logLevels } from "../conf/plan.js";
import { MoonwireError } from "../errors.js";
import { LuaVm, type LuaVmOptions } from "../vm.js";
import { exitCode } from "./exit-code.js";
import { complain, report } from "./report.js";

/** What the command line gives. */
export interface RunCommandOptions {
  execute?: string[];
  include?: string[];
  library?: string[];
  shdict?: string[];
  nameserver?: string[];
  resolveIpv6?: boolean;
  errlogLevel: (typeof logLevels)[number];
  prefix?: string;
}

/** Runs the script to its end; the exit code is set. */
export async function runCommand(file: string | undefined, args: string[], options: RunCommandOptions): Promise<void> {
  const { execute = [], library = [] } = options;
  const isCode = execute.length > 0;
  if (!isCode && file === undefined) {
    complain("error: missing argument 'FILE.lua' or option '-e <code>'");
    process.exitCode = exitCode.usage;
    return;
  }
  const words = isCode && file !== undefined ? [file, ...args] : args;
  try {
    await using vm = await LuaVm.create(vmOptions(options));
    await vm.run("require('moonwire.run').script(...)", isCode ? execute : null, file ?? null, library, words);
    await vm.run("require('moonwire.run').finish()");
  } catch (e) {
    process.exitCode = report(e);
  }
}

function vmOptions(options: RunCommandOptions): LuaVmOptions {
  const { prefix, include = [], shdict = [], nameserver = [], resolveIpv6, errlogLevel } = options;
  const out: Record<string, unknown> = { errorLog: [["stderr", errlogLevel]], luaSocketLogErrors: false };
  if (prefix !== undefined) out["prefix"] = prefix;
  if (shdict.length > 0) out["luaSharedDict"] = sharedDicts(shdict);
  if (nameserver.length > 0) out["resolver"] = [...nameserver, ...(resolveIpv6 ? [] : ["ipv6=off"])];
  if (include.length > 0) {
    const folders = include.map(folder);
    out["luaPackagePath"] = `${folders.map((d) => `${d}/?.lua;${d}/?/init.lua`).join(";")};;`;
    out["luaPackageCpath"] = `${folders.map((d) => `${d}/?.so`).join(";")};;`;
  }
  return out;
}

function folder(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new MoonwireError("CONFIG_INVALID", `-I: no such folder: ${path}`);
  return resolve(path);
}

function sharedDicts(declarations: string[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const text of declarations) {
    const [name, size, more] = text.trim().split(/\s+/);
    if (!name || !size || more !== undefined)
      throw new MoonwireError("CONFIG_INVALID", `--shdict takes "name size", not "${text}"`);
    out[name] = size;
  }
  return out;
}
