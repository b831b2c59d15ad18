// SPDX-License-Identifier: MIT
// The command lines of the benchmarks and of the conformance runner: options are node's parseArgs's, each with a `help` of
// its own; --help lists them, and what is wrong is said in one line, with exit code 2.
import { parseArgs } from "node:util";

function lineOf([name, { type, help = "", short, default: value, multiple }]) {
  const left = `${short ? `-${short}, ` : ""}--${name}${type === "string" ? " VALUE" : ""}`;
  const notes = [...(multiple ? ["may be given again"] : []), ...(typeof value === "string" ? [value] : [])];
  return `  ${left.padEnd(22)} ${help}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
}

/// What the command line says: { values, positionals }. `usage` is its form in a line.
export function readOptions({ usage, options, allowPositionals = false }) {
  const all = { ...options, help: { type: "boolean", short: "h", help: "this list" } };
  const text = `usage: ${usage}\n${Object.entries(all).map(lineOf).join("\n")}`;
  const wrong = (why) => {
    console.error(`error: ${why}\n\n${text}`);
    process.exit(2);
  };
  let read;
  try {
    read = parseArgs({ options: all, allowPositionals });
  } catch (e) {
    return wrong(e.message);
  }
  if (read.values.help) {
    console.log(text);
    process.exit(0);
  }
  for (const [name, { needed }] of Object.entries(all))
    if (needed && read.values[name] === undefined) wrong(`--${name} is needed`);
  return read;
}
