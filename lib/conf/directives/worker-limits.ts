// SPDX-License-Identifier: MIT
// Directives of nginx's core that say what a worker may have of the machine: processors, priority, files, core dumps.
import type { Compiler } from "../compile.js";
import { many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

const own = { module: "core", in: ["main"], kind: "own" } as const;

export const workerLimits = {
  worker_cpu_affinity: {
    ...own,
    args: [1, many],
    form: "words",
    initial: [],
    read: readAffinity,
    type: typed<string | readonly [string, ...string[]]>(),
    about:
      "the processors of each worker, as masks of binary digits, or `auto` with a mask or without: one processor each",
  },
  worker_priority: {
    ...own,
    initial: 0,
    read: readPriority,
    type: typed<number>(),
    about: "the niceness of worker threads, -20 to 20; less than 0 takes root",
  },
  worker_rlimit_nofile: {
    module: "core",
    in: ["main"],
    kind: "number",
    default: "0",
    about:
      "files that each worker may have open: raises the limit of the process to as many for all of them, and never lowers it",
  },
  worker_rlimit_core: {
    module: "core",
    in: ["main"],
    kind: "size",
    initial: -1,
    about: "largest core dump of the process",
  },
} as const satisfies Record<string, Spec>;

/** CPU_SETSIZE of glibc. */
const mostProcessors = 1024;

function readAffinity(c: Compiler, d: Directive): void {
  const isAuto = d.args[0]!.text === "auto";
  const masks = isAuto ? d.args.slice(1) : d.args;
  if (isAuto && masks.length > 1)
    return c.problems.add(d, 'invalid number of arguments in "worker_cpu_affinity" directive');
  for (const mask of masks) {
    const bad = /[^01 ]/.exec(mask.text)?.[0];
    if (bad !== undefined) return c.problems.add(mask, `invalid character "${bad}" in "worker_cpu_affinity" directive`);
    if (mask.text.replaceAll(" ", "").length > mostProcessors)
      return c.problems.add(mask, `"worker_cpu_affinity" supports up to ${mostProcessors} CPUs only`);
  }
  c.plan["worker_cpu_auto"] = isAuto;
  c.plan["worker_cpu_affinity"] = masks.map((mask) => mask.text.replaceAll(" ", ""));
}

function readPriority(c: Compiler, d: Directive): void {
  const word = d.args[0]!;
  const value = /^[+-]?\d{1,2}$/.test(word.text) ? Number(word.text) : NaN;
  if (value >= -20 && value <= 20) c.plan["worker_priority"] = value;
  else c.problems.add(word, `invalid value "${word.text}"`);
}
