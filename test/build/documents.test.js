// SPDX-License-Identifier: MIT
// The documents name what is there: links lead to files, and native/README.md's trace to sources and functions.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = (...patterns) =>
  execFileSync("git", ["ls-files", "-co", "--exclude-standard", ...patterns], { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter((path) => path && existsSync(join(root, path)));

test("relative links of the documents lead to files", (t) => {
  const bad = [];
  for (const path of files("*.md"))
    for (const [, link] of readFileSync(join(root, path), "utf8").matchAll(/\]\(([^)#\s]+)[^)]*\)/g))
      if (!/^[a-z]+:/.test(link) && !existsSync(join(root, dirname(path), link))) bad.push(`${path}: ${link}`);
  t.deepEqual(bad, []);
});

test("native/README.md names files and functions that exist", (t) => {
  const text = readFileSync(join(root, "native/README.md"), "utf8");
  const sources = files("native", "scripts");
  const code = sources
    .filter((path) => /\.(cpp|h|lua|mjs)$/.test(path))
    .map((path) => readFileSync(join(root, path), "utf8"))
    .join("\n");
  const bad = [];
  for (const [, name] of text.matchAll(/`([^`\s]+)`/g)) {
    if (/\w\.(cpp|h|lua|mjs)$/.test(name)) {
      if (!sources.some((path) => path.endsWith(`/${name}`) || path === name)) bad.push(name);
    } else if (/^\w*_\w*$/.test(name) && !new RegExp(`\\b${name}\\b`).test(code)) bad.push(name);
  }
  t.deepEqual(bad, []);
});

test("JavaScript in README.md and docs/ is what every supported Node reads", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "moonwire-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of files("README.md", "docs/*.md"))
    for (const [, code] of readFileSync(join(root, name), "utf8").matchAll(/^```js\n(.*?)^```/gms)) {
      t.false(/^\s*await using\b/m.test(code), `${name}: ${code}`);
      writeFileSync(join(folder, "a.mjs"), code);
      t.is(spawnSync(process.execPath, ["--check", join(folder, "a.mjs")], { encoding: "utf8" }).stderr, "", name);
    }
});
