// SPDX-License-Identifier: MIT
// The set-up steps that `npm start`, `npm test`, `npm run build` and .ci/run share: npm packages, native dependencies, the
// native build, the TypeScript build. Each is skipped when nothing it reads has changed: a stamp holds paths, sizes and
// times, so the check of an up-to-date tree takes milliseconds. Needs nothing but node.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { glibcFloor, makeStubs } from "./floor.mjs";
import { fail, hasTool, say } from "./shell.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/// One hash over path, size and time of every file below the given files and folders.
export function fingerprint(paths, extra = "") {
  const hash = createHash("sha256").update(extra + process.version);
  const add = (path) => {
    const st = statSync(path, { throwIfNoEntry: false });
    if (!st) return;
    if (st.isDirectory()) {
      for (const name of readdirSync(path).sort()) if (!name.startsWith(".")) add(join(path, name));
    } else hash.update(`${relative(root, path)} ${st.size} ${st.mtimeMs}\n`);
  };
  for (const p of paths) add(join(root, p));
  return hash.digest("hex");
}

function isFresh(stamp, key) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === key;
}

function mark(stamp, key) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, key);
}

/// Runs a command with its output shown; on failure says which one it was and ends the process.
export function show(command, args, options = {}) {
  const r = spawnSync(command, args, { stdio: "inherit", cwd: root, ...options });
  if (r.error) fail(`${command} could not be run: ${r.error.message}`);
  if (r.status !== 0) fail(`${[command, ...args].join(" ")} failed (exit ${r.status ?? r.signal})`);
}

/// The programs the set-up itself needs, all missing ones named at once.
export function checkTools() {
  const needs = { cmake: "cmake", make: "make", "g++": "g++", gcc: "gcc", tar: "tar", xz: "xz-utils" };
  const missing = Object.keys(needs).filter((t) => !hasTool(t));
  if (missing.length > 0)
    fail(`missing: ${missing.join(", ")}; on Debian: apt-get install ${missing.map((t) => needs[t]).join(" ")}`);
}

/// Whether this is the repository; the package holds the native sources alone, with dist/ built.
export const inRepository = existsSync(join(root, "package-lock.json"));

