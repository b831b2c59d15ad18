// SPDX-License-Identifier: MIT
// node scripts/audit.mjs: asks the registry for known vulnerabilities of the packages that an installation brings, those in
// dist/ included. Exits 1 when there is one. A registry that cannot be reached, or that has no such service, is no failure, but
// the last line says that nothing was checked.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundledPackages, runtimePackages } from "./sbom.mjs";
import { root } from "./steps.mjs";

/// What npm's answer says of these packages: { bad: lines } or { unknown: why nothing is known }.
export function judge(answer, names) {
  let report;
  try {
    report = JSON.parse(answer.slice(Math.max(0, answer.indexOf("{"))));
  } catch {
    return { unknown: answer.trim().split("\n").pop() || "npm said nothing" };
  }
  if (!report.vulnerabilities) return { unknown: report.message ?? report.error?.summary ?? "no report" };
  const bad = Object.values(report.vulnerabilities).filter((v) => names.includes(v.name));
  return { bad: bad.map((v) => `${v.name} ${v.range}: ${v.severity}`) };
}

function main() {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const names = [...runtimePackages(lock).map((p) => p.name), ...bundledPackages];
  // Everything is asked about: what is bundled is a development dependency to npm.
  const args = ["audit", "--json", "--loglevel=silent", "--fetch-retries=0", "--fetch-timeout=20000"];
  const r = spawnSync("npm", args, { cwd: root, encoding: "utf8", timeout: 60_000 });
  const { bad, unknown } = judge(r.stdout ?? "", names);
  if (unknown !== undefined) console.log(`npm audit: NOT CHECKED, the registry gave no answer: ${unknown}`);
  else if (bad.length > 0) console.log(`npm audit: ${bad.join("; ")}`);
  else console.log(`npm audit: nothing known against ${names.join(", ")}`);
  process.exitCode = bad?.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
