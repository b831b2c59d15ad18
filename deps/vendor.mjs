// SPDX-License-Identifier: MIT
// Which part of each dependency's source is needed, and the package's copies of it: one archive each in deps/vendor, with a
// list of their hashes. Every build works on the trees cut down to that, so none can need more than the package has. Never
// committed: `npm run pack` makes them from the tarballs that deps/manifest.json pins, and a build in the unpacked package
// takes them in place of the machine's apt sources.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256File } from "./cache.mjs";
import { fail, run } from "../scripts/shell.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const vendored = join(here, "vendor");
const list = join(vendored, "sources.json");

/// What of each source tree is kept: names at its top, the licence file among them, and exceptions below.
const kept = {
  luajit: { licence: "COPYRIGHT", names: /^(COPYRIGHT|dynasm|src)$/ },
  pcre2: {
    licence: "LICENCE",
    names:
      /^(AUTHORS|LICENCE|CMakeLists\.txt|cmake|config-cmake\.h\.in|configure\.ac|pcre2-config\.in|.*\.pc\.in|src)$/,
    not: /^src\/(pcre2_jit_test|pcre2grep)\.c$/,
  },
  cares: {
    licence: "LICENSE.md",
    names: /^(LICENSE\.md|README\.md|CMakeLists\.txt|.*cmake.*|docs|include|src)$/, // its CPack wants the README
    not: /^docs\/.*\.[13]$/,
  },
  cjson: { licence: "LICENSE", names: /^(LICENSE|(lua_cjson|strbuf|fpconv)\.[ch])$/ },
};

/// Cuts an unpacked tree down.
export function trim(name, dir) {
  const { names, not } = kept[name];
  for (const top of readdirSync(dir)) if (!names.test(top)) rmSync(join(dir, top), { recursive: true });
  if (not) for (const path of readdirSync(dir, { recursive: true })) if (not.test(path)) rmSync(join(dir, path));
}

/// Names the rule that a tree was cut down by.
export function trimKey(name) {
  return createHash("sha256")
    .update(String(kept[name].names) + String(kept[name].not))
    .digest("hex")
    .slice(0, 8);
}

/// The vendored archive of a dependency and its hash, checked; nothing outside the package.
export function vendoredTarball(name) {
  if (!existsSync(list)) return undefined;
  const entry = JSON.parse(readFileSync(list, "utf8"))[name];
  const path = join(vendored, entry.file);
  const sum = sha256File(path);
  if (sum !== entry.sha256) fail(`${path} has SHA-256 ${sum}, ${list} wants ${entry.sha256}`);
  return { path, sha256: entry.sha256 };
}

/// Writes archives, licences and their list into `out`; `sources` maps a dependency to its tree. Same trees, same bytes.
export function writeVendored(out, sources, manifest) {
  mkdirSync(out, { recursive: true });
  const entries = {};
  const fixed = [
    "--sort=name",
    "--format=ustar",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=u+rw,go+r-w",
  ];
  for (const [name, { version }] of Object.entries(manifest)) {
    const file = `${name}-${version}.tar.xz`;
    const path = join(out, file);
    run("tar", [...fixed, "--exclude=./.sha256", "-C", sources[name], "-cJf", path, "."], {
      env: { ...process.env, XZ_OPT: "-9e -T1", LC_ALL: "C" },
    });
    copyFileSync(join(sources[name], kept[name].licence), join(out, `LICENSE.${name}`));
    entries[name] = { file, sha256: sha256File(path) };
  }
  writeFileSync(join(out, "sources.json"), `${JSON.stringify(entries, null, 2)}\n`);
}

/// Copies the headers of node-addon-api, which the package's build cannot get from npm, with their licence.
export function writeAddonApi(out, from) {
  mkdirSync(out, { recursive: true });
  for (const name of ["napi.h", "napi-inl.h", "napi-inl.deprecated.h", "LICENSE.md", "package.json"])
    copyFileSync(join(from, name), join(out, name));
}
