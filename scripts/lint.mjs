// SPDX-License-Identifier: MIT
// npm run lint [-- NAME...] [--newest=N] runs every linter (or those named), npm run format rewrites what formatters own.
// Works on the files git knows or would add. Ends with `N passed, N failed`, one per linter. With --newest, clang-tidy looks
// at the 8 N sources that changed last, and with its analyzer, two thirds of its time, at N.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { cacheDir } from "../deps/cache.mjs";
import * as house from "./check-house.mjs";
import { debianPackages } from "./packages.mjs";
import { hasTool, say } from "./shell.mjs";
import { nativeBuild, npmPackages, root } from "./steps.mjs";

process.chdir(root);
const args = process.argv.slice(2);
const fix = args.includes("--fix");
const only = args.filter((a) => !a.startsWith("-"));
const newest = Number(args.map((a) => /^--newest=(\d+)$/.exec(a)?.[1]).find(Boolean) ?? Infinity);

const paths = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((p) => p && existsSync(p));
const match = (re) => paths.filter((p) => re.test(p));
const cpp = match(/^(native|test)\/.*\.(cpp|h)$/).filter((p) => p !== "native/abi/mw_abi.h");
const lua = match(/\.lua$/).filter((p) => !/^test\/(fuzz\/corpus|conformance)|\/bad[^/]*\.lua$/.test(p));

/// Runs a program; resolves to its output's lines when it failed, else to nothing.
function run(command, argv) {
  return new Promise((done) => {
    const child = spawn(command, argv, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (d) => (text += d));
    child.stderr.on("data", (d) => (text += d));
    child.on("error", (e) => done([e.message]));
    child.on("exit", (code) => done(code === 0 ? [] : text.trim().split("\n")));
  });
}

const npm = (bin, argv) => run(process.execPath, [bin, ...argv]);

function stylua() {
  const { formatCode, Config, IndentType, QuoteStyle, CallParenType, OutputVerification, LuaVersion } = createRequire(
    import.meta.url,
  )("@johnnymorganz/stylua");
  const bad = [];
  for (const path of lua) {
    const text = readFileSync(path, "utf8");
    const config = Config.new();
    config.column_width = 120;
    config.indent_type = IndentType.Spaces;
    config.indent_width = 2;
    config.quote_style = QuoteStyle.AutoPreferDouble;
    config.call_parentheses = CallParenType.Input;
    if (LuaVersion.LuaJIT !== undefined) config.syntax = LuaVersion.LuaJIT;
    try {
      const wanted = formatCode(text, config, undefined, OutputVerification.None);
      if (wanted === text) continue;
      if (fix) writeFileSync(path, wanted);
      else bad.push(`${path}: not formatted (npm run format)`);
    } catch (e) {
      bad.push(`${path}: ${e.message ?? e}`);
    }
  }
  return bad;
}

