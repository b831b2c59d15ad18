// SPDX-License-Identifier: MIT
// Stub libraries of an older glibc, to link the addon against: each has the names and versions that the tool chain's own
// libc.so.6, libm.so.6 and loader had at that glibc, and nothing in them. A name which has a newer version too is bound to
// the one that a system with the older glibc knows; a name that did not exist then stays undefined, and the test of the
// package's binaries names it (native/addon/glibc_floor.cpp brings the few we need).
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "./shell.mjs";

/// The oldest glibc on which node 20 runs, and with it the package's binaries.
export const glibcFloor = "2.28";

/// True when version a is not above version b: "2.9" is below "2.28".
export function notAbove(a, b) {
  const x = a.split(".").map(Number);
  const y = b.split(".").map(Number);
  for (let i = 0; i < Math.max(x.length, y.length); i++)
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) < (y[i] ?? 0);
  return true;
}

/// Name -> { version, type } of what a library had at the floor, the newest version of each.
export function namesAtFloor(dynsyms, floor) {
  const names = new Map();
  for (const line of dynsyms.split("\n")) {
    const m = / (FUNC|IFUNC|OBJECT) +(?:GLOBAL|WEAK) +DEFAULT +\d+ (\w+)@@?GLIBC_([\d.]+)(?: |$)/.exec(line);
    if (!m || !notAbove(m[3], floor)) continue;
    const known = names.get(m[2]);
    if (!known || notAbove(known.version, m[3]))
      names.set(m[2], { version: m[3], type: m[1] === "OBJECT" ? "object" : "function" });
  }
  return names;
}

/// Makes the stubs in `dir` for a compiler, "gcc" or "aarch64-linux-gnu-gcc"; -L with that folder makes ld take them.
export function makeStubs(dir, cc, floor = glibcFloor) {
  const tools = cc.replace(/gcc$/, "");
  const file = (name) => run(cc, [`-print-file-name=${name}`]).trim();
  const loader = /ld-linux[\w.-]*/.exec(run(`${tools}readelf`, ["-d", "-W", file("libc.so.6")]))[0];
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const stub = (soname, library) => {
    const names = library ? namesAtFloor(run(`${tools}readelf`, ["--dyn-syms", "-W", library]), floor) : new Map();
    const versions = [...new Set([...names.values()].map((n) => n.version))].sort((a, b) => (notAbove(a, b) ? -1 : 1));
    let text = ".text\n";
    let n = 0;
    for (const [name, { version, type }] of names) {
      const own = `mw_stub_${n++}`;
      text += `.globl ${own}\n.type ${own}, %${type}\n${own}: .long 0\n.symver ${own}, ${name}@@GLIBC_${version}\n`;
    }
    const source = join(dir, `${soname}.s`);
    const map = join(dir, `${soname}.map`);
    writeFileSync(source, `${text}.section .note.GNU-stack,"",%progbits\n`);
    writeFileSync(
      map,
      versions
        .map((v, i) => `GLIBC_${v} {${i ? "" : " local: mw_stub_*;"} }${i ? ` GLIBC_${versions[i - 1]}` : ""};\n`)
        .join(""),
    );
    const script = versions.length > 0 ? [`-Wl,--version-script=${map}`] : [];
    const out = join(dir, soname);
    run(cc, ["-shared", "-nostdlib", `-Wl,-soname,${soname}`, ...script, "-o", out, source]);
    return basename(out);
  };
  const libc = stub("libc.so.6", file("libc.so.6"));
  stub(loader, file(loader));
  const group = `${libc} ${file("libc_nonshared.a")} AS_NEEDED ( ${loader} )`;
  writeFileSync(join(dir, "libc.so"), `GROUP ( ${group} )\n`);
  writeFileSync(join(dir, "libm.so"), `GROUP ( ${stub("libm.so.6", file("libm.so.6"))} )\n`);
  // Before glibc 2.34 threads and dlopen were libraries of their own; later ones still bring these, empty.
  writeFileSync(join(dir, "libpthread.so"), `GROUP ( ${stub("libpthread.so.0")} )\n`);
  writeFileSync(join(dir, "libdl.so"), `GROUP ( ${stub("libdl.so.2")} )\n`);
}
