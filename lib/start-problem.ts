// SPDX-License-Identifier: MIT
// What the native side finds wrong with a plan that decodes: bad regexes, unknown hosts, log files that cannot be opened.
import { binding } from "./binding.js";
import type { ConfigProblem } from "./errors.js";

/** As the addon gives it; `path` is the place in a configuration object. */
export interface NativeProblem {
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
}

/** A problem of the native side as one of the configuration. */
export function problemOf({ message, file, line, column, path }: NativeProblem): ConfigProblem {
  return { file, line, column, message: path === "" ? message : `${path}: ${message}`, severity: "emerg" };
}

/** What kept a start from its end and is no directive's: a port in use, an error in init code. */
export function problemOfStart(message: string): ConfigProblem {
  return problemOf({ message, file: "", line: 0, column: 0, path: "" });
}

/** The problems that starting an encoded plan would meet, but for its sockets. Log files and folders are made where they may be. */
export function checkPlan(plan: Buffer, mayCreate: boolean): ConfigProblem[] {
  const check = binding()["checkPlan"] as (plan: Buffer, mayCreate: boolean) => NativeProblem[];
  return check(plan, mayCreate).map(problemOf);
}
