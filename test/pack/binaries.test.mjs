// SPDX-License-Identifier: MIT
// The binaries run where node 20 does: no glibc above the floor, no libstdc++ of the system's, nothing above the processor's
// base instructions, no path of the machine that built them.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { glibcFloor, namesAtFloor, notAbove } from "../../scripts/floor.mjs";
import { root, unpacked } from "./tarball.mjs";

const tool = (name, args) => execFileSync(name, args, { encoding: "utf8", maxBuffer: 1 << 28 });

/** The binaries of the package: [architecture, file]. */
function binaries(t) {
  const dir = join(unpacked(t), "prebuilds");
  return readdirSync(dir).map((name) => [name.replace("linux-", ""), join(dir, name, "moonwire.glibc.node")]);
}

test(`no name of glibc above ${glibcFloor}`, (t) => {
  for (const [arch, file] of binaries(t)) {
    const needs = [...tool("readelf", ["-V", "-W", file]).matchAll(/Name: (\w+?)_([\d.]+) /g)];
    t.true(needs.length > 3, arch);
    for (const [, family, version] of needs) {
      // libgcc_s has had these since GCC 3 and 4; libstdc++ is inside.
      t.true(family === "GCC" ? notAbove(version, "4.3") : family === "GLIBC", `${arch}: ${family}_${version}`);
      if (family === "GLIBC") t.true(notAbove(version, glibcFloor), `${arch}: GLIBC_${version}`);
    }
  }
});

test("it needs the libraries that node itself needs", (t) => {
  for (const [arch, file] of binaries(t)) {
    const needed = [...tool("readelf", ["-d", "-W", file]).matchAll(/NEEDED.*\[(.*)\]/g)].map((m) => m[1]).sort();
    const loader = arch === "x64" ? ["ld-linux-x86-64.so.2"] : ["ld-linux-aarch64.so.1"];
    const wanted = [...loader, "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0"];
    t.deepEqual(
      needed.filter((name) => !wanted.includes(name)),
      [],
      arch,
    );
  }
});

test("what it leaves undefined, node exports", (t) => {
  const exported = new Set(
    tool("nm", ["-D", "--defined-only", process.execPath])
      .match(/\S+$/gm)
      .map((n) => n.split("@")[0]),
  );
  for (const [arch, file] of binaries(t)) {
    const names = [...tool("readelf", ["--dyn-syms", "-W", file]).matchAll(/ GLOBAL +DEFAULT +UND (\S+)$/gm)].map(
      (m) => m[1],
    );
    t.true(names.includes("napi_create_function"), arch);
    t.deepEqual(
      names.filter((n) => !n.includes("@") && !exported.has(n)),
      [],
      arch,
    );
  }
});

test("it exports N-API's entry, Lua, the ABI and nginx's functions, nothing else", (t) => {
  for (const [arch, file] of binaries(t)) {
    const names = tool("nm", ["-D", "--defined-only", file])
      .match(/\S+$/gm)
      .map((n) => n.split("@")[0]);
    const ours = /^(napi_register_module_v1|node_api_module_get_api_version_v1|lua_|luaL_|luaopen_|luaJIT_|mw_|ngx_)/;
    t.deepEqual(
      names.filter((n) => !ours.test(n)),
      [],
      arch,
    );
    t.true(names.includes("lua_pcall"), arch);
  }
});

test("any x86-64 processor runs it", (t) => {
  const [, file] = binaries(t).find(([arch]) => arch === "x64");
  const code = tool("objdump", ["-d", "--no-show-raw-insn", "-j", ".text", file]);
  // LuaJIT and PCRE2 choose at run time what they generate; LuaJIT's own roundsd stands behind a test of SSE4.1. A tzcnt is what
  // GCC writes for bsf: "rep bsf", which older processors run as such, used where its operand is not 0.
  const beyond = [
    ...code.matchAll(
      /^\s+[0-9a-f]+:\s+(v[a-z0-9]+|popcnt|lzcnt|andn|bextr|blsr|blsi|pdep|pext|[sr]arx|shlx|shrx|mulx|crc32[bwlq]?|pcmp[ei]str[im]|pshufb|movbe|aes\w+|sha256\w+)\s+(.*)$/gm,
    ),
  ]
    .filter(([, name]) => !/^ver[rw]$/.test(name))
    .map(([, name, operands]) => `${name} ${operands}`);
  // The one lzcnt is PCRE2's own probe: older processors run it as bsr, and it looks at which of the two it was.
  t.deepEqual(beyond.filter((line, i) => line !== "lzcnt %eax,%eax" || beyond.indexOf(line) !== i).slice(0, 20), []);
});

test("no path of the machine that built it", (t) => {
  for (const [arch, file] of binaries(t)) {
    const text = readFileSync(file).toString("latin1");
    for (const path of [root, homedir(), "/.src/", "/.out/", "native/http"])
      t.false(text.includes(path === "native/http" ? `${root}native` : path), `${arch}: ${path}`);
  }
});

test("the floor is read from the tool chain's own glibc", (t) => {
  const dynsyms = [
    "  1: 0000000000085500   144 FUNC    GLOBAL DEFAULT   16 dlopen@GLIBC_2.2.5",
    "  2: 0000000000085500   144 FUNC    GLOBAL DEFAULT   16 dlopen@@GLIBC_2.34",
    "  3: 0000000000085500   144 FUNC    WEAK   DEFAULT   16 fcntl@GLIBC_2.2.5",
    "  4: 0000000000085500   144 FUNC    WEAK   DEFAULT   16 fcntl@@GLIBC_2.28",
    "  5: 0000000000085500   144 FUNC    GLOBAL DEFAULT   16 stat@@GLIBC_2.33",
    "  6: 0000000000085500     8 OBJECT  GLOBAL DEFAULT   16 stdout@@GLIBC_2.2.5",
    "  7: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND free@GLIBC_2.2.5 (3)",
  ].join("\n");
  t.deepEqual(Object.fromEntries(namesAtFloor(dynsyms, "2.28")), {
    dlopen: { version: "2.2.5", type: "function" },
    fcntl: { version: "2.28", type: "function" },
    stdout: { version: "2.2.5", type: "object" },
  });
  t.true(existsSync(join(root, "deps/.out", `glibc-${glibcFloor}-${process.arch}`, "libc.so")));
});
