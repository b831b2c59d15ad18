// SPDX-License-Identifier: MIT
// `moonwire run`: one Lua script in a LuaVm, as `resty` runs it. native/lua/moonwire/run.lua is the other half: it sets
// `arg`, sends print and ngx.say to standard output, runs the script and waits for what it started.
import { MoonwireError } from "../errors.js";
import { LuaVm } from "../vm.js";
import { exitCode } from "./exit-code.js";
import { complain, report } from "./report.js";

/** What the command line gives. */
export interface RunCommandOptions {
  execute?: string;
  prefix?: string;
  shdict: string[];
}

/** Runs the script to its end; the exit code is set. */
export async function runCommand(file: string | undefined, args: string[], options: RunCommandOptions): Promise<void> {
  const isCode = options.execute !== undefined;
  if (!isCode && file === undefined) {
    complain("error: missing argument 'FILE.lua' or option '-e <code>'");
    process.exitCode = exitCode.usage;
    return;
  }
  const words = isCode && file !== undefined ? [file, ...args] : args;
  try {
    await using vm = await LuaVm.create({
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      ...(options.shdict.length === 0 ? {} : { luaSharedDict: sharedDicts(options.shdict) }),
    });
    await vm.run("return require('moonwire.run')(...)", isCode, isCode ? options.execute : file, words);
  } catch (e) {
    report(e);
    process.exitCode = exitCode.failed;
  }
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
