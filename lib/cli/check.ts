// SPDX-License-Identifier: MIT
// `moonwire check`: every mistake of a configuration, one line each, the syntax of its Lua included; nothing is
// served.
import { loadConfig } from "../conf/index.js";
import { formatProblem } from "../errors.js";
import { exitCode } from "./exit-code.js";
import { findConfig } from "./find-config.js";
import { LuaSyntax } from "./lua-syntax.js";
import { announce, awaitConfig, complain, report } from "./report.js";

/** Ends the process: what a configuration module has started, a timer say, may go on for ever. */
export async function checkCommand(file: string | undefined, options: { prefix?: string }): Promise<void> {
  process.exit(await check(file, options));
}

async function check(file: string | undefined, options: { prefix?: string }): Promise<number> {
  try {
    const path = findConfig(file);
    const lua = new LuaSyntax();
    const prefix = options.prefix === undefined ? {} : { prefix: options.prefix };
    const checkLua = (source: string, name: string) => lua.check(source, name);
    const { problems } = await awaitConfig(path, loadConfig(path, { ...prefix, checkLua, checkStart: "look" }));
    await lua.close();
    for (const p of problems) complain(formatProblem(p));
    if (problems.length > 0) return exitCode.failed;
    announce(`moonwire: configuration file ${path} is ok\n`);
    return exitCode.ok;
  } catch (e) {
    return report(e);
  }
}
