// SPDX-License-Identifier: MIT
// npm run pack [-- --arch=x64,arm64] [--no-lto[=ARCH]] [--no-build] [--out=DIR]: builds everything for both architectures (or those
// named) and makes moonwire-VERSION.tgz in DIR, the repository's root unless said. What goes in is laid out in build/package
// first: binaries without symbols, dist/ without source maps, the native sources, those of their dependencies
// (deps/vendor.mjs) and a bill of materials. The same sources give the same bytes, whenever and in whatever folder.
import { execFileSync } from "node:child_process";
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
import { dirname, join, resolve } from "node:path";
import { sourceTrees } from "../deps/build.mjs";
import { writeAddonApi, writeVendored } from "../deps/vendor.mjs";
import { sbom } from "./sbom.mjs";
import { fail, run, say } from "./shell.mjs";
import { cpuOf, entryModules, nativeBuild, npmPackages, root, typescriptBuild, variantDir } from "./steps.mjs";

const options = { arches: ["x64", "arm64"], noLto: [], build: true, out: root };
for (const arg of process.argv.slice(2)) {
  const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/.exec(arg) ?? [];
  if (name === "arch" && value) options.arches = value.split(",");
  else if (name === "out" && value) options.out = resolve(value);
  else if (name === "no-lto") options.noLto = value ? [value] : options.arches;
  else if (arg === "--no-build") options.build = false;
  else
    fail(`unknown option ${arg}; usage: npm run pack -- [--arch=x64,arm64] [--no-lto[=ARCH]] [--no-build] [--out=DIR]`);
}

const stage = join(root, "build/package");
const into = (path) => {
  mkdirSync(dirname(join(stage, path)), { recursive: true });
  return join(stage, path);
};
const tracked = (...patterns) =>
  execFileSync("git", ["ls-files", ...patterns], { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter(Boolean);

/// The addon of an architecture, stripped, under the name that node-gyp-build looks for.
function prebuild(arch) {
  const to = into(`prebuilds/linux-${arch}/moonwire.glibc.node`);
  const strip = arch === process.arch ? "strip" : `${cpuOf(arch)}-linux-gnu-strip`;
  run(strip, ["--strip-all", "--remove-section=.comment", "-o", to, join(variantDir("", arch), "moonwire.node")]);
  chmodSync(to, 0o755);
}

/// The entry points and what they import, and every declaration. The modules that bundle() merged into them stay behind.
function javascript() {
  const dist = join(root, "dist");
  for (const file of readdirSync(dist, { recursive: true })) {
    const entry =
      entryModules.includes(file) || /^(cli\/nginx\.sh|bundle\/.*\.js|cjs\/(index\.js|package\.json))$/.test(file);
    if (!entry && !(file.endsWith(".d.ts") && !/^(cjs\/)?cli\//.test(file))) continue;
    const to = into(join("dist", file));
    if (!file.endsWith(".js")) cpSync(join(dist, file), to);
    else writeFileSync(to, readFileSync(join(dist, file), "utf8").replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n"));
  }
}

/// The repository's package.json without what only the repository can do.
function manifest() {
  const { scripts, ...rest } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  delete rest.devDependencies;
  writeFileSync(into("package.json"), `${JSON.stringify({ ...rest, scripts: { build: scripts.build } }, null, 2)}\n`);
  return rest;
}

npmPackages();
if (options.build) {
  for (const arch of options.arches) nativeBuild({ arch, ...(options.noLto.includes(arch) && { lto: false }) });
  typescriptBuild();
}
for (const arch of options.arches)
  if (!existsSync(join(variantDir("", arch), "moonwire.node"))) fail(`no build for ${arch}; leave --no-build out`);

say("laying out build/package");
rmSync(stage, { recursive: true, force: true });
const { name, version } = manifest();
const scripts = ["build", "embed", "floor", "headers", "shell", "steps"].map((s) => `scripts/${s}.mjs`);
const documents = ["README.md", "CHANGELOG.md", "LICENSE", "THIRD_PARTY.md", "docs/*.md"];
for (const path of tracked("native", "deps", "CMakeLists.txt", ...scripts, ...documents))
  cpSync(join(root, path), into(path), { preserveTimestamps: true });
options.arches.forEach(prebuild);
javascript();
writeVendored(into("deps/vendor"), sourceTrees(), JSON.parse(readFileSync(join(root, "deps/manifest.json"), "utf8")));
writeAddonApi(into("deps/vendor/node-addon-api"), join(root, "node_modules/node-addon-api"));
writeFileSync(into("sbom.cdx.json"), sbom(root));

// npm pack fixes times and order; modes are those of the files, which the umask must not decide.
for (const file of readdirSync(stage, { recursive: true })) {
  const path = join(stage, file);
  const st = statSync(path);
  chmodSync(path, st.isDirectory() || /\.(sh|node)$|^dist\/cli\/main\.js$/.test(file) ? 0o755 : 0o644);
}
mkdirSync(options.out, { recursive: true });
run("npm", ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", options.out], { cwd: stage });
const tarball = join(options.out, `${name}-${version}.tgz`);
say(`${tarball}: ${(statSync(tarball).size / 1e6).toFixed(2)} MB`);
