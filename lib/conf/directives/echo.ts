// SPDX-License-Identifier: MIT
// Directives of echo-nginx-module: commands that a location answers with, in the order of the file.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

type Text = string | number;
type Commands = Text | readonly (Text | readonly Text[])[];

/** EchoCommand::Op of native/config.h, by directive. */
const ops = [
  "echo",
  "echo_duplicate",
  "echo_flush",
  "echo_sleep",
  "echo_blocking_sleep",
  "echo_reset_timer",
  "echo_read_request_body",
  "echo_request_body",
  "echo_location",
  "echo_location_async",
  "echo_subrequest",
  "echo_subrequest_async",
  "echo_foreach_split",
  "echo_end",
  "echo_exec",
  "echo_abort_parent",
] as const;

const command = (args: readonly [number, number], about: string) =>
  ({
    module: "echo",
    in: ["location"],
    kind: "own",
    args,
    form: "list",
    repeat: true,
    merge: "none",
    store: "none",
    read: readCommand,
    type: typed<Commands>(),
    about,
  }) as const satisfies Spec;

const around = (member: "echo_before_body" | "echo_after_body", about: string) =>
  ({
    module: "echo",
    in: everywhere,
    kind: "own",
    args: [0, many],
    form: "list",
    repeat: true,
    merge: "replace",
    member,
    initial: [],
    read: readAround,
    type: typed<Commands>(),
    about,
  }) as const satisfies Spec;

export const echo = {
  echo: {
    ...command([0, many], "answers with its words and a line end; `-n` leaves the line end out"),
    store: "location",
    member: "echo",
    initial: [],
  },
  echo_duplicate: command([2, 2], "answers with a text, so many times"),
  echo_flush: command([0, 0], "sends what was written so far"),
  echo_sleep: command([1, 1], "waits for so many seconds, without blocking"),
  echo_blocking_sleep: command([1, 1], "waits for so many seconds and blocks the worker: for tests"),
  echo_reset_timer: command([0, 0], "begins `$echo_timer_elapsed` anew"),
  echo_read_request_body: command([0, 0], "reads the request body"),
  echo_request_body: command([0, 0], "answers with the request body that was read"),
  echo_location: command([1, 2], "answers with the output of a GET subrequest, and waits for it"),
  echo_location_async: command([1, 2], "the same, without waiting"),
  echo_subrequest: command([2, many], "METHOD URI [-q ARGS] [-b BODY] [-f FILE]: answers with a subrequest's output"),
  echo_subrequest_async: command([2, many], "the same, without waiting"),
  echo_foreach_split: command([2, 3], "runs the commands up to `echo_end` for each part of a text, in `$echo_it`"),
  echo_end: command([0, 0], "ends the commands of `echo_foreach_split`"),
  echo_exec: command([1, 2], "goes to another location inside"),
  echo_abort_parent: command([0, 0], "accepted, no effect"),
  echo_status: {
    module: "echo",
    in: ["location"],
    kind: "number",
    merge: "none",
    default: "200",
    initial: 200,
    about: "the status of what `echo` answers",
  },
  echo_before_body: around("echo_before_body", "text before the body, whatever answers"),
  echo_after_body: around("echo_after_body", "text after the body, whatever answers"),
} as const satisfies Record<string, Spec>;

/** Words after the options `-n` and `--`. */
function readWords(c: Compiler, d: Directive) {
  let has_newline = true;
  let words = d.args;
  while (words[0]?.text === "-n") {
    has_newline = false;
    words = words.slice(1);
  }
  if (words[0]?.text === "--") words = words.slice(1);
  return { has_newline, args: words.map((w) => c.text(w.text, w) ?? "") };
}

function readCommand(c: Compiler, d: Directive, level: Level): void {
  const op = ops.indexOf(d.name as (typeof ops)[number]);
  const list = level.own.has("echo") ? (level.conf["echo"] as { op: number }[]) : [];
  if (d.name === "echo_end" && !list.some((other) => other.op === ops.indexOf("echo_foreach_split")))
    return c.problems.add(d, "echo_end directive found without a matching echo_foreach_split");
  const isText = d.name === "echo" || d.name === "echo_foreach_split";
  const words = isText ? readWords(c, d) : { has_newline: false, args: d.args.map((w) => c.text(w.text, w) ?? "") };
  c.push(level, "echo", { op, ...words });
}

function readAround(c: Compiler, d: Directive, level: Level): void {
  c.push(level, d.name, { op: 0, ...readWords(c, d) });
}