/// npm packages as package-lock.json names them.
export function npmPackages() {
  if (!inRepository) return;
  const key = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(root, "node_modules/.moonwire-lock");
  if (isFresh(stamp, key)) return;
  say("npm packages: npm ci");
  show("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  mark(stamp, key);
}

/// LuaJIT, PCRE2, c-ares, lua-cjson in deps/.out.
export function nativeDependencies(arch = process.arch) {
  checkTools();
  show(process.execPath, ["deps/build.mjs", "--arch", arch]);
}

/// Folder of a build variant: build/Release, build-address, build-thread for the sanitizers, build-arm64 for a cross build.
export function variantDir(sanitize, arch = process.arch) {
  const parts = [arch === process.arch ? "" : arch, sanitize].filter((p) => p);
  return join(root, parts.length > 0 ? `build-${parts.join("-")}` : "build/Release");
}

/// Stub libraries of the glibc that the package's binaries are for, or nothing where there is no need: a package that is built
/// from its sources is for this machine.
function floorFor(arch) {
  const musl = !process.report.getReport().header.glibcVersionRuntime;
  if (!inRepository || musl || !hasTool("readelf")) return "";
  const dir = join(root, "deps/.out", `glibc-${glibcFloor}-${arch}`);
  makeStubs(dir, arch === process.arch ? "gcc" : `${cpuOf(arch)}-linux-gnu-gcc`);
  return dir;
}

/// The processor's name in the GNU tools' names.
export function cpuOf(arch) {
  return { arm64: "aarch64", x64: "x86_64" }[arch] ?? fail(`no cross build for "${arch}"`);
}

/// What CMake must know of a target that is not this machine; its tests are not built, since they could not run here.
function crossOptions(arch) {
  const cpu = cpuOf(arch);
  const cross = `${cpu}-linux-gnu-`;
  return [
    "-DCMAKE_SYSTEM_NAME=Linux",
    `-DCMAKE_SYSTEM_PROCESSOR=${cpu}`,
    `-DCMAKE_C_COMPILER=${cross}gcc`,
    `-DCMAKE_CXX_COMPILER=${cross}g++`,
  ];
}

/// Configures and builds a variant: all its native targets, or the one named. MOONWIRE_LTO=0 leaves link-time optimization
/// out, for whoever builds again and again.
export function nativeBuild({
  sanitize = "",
  lto = process.env.MOONWIRE_LTO !== "0",
  arch = process.arch,
  target = "all",
  force = false,
} = {}) {
  const dir = variantDir(sanitize, arch);
  const stamp = join(dir, ".moonwire-stamp");
  const inputs = [
    "native",
    "deps/vendor/sources.json",
    "test/native",
    "test/fuzz",
    "test/differential",
    "CMakeLists.txt",
    "deps/build.mjs",
    "deps/recipes.mjs",
    "deps/manifest.json",
    "scripts/embed.mjs",
    "scripts/headers.mjs",
    "scripts/floor.mjs",
    "package.json",
  ];
  const key = fingerprint(
    inputs,
    `${sanitize} ${lto} ${target} ${process.env.LUAJIT_SRC || ""} ${process.env.MOONWIRE_WX || ""}`,
  );
  if (!force && isFresh(stamp, key)) return dir;
  nativeDependencies(arch);
  say(`native build${sanitize ? ` (${sanitize} sanitizer)` : ""} in ${relative(root, dir)}`);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const options = [`-DMW_SANITIZE=${sanitize}`, `-DMW_LTO=${lto ? "ON" : "OFF"}`, `-DMW_VERSION=${version}`];
  if (existsSync(join(root, ".git"))) options.push("-DMW_WERROR=ON");
  options.push(`-DMW_TESTS=${inRepository && arch === process.arch ? "ON" : "OFF"}`);
  options.push(`-DMW_FLOOR=${sanitize ? "" : floorFor(arch)}`);
  if (hasTool("ccache")) options.push("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache");
  if (arch !== process.arch) options.push(...crossOptions(arch));
  mkdirSync(dir, { recursive: true });
  show("cmake", ["-S", root, "-B", dir, "--log-level=NOTICE", ...options]);
  show("cmake", ["--build", dir, "--target", target, `-j${process.env.MOONWIRE_JOBS || 2}`]);
  mark(stamp, key);
  return dir;
}

/// lib/ into dist/: ES modules with declarations, and dist/cjs for require().
export function typescriptBuild({ force = false } = {}) {
  const stamp = join(root, "dist/.moonwire-stamp");
  const key = fingerprint(["lib", "tsconfig.json", "tsconfig.build.json", "scripts/steps.mjs"]);
  if (!force && isFresh(stamp, key)) return;
  say("TypeScript build in dist");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  show(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);
  bundle();
  commonJs();
  const launcher = join(root, "dist/cli/nginx.sh");
  cpSync(join(root, "lib/cli/nginx.sh"), launcher);
  chmodSync(launcher, 0o755);
  mark(stamp, key);
}

/// The modules of dist/ that are loaded by their own name: by users, as commands, as processes of ours.
export const entryModules = ["index.js", "process-worker.js", "cli/main.js", "cli/nginx.js"];

/// Puts the modules of the entry points into a few files in their place: reading forty small ones takes a third of the time
/// in which the server starts. The rest of dist/ stays, for the declarations and for tests of inner modules.
function bundle() {
  const dist = join(root, "dist");
  const { buildSync } = createRequire(import.meta.url)("esbuild"); // not there before `npm ci`
  buildSync({
    entryPoints: entryModules.map((f) => join(dist, f)),
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["chokidar", "jiti"], // loaded when they are needed
    banner: {
      // commander is CommonJS
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    sourcemap: true,
    allowOverwrite: true,
    outbase: dist,
    outdir: dist,
    chunkNames: "bundle/[name]-[hash]",
    logLevel: "warning",
  });
}

/// require("moonwire") loads the same ES modules (Node can since 20.19), so that both worlds share one set of classes and
/// one addon; the declarations are copied below a folder of type commonjs, where TypeScript reads them as CommonJS.
function commonJs() {
  const dist = join(root, "dist");
  const types = readdirSync(dist, { recursive: true }).filter((f) => f.endsWith(".d.ts"));
  for (const f of types) cpSync(join(dist, f), join(dist, "cjs", f));
  writeFileSync(join(dist, "cjs/package.json"), '{ "type": "commonjs" }\n');
  writeFileSync(join(dist, "cjs/index.js"), '"use strict";\nmodule.exports = require("../index.js");\n');
}

/// Everything that serving and testing need.
export function setUp() {
  npmPackages();
  nativeBuild();
  typescriptBuild();
}
