// SPDX-License-Identifier: MIT
// The unpacked package builds from what is in it: no npm package, no apt, no cache of ours, no network. The whole build takes
// minutes, so it runs where MW_TEST_PACK_WHOLE says so; else each of its steps is shown on a part: every build of ours works on
// the same trees of the dependencies.
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { cleanEnvironment, folder, root, run, unpacked } from "./tarball.mjs";

const offline = process.getuid() === 0 ? ["unshare", "--net"] : ["env"];

/** Runs a command where no network is, as root; elsewhere without the caches that could stand for one. */
function within(t, dir) {
  const env = {
    ...cleanEnvironment(),
    MOONWIRE_CACHE: join(folder(t), "cache"),
    MOONWIRE_LTO: "0",
    MOONWIRE_JOBS: "2",
  };
  return (...command) => run(offline[0], [...offline.slice(1), ...command], { cwd: dir, env });
}

test("the dependencies' sources are those that our own build compiles", async (t) => {
  t.timeout(300_000);
  const dir = unpacked(t);
  await within(t, dir)(process.execPath, "deps/build.mjs", "--sources");
  t.is(
    await run("diff", ["-r", "--exclude=.sha256", "--exclude=.build", join(dir, "deps/.src"), join(root, "deps/.src")]),
    "",
  );
});

test("the addon's sources compile with the package's own headers", async (t) => {
  t.timeout(300_000);
  const dir = unpacked(t);
  const at = within(t, dir);
  const build = join(dir, "build/Release");
  const options = [
    "-DMW_TESTS=OFF",
    "-DMW_LTO=OFF",
    "-DMW_VERSION=0.0.0",
    `-DMW_DEPS=${join(root, "deps/.out", process.arch)}`,
  ];
  await at("cmake", "-S", dir, "-B", build, ...options);
  // The Lua half, node's and node-addon-api's headers, LuaJIT's.
  for (const file of ["native/addon/module.o", "native/script/mcode.o"]) await at("make", "-s", "-C", build, file);
  await at("make", "-s", "-C", build, "generated/embedded.o");
  t.true(existsSync(join(build, "generated/embedded.cpp")));
});

(process.env.MW_TEST_PACK_WHOLE ? test : test.skip)("npm run build, whole", async (t) => {
  t.timeout(1_800_000);
  const dir = unpacked(t);
  const built = join(dir, "build/Release/moonwire.node");
  await within(t, dir)("npm", "run", "build");
  await run(process.execPath, ["-e", `process.dlopen({ exports: {} }, ${JSON.stringify(built)})`]);
  t.pass();
});
