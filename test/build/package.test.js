// SPDX-License-Identifier: MIT
// The package as its users load it: both module systems reach the same module, and the addon hides its dependencies.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import test from "ava";

const require = createRequire(import.meta.url);

test("import and require give the same objects", async (t) => {
  const esm = await import("moonwire");
  const cjs = require("moonwire");
  t.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
  for (const name of Object.keys(esm)) t.is(cjs[name], esm[name]);
});

test("the addon exports N-API's entry, Lua, the ABI and nginx's functions, nothing else", (t) => {
  const file = process.env.MOONWIRE_BINARY || fileURLToPath(new URL("../../build/Release/moonwire.node", import.meta.url));
  const lines = execFileSync("nm", ["-D", "--defined-only", file], { encoding: "utf8" }).trim().split("\n");
  const names = lines.map((l) => l.split(" ").pop().split("@")[0]);
  const foreign = names.filter((n) => !/^(napi_register_module_v1|node_api_module_get_api_version_v1|lua_|luaL_|luaopen_|luaJIT_|mw_|ngx_)/.test(n));
  if (!process.env.MW_TEST_SANITIZER) t.deepEqual(foreign, []);
  for (const needed of ["lua_pcall", "luaL_newstate", "luaopen_jit"]) t.true(names.includes(needed), needed);
});
