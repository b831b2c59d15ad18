// SPDX-License-Identifier: MIT
// `moonwire run`: one Lua script in a LuaVm, as `resty` runs it. native/lua/moonwire/run.lua is the other half: it sets
// `arg`, sends print and ngx.say to standard output, runs the script and waits for what it started.
import { resolve } from "node:path";
import type { logLevels } from "../conf/plan.js";
import { ConfigError } from "../errors.js";
import { LuaVm, type LuaVmOptions } from "../vm.js";
import { exitCode } from "./exit-code.js";
import { badArgument, complain, report, UsageError } from "./report.js";

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
    process.exitCode = report(asUsage(e));
  }
}

function vmOptions(options: RunCommandOptions): LuaVmOptions {
  const { prefix, include = [], shdict = [], nameserver = [], resolveIpv6, errlogLevel } = options;
  const out: Record<string, unknown> = { errorLog: [["stderr", errlogLevel]], luaSocketLogErrors: false };
  if (prefix !== undefined) out["prefix"] = prefix;
  if (shdict.length > 0) out["luaSharedDict"] = sharedDicts(shdict);
  if (nameserver.length > 0) out["resolver"] = [...nameserver, ...(resolveIpv6 ? [] : ["ipv6=off"])];
  if (include.length > 0) {
    const folders = include.map((dir) => resolve(dir));
    out["luaPackagePath"] = `${folders.map((d) => `${d}/?.lua;${d}/?/init.lua`).join(";")};;`;
    out["luaPackageCpath"] = `${folders.map((d) => `${d}/?.so`).join(";")};;`;
  }
  return out;
}

// The options that become directives, as the help names them.
const options = { luaSharedDict: "--shdict <name size>", resolver: "--ns, --nameserver <address>" };

/** A mistake of a directive is one of the option that it stands for. */
function asUsage(e: unknown): unknown {
  if (!(e instanceof ConfigError)) return e;
  const [, name, message] = /^http\.(\w+): (.*)$/s.exec(e.problems[0]?.message ?? "") ?? [];
  const option = options[name as keyof typeof options] as string | undefined;
  return option === undefined ? e : new UsageError(`option '${option}': ${message}`);
}

function sharedDicts(declarations: string[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const text of declarations) {
    const [name, size, more] = text.trim().split(/\s+/);
    if (!name || !size || more !== undefined) throw badArgument(options.luaSharedDict, text, 'expected "name size".');
    if (Object.hasOwn(out, name)) throw badArgument(options.luaSharedDict, text, "the name is taken.");
    out[name] = size;
  }
  return out;
}
