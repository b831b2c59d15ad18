// SPDX-License-Identifier: MIT
// Two runs of `npm run pack` give the same bytes: at another time, under another umask and time zone, from a build folder that
// is laid out anew. That the binaries do not depend on where they are built is what binaries.test.mjs checks; both at once, in
// another folder and from nothing, where MW_TEST_PACK_WHOLE says so.
import { cpSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { cleanEnvironment, folder, manifest, root, run, tarball, unpacked } from "./tarball.mjs";

const arches = (await run("tar", ["-tzf", tarball])).match(/(?<=prebuilds\/linux-)\w+/g);

async function sameBytes(t, file) {
  if (readFileSync(file).equals(readFileSync(tarball))) return t.pass();
  const other = folder(t);
  await run("tar", ["-xzf", file, "-C", other]);
  const diff = await run("sh", ["-c", 'diff -rq "$1" "$2" || true', "diff", unpacked(t), join(other, "package")]);
  return t.fail(diff || "the same files, in another order or with other modes or times");
}

test("a second pack gives the same bytes", async (t) => {
  t.timeout(300_000);
  const out = folder(t);
  const command = `umask 077; exec "$0" scripts/pack.mjs --no-build --arch=${arches.join(",")} --out="$1"`;
  const env = { ...cleanEnvironment(), TZ: "Asia/Kathmandu", LC_ALL: "C" };
  await run("sh", ["-c", command, process.execPath, out], { cwd: root, env });
  await sameBytes(t, join(out, `moonwire-${manifest.version}.tgz`));
});

(process.env.MW_TEST_PACK_WHOLE ? test : test.skip)(
  "a pack from nothing in another folder gives the same bytes",
  async (t) => {
    t.timeout(3_000_000);
    const clone = join(folder(t), "elsewhere");
    await run("git", ["clone", "-q", root, clone]);
    cpSync(join(root, "package-lock.json"), join(clone, "package-lock.json"));
    symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
    const env = { ...process.env, MOONWIRE_CACHE: join(folder(t), "cache"), CCACHE_DISABLE: "1" };
    await run(process.execPath, ["scripts/pack.mjs", `--arch=${arches.join(",")}`], { cwd: clone, env });
    await sameBytes(t, join(clone, `moonwire-${manifest.version}.tgz`));
  },
);
