// SPDX-License-Identifier: MIT
// How the command line speaks of errors: the user's mistakes in one clear line each, without a stack trace of ours.
import { writeSync } from "node:fs";
import { ConfigError, formatProblem, LuaError, MoonwireError, problemText, StartError } from "../errors.js";

/** Writes a line to standard error at once, so that it precedes whatever ends the process. */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // nobody reads standard error
  }
}

/** Reports an error that a command ended with. */
export function report(e: unknown): void {
  if (e instanceof ConfigError) return e.problems.forEach((p) => complain(formatProblem(p)));
  if (e instanceof LuaError) return complain(e.luaTraceback ? `${e.message}\n${e.luaTraceback}` : e.message);
  if (e instanceof StartError) return e.problems.forEach((p) => complain(named(problemText(p))));
  if (e instanceof MoonwireError) return complain(named(e.message));
  complain(`moonwire: internal error: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}`);
}

// What begins with a place says enough of whose message it is.
function named(message: string): string {
  return /^\S+:\d+/.test(message) ? message : `moonwire: ${message}`;
}
