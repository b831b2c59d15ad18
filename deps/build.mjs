#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Gets and builds the native dependencies that deps/manifest.json pins:
//   node deps/build.mjs [--arch x64|arm64] [--sources]
// Result: headers and static PIC libraries in deps/.out/<arch>/. Tarballs and built outputs are cached, keyed by manifest
// entry, flags and architecture, below ${MOONWIRE_CACHE:-${XDG_CACHE_HOME:-~/.cache}/moonwire}. Needs no npm package.
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDir } from "./cache.mjs";
import { fetchTarball } from "./fetch.mjs";
import { recipes } from "./recipes.mjs";
import { trim, trimKey, vendoredTarball } from "./vendor.mjs";
import { fail, run, say, tool } from "../scripts/shell.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const manifest = JSON.parse(readFileSync(join(here, "manifest.json"), "utf8"));
const arches = {
  x64: { triple: "x86_64-linux-gnu-", cmake: "x86_64", packages: "gcc-x86-64-linux-gnu g++-x86-64-linux-gnu" },
  arm64: { triple: "aarch64-linux-gnu-", cmake: "aarch64", packages: "gcc-aarch64-linux-gnu g++-aarch64-linux-gnu" },
};

function parseArgs(argv) {
  const out = { arch: process.arch, sources: false };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === "--arch") out.arch = argv[++i];
    else if (argv[i] === "--sources") out.sources = true;
    else fail(`unknown option ${argv[i]}; usage: node deps/build.mjs [--arch x64|arm64] [--sources]`);
  }
  if (!arches[out.arch]) fail(`no recipe for architecture "${out.arch}" (known: ${Object.keys(arches).join(", ")})`);
  return out;
}

/// The compiler names for a target: plain ones for the host, prefixed ones for a cross build.
function chainOf(arch) {
  const cross = arch === process.arch ? "" : arches[arch].triple;
  return { arch, cross, cc: `${cross}gcc`, ar: `${cross}ar`, system: arches[arch].cmake };
}

/// Stops with the Debian package's name when a tool that the build calls is missing.
function checkTools(chain) {
  for (const [name, pkg] of [
    ["make", "make"],
    ["cmake", "cmake"],
    ["gcc", "gcc"],
    ["tar", "tar"],
    ["xz", "xz-utils"],
  ])
    tool(name, pkg);
  if (chain.cross) tool(chain.cc, arches[chain.arch].packages);
}

/// Where a dependency's source is: a checked, unpacked tarball below deps/.src/, or the tree that LUAJIT_SRC names.
function sourceOf(name, entry) {
  if (name === "luajit" && process.env.LUAJIT_SRC) return resolve(process.env.LUAJIT_SRC);
  const dir = join(here, ".src", `${name}-${entry.version}`);
  const vendored = vendoredTarball(name);
  const stamp = `${vendored?.sha256 ?? entry.sha256} ${trimKey(name)}`;
  if (existsSync(join(dir, ".sha256")) && readFileSync(join(dir, ".sha256"), "utf8") === stamp) return dir;
  const tarball = vendored?.path ?? fetchTarball(name, entry);
  say(`${name}: unpacking ${basename(tarball)}`);
  const part = `${dir}.part${process.pid}`;
  mkdirSync(part, { recursive: true });
  run("tar", ["-xf", tarball, "-C", part, ...(vendored ? [] : ["--strip-components=1"]), "--no-same-owner"]);
  trim(name, part);
  writeFileSync(join(part, ".sha256"), stamp);
  rmSync(dir, { recursive: true, force: true });
  renameSync(part, dir);
  return dir;
}

/// One number for a local source tree: names, sizes and times of its C, assembler and make files.
function treeKey(dir) {
  const hash = createHash("sha256");
  for (const f of readdirSync(dir, { recursive: true }).sort()) {
    if (!/\.(c|h|dasc|lua|S)$|Makefile[^/]*$/.test(f)) continue;
    const st = statSync(join(dir, f));
    hash.update(`${f} ${st.size} ${st.mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function keyOf(name, entry, chain) {
  const hash = createHash("sha256").update(JSON.stringify([entry, chain, recipes[name].flags]));
  hash.update(recipes[name].build.toString());
  if (name === "luajit" && process.env.LUAJIT_SRC) hash.update(treeKey(resolve(process.env.LUAJIT_SRC)));
  return hash.digest("hex").slice(0, 16);
}

/// Builds one dependency into the cache unless it is there; returns its folder {include,lib}.
function built(name, entry, chain, luaHeaders) {
  const key = keyOf(name, entry, chain);
  const done = join(cacheDir(), "built", `${name}-${entry.version}-${chain.arch}-${key}`);
  if (existsSync(done)) return done;
  const src = sourceOf(name, entry);
  const work = join(here, ".src", ".build", `${name}-${chain.arch}-${process.pid}`);
  const part = `${done}.part${process.pid}`;
  for (const d of [work, part]) rmSync(d, { recursive: true, force: true });
  for (const d of [work, join(part, "include"), join(part, "lib")]) mkdirSync(d, { recursive: true });
  const began = Date.now();
  say(`${name}: building ${entry.version} for ${chain.arch}`);
  recipes[name].build({ src, work, out: part, chain, flags: recipes[name].flags, run, headers: luaHeaders });
  rmSync(work, { recursive: true, force: true });
  try {
    renameSync(part, done);
  } catch (e) {
    if (!existsSync(done)) throw e;
    rmSync(part, { recursive: true, force: true }); // somebody else was faster
  }
  say(`${name}: built in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return done;
}

/// The unpacked source of every dependency: name -> folder.
export function sourceTrees() {
  return Object.fromEntries(Object.entries(manifest).map(([name, entry]) => [name, sourceOf(name, entry)]));
}

/// Builds what is not built yet and lays it out in deps/.out/<arch>.
function main(args) {
  if (args.sources) {
    sourceTrees();
    return;
  }
  const chain = chainOf(args.arch);
  const keys = Object.entries(manifest)
    .map(([n, e]) => `${n} ${keyOf(n, e, chain)}`)
    .join("\n");
  const out = join(here, ".out", args.arch);
  const stamp = join(out, ".stamp");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === keys) return;
  checkTools(chain);
  const folders = [];
  for (const [n, e] of Object.entries(manifest))
    folders.push(built(n, e, chain, folders[0] && join(folders[0], "include")));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const dir of folders) cpSync(dir, out, { recursive: true, preserveTimestamps: true });
  writeFileSync(stamp, keys);
  say(`ready in deps/.out/${args.arch}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(parseArgs(process.argv.slice(2)));
