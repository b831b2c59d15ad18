// SPDX-License-Identifier: MIT
// `moonwire check`: every mistake of a configuration, one line each; nothing is served.
import { loadConfig } from "../conf/index.js";
import { formatProblem } from "../errors.js";
import { exitCode } from "./exit-code.js";
import { findConfig } from "./find-config.js";
import { complain, report } from "./report.js";

/** Sets the exit code. */
export async function checkCommand(file: string | undefined, options: { prefix?: string }): Promise<void> {
  try {
    const path = findConfig(file);
    const { problems } = await loadConfig(path, options.prefix === undefined ? {} : { prefix: options.prefix });
    for (const p of problems) complain(formatProblem(p));
    if (problems.length > 0) process.exitCode = exitCode.failed;
    else console.log(`moonwire: configuration file ${path} is ok`);
  } catch (e) {
    report(e);
    process.exitCode = exitCode.failed;
  }
}
