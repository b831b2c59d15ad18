// SPDX-License-Identifier: MIT
// npm run lint [-- NAME...] runs every linter (or those named), npm run format rewrites what formatters own. Works on the
// files git knows or would add. Ends with `N passed, N failed`, one per linter.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as house from "./check-house.mjs";
import { debianPackages } from "./packages.mjs";
import { hasTool, say } from "./shell.mjs";
import { nativeBuild, npmPackages, root } from "./steps.mjs";

process.chdir(root);
const args = process.argv.slice(2);
const fix = args.includes("--fix");
const only = args.filter((a) => !a.startsWith("-"));

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

/// clang-tidy of each source, remembered by the content of it and of every header, two at a time.
async function clangTidy() {
  const dir = nativeBuild();
  const headers = createHash("sha256").update(readFileSync(".clang-tidy"));
  for (const p of match(/^native\/.*\.h$/)) headers.update(readFileSync(p));
  const base = headers.digest("hex");
  const cache = join(root, "build/tidy");
  mkdirSync(cache, { recursive: true });
  const queue = match(/^native\/.*\.cpp$/);
  const bad = [];
  const worker = async () => {
    for (let path = queue.shift(); path; path = queue.shift()) {
      const mark = join(cache, createHash("sha256").update(base).update(readFileSync(path)).digest("hex"));
      if (existsSync(mark)) continue;
      // GCC's flags that clang does not know (-ffat-lto-objects) are no fault of the source.
      const lines = await run("clang-tidy", [
        "-p",
        dir,
        "--quiet",
        "--extra-arg=-Wno-ignored-optimization-argument",
        path,
      ]);
      if (lines.length === 0) writeFileSync(mark, path);
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
