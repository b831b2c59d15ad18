// SPDX-License-Identifier: MIT
// passing.txt: a line for each file of the suite, `t/FILE.t: BLOCK, BLOCK, ...`, of the blocks that pass.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/// Map of file to the set of its passing blocks.
export function readRecord(path) {
  const out = new Map();
  if (!existsSync(path)) return out;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const m = /^(t\/\S+\.t): (.*)$/.exec(line);
    if (m) out.set(m[1], new Set(m[2].split(", ")));
  }
  return out;
}

const passing = (blocks) => [...blocks].filter(([, status]) => status === "pass").map(([name]) => name);

/// What the files that ran have lost and gained against the record.
export function compare(record, results) {
  const lost = [];
  const gained = [];
  for (const { file, blocks } of results) {
    const before = record.get(file) ?? new Set();
    const now = new Set(passing(blocks));
    for (const name of before) if (!now.has(name)) lost.push(`${file} ${name}`);
    for (const name of now) if (!before.has(name)) gained.push(`${file} ${name}`);
  }
  return { lost, gained };
}

/// Writes the record anew; files that did not run keep their lines.
export function writeRecord(path, results) {
  const record = readRecord(path);
  for (const { file, blocks } of results) record.set(file, new Set(passing(blocks)));
  const lines = [...record]
    .filter(([, names]) => names.size > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, names]) => `${file}: ${[...names].join(", ")}`);
  writeFileSync(path, `${lines.join("\n")}\n`);
}
