// SPDX-License-Identifier: MIT
// Finds the scenarios: every file of bench/scenarios is one, named by its file. Fills in what a scenario leaves out.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./contenders.mjs";

const order = ["hello", "phases", "json", "shared-dict", "args-headers", "pipelined"];

/// All scenarios, the well-known ones first, or those whose names are given.
export async function scenarios(only = []) {
  const folder = join(root, "bench/scenarios");
  const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  const names = readdirSync(folder)
    .filter((f) => f.endsWith(".mjs"))
    .map((f) => f.slice(0, -4))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const unknown = only.filter((n) => !names.includes(n));
  if (unknown.length) throw new Error(`no scenario ${unknown.join(", ")}; there are ${names.join(", ")}`);
  const wanted = names.filter((n) => only.length === 0 || only.includes(n));
  return Promise.all(
    wanted.map(async (name) => {
      const { default: given } = await import(pathToFileURL(join(folder, `${name}.mjs`)).href);
      return { connections: 64, pipeline: 1, ...given, name, limit: { body: given.expect.body, ...given.limit } };
    }),
  );
}
