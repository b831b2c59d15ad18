// SPDX-License-Identifier: MIT
// How `moonwire test` shows results: as a tree to be read by people, or as TAP to be read by programs.
import { writeSync } from "node:fs";

/** What came of a test, or of a hook that failed. */
export interface TestResult {
  readonly status: "passed" | "failed" | "error" | "pending";
  readonly name: string;
  readonly full_name: string;
  /** The names of the blocks around it. */
  readonly blocks?: readonly string[];
  readonly message: string;
  /** The user's lines, the innermost first. */
  readonly traceback: string;
  readonly where?: string;
  readonly ms?: number;
}

/** Sees every result in order. */
export interface Reporter {
  /** Tests that failed, and whatever else did. */
  readonly failures: number;
  file(path: string): void;
  /** `log`: the errors that the error log got meanwhile. */
  result(r: TestResult, log: readonly string[]): void;
  end(): void;
}

function write(text: string): void {
  // At once, so that it keeps its place between what the tests themselves print.
  for (let bytes = Buffer.from(text); bytes.length > 0;) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== "EAGAIN") return; // nobody reads it
    }
  }
}

function detailsOf(r: TestResult, log: readonly string[]): string[] {
  const lines = r.message.split("\n");
  const places = r.traceback === "" ? [] : r.traceback.split("\n");
  return [...lines, ...places, ...(log.length > 0 ? ["error log:", ...log.map((line) => `  ${line}`)] : [])];
}

class SpecReporter implements Reporter {
  readonly #counts = { passed: 0, failed: 0, error: 0, pending: 0 };
  readonly #failed: string[] = [];
  readonly #began = Date.now();
  readonly #isColoured = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  #open: readonly string[] = [];

  get failures(): number {
    return this.#counts.failed + this.#counts.error;
  }

  file(path: string): void {
    write(`${path}\n`);
    this.#open = [];
  }

  result(r: TestResult, log: readonly string[]): void {
    this.#counts[r.status]++;
    const blocks = r.blocks ?? [];
    let same = 0;
    while (same < blocks.length && blocks[same] === this.#open[same]) same++;
    for (let i = same; i < blocks.length; i++) write(`${"  ".repeat(i + 1)}${blocks[i]}\n`);
    this.#open = blocks;
    const indent = "  ".repeat(blocks.length + 1);
    const time = r.ms !== undefined && r.ms >= 100 ? ` (${Math.round(r.ms)} ms)` : "";
    if (r.status === "passed") return write(`${indent}${this.#paint("✓", 32)} ${r.name}${time}\n`);
    if (r.status === "pending") {
      const why = r.message === "" ? "" : `: ${r.message}`;
      return write(`${indent}${this.#paint("-", 33)} ${r.name} (pending${why})\n`);
    }
    write(`${indent}${this.#paint("✗", 31)} ${r.name}${time}\n`);
    const details = detailsOf(r, log).map((line) => `   ${line}\n`);
    this.#failed.push(`${this.#failed.length + 1}) ${r.full_name}\n${details.join("")}`);
  }

  end(): void {
    const { passed, pending } = this.#counts;
    if (this.#failed.length > 0) write(`\n${this.#failed.join("\n")}`);
    const seconds = ((Date.now() - this.#began) / 1000).toFixed(1);
    const more = pending > 0 ? `, ${pending} pending` : "";
    write(`\n${passed} passed, ${this.failures} failed${more} (${seconds} s)\n`);
  }

  #paint(text: string, colour: number): string {
    return this.#isColoured ? `\x1b[${colour}m${text}\x1b[0m` : text;
  }
}

class TapReporter implements Reporter {
  failures = 0;
  #count = 0;

  constructor() {
    write("TAP version 13\n");
  }

  file(path: string): void {
    write(`# ${path}\n`);
  }

  result(r: TestResult, log: readonly string[]): void {
    const isGood = r.status === "passed" || r.status === "pending";
    const name = r.full_name.replace(/#/g, "\\#").replace(/\s+/g, " ");
    const todo = r.status === "pending" ? ` # SKIP ${r.message || "pending"}` : "";
    write(`${isGood ? "ok" : "not ok"} ${++this.#count} - ${name}${todo}\n`);
    if (isGood) return;
    this.failures++;
    write(
      detailsOf(r, log)
        .map((line) => `# ${line}\n`)
        .join(""),
    );
  }

  end(): void {
    write(`1..${this.#count}\n`);
  }
}

/** By the name that the option --reporter takes. */
export const reporters = {
  spec: (): Reporter => new SpecReporter(),
  tap: (): Reporter => new TapReporter(),
};
