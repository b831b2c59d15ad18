// SPDX-License-Identifier: MIT
// What the process itself writes to the error log, in nginx's line format; workers write their lines natively. A line opens
// and closes its file: there are few, and a rotated log needs no care.
import { appendFileSync } from "node:fs";
import { getSystemErrorMap } from "node:util";
import { binding } from "../binding.js";
import { problemText, type ConfigProblem } from "../errors.js";
import { complain } from "./report.js";

const levels = ["stderr", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"] as const;
export type Level = (typeof levels)[number];

interface Daemon {
  syslog(path: string, severity: number, line: string): void;
}

/** Where lines go: the plan's error_logs. */
export interface LogTarget {
  readonly path: string;
  readonly level: number;
}

/** nginx's words for a system error: `2: No such file or directory`. */
export function errnoText(e: unknown): string {
  const { errno = 0, message } = e as NodeJS.ErrnoException;
  const text = getSystemErrorMap().get(errno)?.[1] ?? message;
  return `${-errno}: ${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** The time as the error log writes it. */
function now(): string {
  const t = new Date();
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${t.getFullYear()}/${two(t.getMonth() + 1)}/${two(t.getDate())}`;
  return `${day} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export class MasterLog {
  /** While the command starts, a warning or worse goes to standard error too. */
  isStarting = true;
  #targets: readonly LogTarget[] = [];

  /** The log named by -e, until the configuration is known. A file that cannot be opened is complained of once. */
  static named(path: string): MasterLog {
    const log = new MasterLog();
    try {
      if (path !== "stderr") {
        appendFileSync(path, "");
        log.#targets = [{ path, level: levels.indexOf("notice") }];
      }
    } catch (e) {
      complain(`nginx: [alert] could not open error log file: open() "${path}" failed (${errnoText(e)})`);
    }
    return log;
  }

  /** From now on the logs of a configuration. */
  use(targets: readonly LogTarget[]): void {
    this.#targets = targets;
  }

  write(level: Level, text: string): void {
    const rank = levels.indexOf(level);
    let isSaid = false;
    for (const target of this.#targets) {
      if (rank > target.level) continue;
      const line = `${now()} [${level}] ${process.pid}#${process.pid}: ${text}`;
      isSaid ||= target.path === "stderr";
      if (target.path === "stderr") complain(line);
      else if (target.path.startsWith("syslog:"))
        (binding()["daemon"] as Daemon).syslog(target.path, Math.max(0, rank - 1), line);
      else appendLine(target.path, line);
    }
    if (this.isStarting && !isSaid && rank <= levels.indexOf("warn")) complain(`nginx: [${level}] ${text}`);
  }

  /** A problem of the configuration, `MESSAGE in FILE:LINE`. */
  problem(p: Pick<ConfigProblem, "file" | "line" | "message">, level: Level): void {
    this.write(level, problemText(p));
  }
}

function appendLine(path: string, line: string): void {
  try {
    appendFileSync(path, `${line}\n`);
  } catch {
    // a log that cannot be written to has no other place to say so
  }
}
