// SPDX-License-Identifier: MIT
// A folder with some of our bundled Lua modules and no others, for a scenario's lua_package_path: nginx must not find the
// rest of native/lua, which is made for our engine.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const lua = fileURLToPath(new URL("../../native/lua/", import.meta.url));

/// Copies the modules ("resty/redis.lua") to a temporary folder that ends with the process; returns its path.
export function luaFolder(...modules) {
  const folder = mkdtempSync(join(tmpdir(), "moonwire-bench-lua-"));
  chmodSync(folder, 0o755);
  for (const name of modules) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(lua, name), join(folder, name));
  }
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
