// SPDX-License-Identifier: MIT
// How the command line speaks of errors: the user's mistakes in one clear line each, without a stack trace of ours.
import { writeSync } from "node:fs";
import { ConfigError, formatProblem, LuaError, MoonwireError, problemText, StartError } from "../errors.js";
import { exitCode } from "./exit-code.js";

/** The command line is wrong, which commander itself could not see. */
export class UsageError extends Error {}

/** An option's argument is wrong, in commander's words; `option` as its help names it. */
export function badArgument(option: string, argument: string, why: string): UsageError {
  return new UsageError(`option '${option}' argument '${argument}' is invalid. ${why}`);
}

/** Writes a line to standard error at once, so that it precedes whatever ends the process. */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // nobody reads standard error
  }
}

/**
 * Writes to standard output at once. Without process.stdout, whose making takes milliseconds of the start, and which takes
 * a reader that is gone for a crash.
 */
export function announce(text: string): void {
  try {
    writeSync(1, text);
  } catch {
    // nobody reads standard output
  }
}

/** Reports an error that a command ended with, and returns the exit code that belongs to it. */
export function report(e: unknown): number {
  tell(e);
  return e instanceof UsageError ? exitCode.usage : exitCode.failed;
}

function tell(e: unknown): void {
  if (e instanceof UsageError) return complain(`error: ${e.message}`);
  if (e instanceof ConfigError) return e.problems.forEach((p) => complain(formatProblem(p)));
  if (e instanceof LuaError) return complain(`${e.message.replace(ownPlace, "")}${usersFrames(e.luaTraceback)}`);
  if (e instanceof StartError) return e.problems.forEach((p) => complain(named(problemText(p))));
  if (e instanceof MoonwireError) return complain(named(e.message));
  if ((e as NodeJS.ErrnoException | null)?.syscall === "uv_cwd")
    return complain("moonwire: the working directory is gone");
  complain(`moonwire: internal error: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}`);
}

// What begins with a place says enough of whose message it is.
function named(message: string): string {
  return /^\S+:\d+/.test(message) ? message : `moonwire: ${message}`;
}

/** What comes of a configuration file. Where its module awaits what never comes, nothing is left to run: then that is told. */
export async function awaitConfig<T>(file: string, reading: Promise<T>): Promise<T> {
  const onIdle = () => {
    complain(`${file}: a top-level await never settles`);
    process.exit(exitCode.failed);
  };
  process.on("beforeExit", onIdle);
  try {
    return await reading;
  } finally {
    process.off("beforeExit", onIdle);
  }
}

// The Lua half of `moonwire run`, which has nothing to tell a user.
const ownPlace = /^\[moonwire\]\/moonwire\/run\.lua:\d+: /;

/** A traceback up to where the script was called from; nothing where no frame of the user's is left. */
function usersFrames(traceback: string): string {
  const lines = traceback.split("\n");
  const end = lines.findIndex((line) => line.startsWith("\t[moonwire]/moonwire/run.lua:"));
  const kept = end < 0 ? lines : lines.slice(0, end);
  return kept.some((line) => /^\t(?!\[C\]|\[moonwire\]\/)/.test(line)) ? `\n${kept.join("\n")}` : "";
}
