// SPDX-License-Identifier: MIT
// The package's software bill of materials, CycloneDX 1.5: what npm installs with it (package-lock.json), what is bundled in
// its JavaScript, what is linked into its binaries (deps/manifest.json, libstdc++). Made of nothing but those, so the same
// sources give the same document; its serial number is a hash of its content.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./shell.mjs";

/// npm packages whose code esbuild puts into dist/.
export const bundledPackages = ["commander"];

const licence = (id) => [{ license: { id } }];

/// The packages of package-lock.json that an installation of ours brings: path, version, licence, hash.
export function runtimePackages(lock) {
  return Object.entries(lock.packages)
    .filter(([path, p]) => path.startsWith("node_modules/") && !p.dev && !p.devOptional && !p.optional)
    .map(([path, p]) => ({ ...p, name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length) }));
}

function npmComponent(root, p, scope) {
  const license = p.license ?? JSON.parse(readFileSync(join(root, "node_modules", p.name, "package.json"))).license;
  const [algorithm, digest] = (p.integrity ?? "").split("-");
  return {
    type: "library",
    name: p.name,
    version: p.version,
    scope,
    licenses: licence(license),
    purl: `pkg:npm/${p.name.replace("@", "%40")}@${p.version}`,
    ...(algorithm === "sha512" && {
      hashes: [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }],
    }),
  };
}

/// The document as text.
export function sbom(root) {
  const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));
  const own = read("package.json");
  const lock = read("package-lock.json");
  const native = Object.entries(read("deps/manifest.json")).map(([, d]) => ({
    type: "library",
    name: d.source,
    version: d.version,
    licenses: licence(d.license),
    purl: `pkg:generic/${d.source}@${encodeURIComponent(d.version)}?checksum=sha256:${d.sha256}`,
    description: `linked statically into the binaries; built from ${d.file}`,
    hashes: [{ alg: "SHA-256", content: d.sha256 }],
  }));
  const gcc = run("gcc", ["-dumpfullversion"]).trim();
  native.push({
    type: "library",
    name: "libstdc++",
    version: gcc,
    licenses: [{ expression: "GPL-3.0-or-later WITH GCC-exception-3.1" }],
    purl: `pkg:generic/libstdc%2B%2B@${gcc}`,
    description: "linked statically into the binaries",
  });
  const headers = lock.packages["node_modules/node-addon-api"];
  const bundled = bundledPackages.map((name) => ({ ...lock.packages[`node_modules/${name}`], name }));
  const components = [
    ...runtimePackages(lock).map((p) => npmComponent(root, p, "required")),
    ...[...bundled, { ...headers, name: "node-addon-api" }].map((p) => ({
      ...npmComponent(root, p, "required"),
      description: p.name === "node-addon-api" ? "headers compiled into the binaries" : "bundled in dist/",
    })),
    ...native,
  ].sort((a, b) => (a.purl < b.purl ? -1 : 1));
  for (const c of components) c["bom-ref"] = c.purl;
  const purl = `pkg:npm/${own.name}@${own.version}`;
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "library",
        "bom-ref": purl,
        name: own.name,
        version: own.version,
        licenses: licence(own.license),
        purl,
      },
    },
    components,
    dependencies: [{ ref: purl, dependsOn: components.map((c) => c.purl) }],
  };
  const hash = createHash("sha256").update(JSON.stringify(document)).digest("hex");
  // A UUID of version 8: bits of one's own choice.
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return `${JSON.stringify({ ...document, serialNumber: `urn:uuid:${uuid}` }, null, 2)}\n`;
}
