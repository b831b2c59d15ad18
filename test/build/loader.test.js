// SPDX-License-Identifier: MIT
// What users read where the addon cannot be loaded: the reason and the remedy. Each case is a copy of the package whose binary
// is wrong in one way, or a node that says it runs on another machine.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const root = fileURLToPath(new URL("../..", import.meta.url));
const addon = readFileSync(join(root, "build/Release/moonwire.node"));
const prebuilt = `prebuilds/linux-${process.arch}/moonwire.glibc.node`;

/** The error that LuaVm.create() ends with in a package with these files, after `before` has run. */
async function failure(t, files, before = "") {
  const dir = mkdtempSync(join(tmpdir(), "moonwire-loader-"));
  t.teardown(() => rmSync(dir, { recursive: true }));
  for (const part of ["index.js", "bundle"]) cpSync(join(root, "dist", part), join(dir, "dist", part), { recursive: true });
  cpSync(join(root, "package.json"), join(dir, "package.json"));
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  const script = `${before}
    const { LuaVm } = await import(${JSON.stringify(join(dir, "dist/index.js"))});
    await LuaVm.create().then((vm) => vm.close(), (e) => console.log(e.code + ": " + e.message));`;
  const env = { ...process.env, MOONWIRE_BINARY: "", LD_PRELOAD: "" };
  return new Promise((done, fail) => {
    execFile(process.execPath, ["--input-type=module", "-e", script], { env }, (e, out, err) =>
      e ? fail(new Error(err)) : done(out.replaceAll(dir, "DIR").trim()),
    );
  });
}

function patched(from, to) {
  const copy = Buffer.from(addon);
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy.write(to, at, "latin1");
  return copy;
}

const here = `linux-${process.arch}`;
const build = "build it from its sources: npm run build in DIR";

test("no binary at all", async (t) => {
  t.is(
    await failure(t, {}),
    `ADDON_MISSING: no Moonwire binary for ${here}: neither build/Release nor prebuilds in DIR holds a binary; install the package again, or ${build}`,
  );
});

test("in the repository the build is named", async (t) => {
  t.regex(await failure(t, { "package-lock.json": "{}" }), /holds a binary; npm run build makes it$/);
});

test("the binary of this architecture is missing", async (t) => {
  const other = process.arch === "x64" ? "arm64" : "x64";
  t.is(
    await failure(t, { [`prebuilds/linux-${other}/moonwire.glibc.node`]: addon }),
    `ADDON_MISSING: no Moonwire binary for ${here}: DIR/${prebuilt} is missing (there is linux-${other}); install the package again, or ${build}`,
  );
});

test("a binary for another processor under this one's name", async (t) => {
  const other = Buffer.from(addon);
  other.writeUInt16LE(process.arch === "x64" ? 183 : 62, 18);
  t.is(
    await failure(t, { [prebuilt]: other }),
    `ADDON_MISSING: no Moonwire binary for ${here}: DIR/${prebuilt} is for ${process.arch === "x64" ? "arm64" : "x64"}; node_modules came from another machine: install the package again, or ${build}`,
  );
});

test("a damaged file", async (t) => {
  t.is(
    await failure(t, { [prebuilt]: "<html>404</html> and more of it" }),
    `ADDON_MISSING: no Moonwire binary for ${here}: DIR/${prebuilt} is damaged: not an ELF file; install the package again, or ${build}`,
  );
});

test("a glibc that is too old", async (t) => {
  const needed = /GLIBC_2\.(?:[2-9]\d|1[0-9])/.exec(addon.toString("latin1"))[0];
  t.regex(
    await failure(t, { [prebuilt]: patched(needed, "GLIBC_9.99") }),
    /^ADDON_MISSING: .*: it needs glibc 9\.99 or newer, this system has 2\.\d+; take a newer system, or build it from its sources: npm run build in DIR$/,
  );
});

test("musl", async (t) => {
  const musl = `process.env.LIBC = "musl";
    process.report.getReport = () => ({ header: {} });`;
  t.is(
    await failure(t, { [prebuilt]: addon }, musl),
    `ADDON_MISSING: no Moonwire binary for ${here}: the package has no binary for musl (Alpine); take an image with glibc, node:20-slim for one`,
  );
});

for (const [what, platform, arch, reason] of [
  ["another system", "darwin", "arm64", "it runs on Linux; elsewhere use a container or a virtual machine"],
  ["a 32-bit node", "linux", "ia32", "this node is a 32-bit one; install a 64-bit node"],
  ["another processor", "linux", "riscv64", "it runs on x64 and arm64 processors"],
])
  test(what, async (t) => {
    const pretend = `import os from "node:os";
      Object.defineProperty(process, "platform", { value: "${platform}" });
      Object.defineProperty(process, "arch", { value: "${arch}" });
      os.arch = () => "${arch}"; os.platform = () => "${platform}";`;
    t.is(
      await failure(t, { [prebuilt]: addon }, pretend),
      `ADDON_MISSING: no Moonwire binary for ${platform}-${arch}: ${reason}`,
    );
  });
