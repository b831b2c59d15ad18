// SPDX-License-Identifier: MIT
// What the tarball holds: exactly the files that are meant to, small, without anything that npm would run.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { manifest, root, tarball, unpacked } from "./tarball.mjs";

const lines = execFileSync("tar", ["-tvzf", tarball], { encoding: "utf8" }).trim().split("\n");
const entries = lines.map((line) => {
  const [, mode, time, path] = /^(\S+) +\S+ +\d+ (\S+ \S+) package\/(.+)$/.exec(line);
  return { mode, time, path };
});
const tracked = (...patterns) =>
  execFileSync("git", ["ls-files", ...patterns], { cwd: root, encoding: "utf8" })
    .trim()
    .split("\n");
const native = JSON.parse(readFileSync(join(root, "deps/manifest.json"), "utf8"));

test("these files and no others", (t) => {
  const scripts = ["build", "embed", "floor", "headers", "shell", "steps"].map((name) => `scripts/${name}.mjs`);
  const documents = ["README.md", "CHANGELOG.md", "LICENSE", "THIRD_PARTY.md", "docs"];
  const sources = tracked("native", "deps", "CMakeLists.txt", ...scripts, ...documents);
  const vendored = Object.entries(native).flatMap(([name, d]) => [`${name}-${d.version}.tar.xz`, `LICENSE.${name}`]);
  const api = ["LICENSE.md", "napi-inl.deprecated.h", "napi-inl.h", "napi.h", "package.json"];
  const wanted = new Set([
    ...sources,
    "package.json",
    "sbom.cdx.json",
    "deps/vendor/sources.json",
    ...vendored.map((name) => `deps/vendor/${name}`),
    ...api.map((name) => `deps/vendor/node-addon-api/${name}`),
    ...["index.js", "process-worker.js", "cli/main.js", "cli/nginx.js", "cli/nginx.sh"].map((f) => `dist/${f}`),
    ...["cjs/index.js", "cjs/package.json"].map((f) => `dist/${f}`),
  ]);
  const generated = [
    /^dist\/bundle\/[\w-]+\.js$/,
    /^dist\/(?!cli\/)[\w/-]+\.d\.ts$/,
    /^prebuilds\/linux-(x64|arm64)\/moonwire\.glibc\.node$/,
  ];
  const paths = entries.map((e) => e.path);
  t.deepEqual(
    paths.filter((path) => !wanted.has(path) && !generated.some((re) => re.test(path))),
    [],
    "more than wanted",
  );
  t.deepEqual(
    [...wanted].filter((path) => !paths.includes(path)),
    [],
    "missing",
  );
  t.true(paths.includes("prebuilds/linux-x64/moonwire.glibc.node"));
  for (const name of ["dist/index.d.ts", "dist/cjs/index.d.ts"]) t.true(paths.includes(name), name);
});

test("under 6 MB", (t) => {
  t.true(statSync(tarball).size < 6e6, `${statSync(tarball).size}`);
});

test("order, times and modes say nothing of the machine that made it", (t) => {
  t.is(new Set(entries.map((e) => e.time)).size, 1);
  for (const { mode, path } of entries)
    t.is(mode, /\.(sh|node)$|^dist\/cli\/main\.js$/.test(path) ? "-rwxr-xr-x" : "-rw-r--r--", path);
});

test("npm runs nothing and installs at most six packages", (t) => {
  const dir = unpacked(t);
  const own = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
  t.deepEqual(own.scripts, { build: "node scripts/build.mjs" });
  t.is(own.gypfile, false);
  t.false(existsSync(join(dir, "binding.gyp")));
  t.is(own.devDependencies, undefined);
  t.deepEqual(own.dependencies, manifest.dependencies);
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const runtime = Object.entries(lock.packages).filter(([path, p]) => path && !p.dev);
  t.true(runtime.length <= 6, runtime.map(([path]) => path).join(" "));
  t.deepEqual(
    runtime.filter(([, p]) => p.hasInstallScript),
    [],
  );
});

test("every licence is there and listed", (t) => {
  const dir = unpacked(t);
  const text = readFileSync(join(dir, "THIRD_PARTY.md"), "utf8");
  for (const [name, d] of Object.entries(native)) {
    t.regex(readFileSync(join(dir, `deps/vendor/LICENSE.${name}`), "utf8"), /copyright/i);
    t.true(text.includes(d.version.replace(/\+.*/, "")), `${name} ${d.version}`);
  }
  for (const name of [...Object.keys(manifest.dependencies), "readdirp", "commander", "node-addon-api", "libstdc++"])
    t.true(text.includes(name), name);
});

test("the bill of materials names everything that is in it", (t) => {
  const bom = JSON.parse(readFileSync(join(unpacked(t), "sbom.cdx.json"), "utf8"));
  t.is(bom.bomFormat, "CycloneDX");
  t.regex(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  t.is(bom.metadata.component.purl, `pkg:npm/moonwire@${manifest.version}`);
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const runtime = Object.entries(lock).filter(([path, p]) => path && !p.dev);
  const names = bom.components.map((c) => `${c.name} ${c.version}`);
  const wanted = [
    ...runtime.map(([path, p]) => `${path.replace("node_modules/", "")} ${p.version}`),
    ...["commander", "node-addon-api"].map((name) => `${name} ${lock[`node_modules/${name}`].version}`),
    ...Object.values(native).map((d) => `${d.source} ${d.version}`),
  ];
  t.deepEqual(names.filter((name) => !name.startsWith("libstdc++ ")).sort(), wanted.sort());
  for (const c of bom.components) t.is(c.licenses.length, 1, c.name);
  t.is(new Set(bom.components.map((c) => c["bom-ref"])).size, bom.components.length);
});

test("the vendored archives are what their list says", (t) => {
  const dir = join(unpacked(t), "deps/vendor");
  const list = JSON.parse(readFileSync(join(dir, "sources.json"), "utf8"));
  t.deepEqual(Object.keys(list), Object.keys(native));
  for (const { file, sha256 } of Object.values(list))
    t.is(
      createHash("sha256")
        .update(readFileSync(join(dir, file)))
        .digest("hex"),
      sha256,
      file,
    );
});