/// One hash over a source and every header of ours that it includes, directly or not.
function sourceHash(path, seen = new Set()) {
  const add = (p) => {
    if (seen.has(p) || !existsSync(p)) return "";
    seen.add(p);
    const text = readFileSync(p, "utf8");
    return text + [...text.matchAll(/^\s*#include "([^"]+)"/gm)].map((m) => add(join("native", m[1]))).join("");
  };
  return createHash("sha256").update(add(path)).digest("hex");
}

/// The sources in the order in which they were changed, the last one first.
function newestFirst(sources) {
  const log = execFileSync("git", ["log", "--format=", "--name-only", "--", "native"], { encoding: "utf8" });
  const order = new Map();
  const isChanged = execFileSync("git", ["status", "--porcelain"], { encoding: "utf8" });
  for (const path of sources) if (isChanged.includes(path)) order.set(path, order.size);
  for (const path of log.split("\n")) if (!order.has(path)) order.set(path, order.size);
  return [...sources].sort((a, b) => (order.get(a) ?? Infinity) - (order.get(b) ?? Infinity));
}

/// A folder with the build's commands less the flags of gcc's that clang does not know.
function clangCommands(dir) {
  const commands = readFileSync(join(dir, "compile_commands.json"), "utf8");
  const folder = join(dir, "clang");
  mkdirSync(folder, { recursive: true });
  const known = commands.replace(/ -(mmemset-strategy=|Wno-restrict|ffat-lto-objects)[^ "]*/g, "");
  writeFileSync(join(folder, "compile_commands.json"), known);
  return folder;
}

/// clang-tidy of each source, two at a time. What passed is remembered in the user's cache, shared by all worktrees: by the
/// content of the source and its headers, the rules and the tool.
async function clangTidy() {
  const dir = clangCommands(nativeBuild());
  const tool = execFileSync("clang-tidy", ["--version"], { encoding: "utf8" });
  const rules = createHash("sha256").update(tool).update(readFileSync(".clang-tidy")).digest("hex");
  const cache = join(cacheDir(), "tidy");
  mkdirSync(cache, { recursive: true });
  const queue = newestFirst(match(/^native\/.*\.cpp$/))
    .slice(0, 8 * newest)
    .map((path, i) => ({ path, checks: i < newest ? "all" : "fast" }));
  const bad = [];
  const mark = (path, checks) =>
    join(
      cache,
      createHash("sha256")
        .update(`${rules} ${checks} ${path} ${sourceHash(path)}`)
        .digest("hex"),
    );
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { path, checks } = next;
      if (existsSync(mark(path, "all")) || existsSync(mark(path, checks))) continue;
      const options = ["--quiet"];
      if (checks === "fast") options.push("--checks=-clang-analyzer-*");
      const lines = await run("clang-tidy", ["-p", dir, ...options, path]);
      if (lines.length === 0) writeFileSync(mark(path, checks), path);
      else bad.push(...lines.filter((l) => !/warnings? (generated|treated)|^\d+ warn/.test(l)));
    }
  };
  await Promise.all([worker(), worker()]);
  return bad;
}

const chunks = (files, n = 60) =>
  Array.from({ length: Math.ceil(files.length / n) }, (_, i) => files.slice(i * n, i * n + n));
const debian = (tool, f) => () => (hasTool(tool) ? f() : [`${tool} is not installed`]);

const linters = {
  includes: () => house.includes(paths),
  sizes: () => house.sizes(paths),
  cdef: () => house.cdef(paths),
  members: () => house.members(paths),
  spdx: () => house.spdx(paths),
  prettier: () => npm("node_modules/prettier/bin/prettier.cjs", [fix ? "--write" : "--check", "--log-level=warn", "."]),
  eslint: () => npm("node_modules/eslint/bin/eslint.js", [...(fix ? ["--fix"] : []), "--max-warnings=0", "."]),
  stylua,
  luacheck: debian("luacheck", () => (lua.length > 0 ? run("luacheck", ["-q", "--no-color", ...lua]) : [])),
  "clang-format": debian("clang-format", async () =>
    (
      await Promise.all(
        chunks(cpp).map((c) => run("clang-format", fix ? ["-i", ...c] : ["--dry-run", "-Werror", ...c])),
      )
    ).flat(),
  ),
  "clang-tidy": debian("clang-tidy", clangTidy),
};
const formatters = ["prettier", "stylua", "clang-format", "eslint"];

npmPackages();
debianPackages("lint");
let passed = 0,
  failed = 0;
for (const [name, lint] of Object.entries(linters)) {
  if (only.length > 0 ? !only.includes(name) : fix && !formatters.includes(name)) continue;
  const began = Date.now();
  const bad = await lint();
  say(`${name}: ${bad.length === 0 ? "ok" : "FAILED"} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  if (bad.length > 0) console.log(bad.slice(0, 200).join("\n"));
  if (bad.length === 0) passed++;
  else failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
