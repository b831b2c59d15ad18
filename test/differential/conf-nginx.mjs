// SPDX-License-Identifier: MIT
// The mistakes of test/conf/mistakes.js through `nginx -t` (Debian's nginx and libnginx-mod-http-lua): its first message and
// its line must be ours, but where the case says why not. Skipped where nginx or the module is not installed.
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../dist/conf/index.js";
import { mistakes } from "../conf/mistakes.js";
import { makePrefix, removePrefix } from "../helpers/files.js";

const modules = ["ndk_http_module.so", "ngx_http_lua_module.so"].map((name) => join("/usr/lib/nginx/modules", name));
const hasNginx = spawnSync("nginx", ["-v"]).status === 0 && modules.every((path) => existsSync(path));
if (!hasNginx) {
  console.log("conf-nginx: skipped, nginx with its Lua module is not installed");
  process.exit(0);
}

/** nginx's first message, `LINE MESSAGE`, or "" when it accepts. */
function theirs(prefix, conf) {
  // On the first line, so that lines stay the same.
  writeFileSync(join(prefix, "nginx.conf"), `${modules.map((path) => `load_module ${path};`).join(" ")} ${conf}`);
  const args = ["-t", "-p", `${prefix}/`, "-c", join(prefix, "nginx.conf"), "-e", "stderr"];
  const lines = spawnSync("nginx", args, { encoding: "utf8" }).stderr.split("\n");
  const first = lines.find((l) => /\[(emerg|warn)\]/.test(l) && !l.includes('the "user" directive')) ?? "";
  const [, message = "", line = ""] = /\] (?:\d+#\d+: )?(.*?)(?: in [^ ]*:(\d+))?$/.exec(first) ?? [];
  return message === "" ? "" : `${line} ${message}`;
}

let agreed = 0;
let failed = 0;
const prefix = makePrefix({});
for (const [conf, , difference] of mistakes) {
  const nginx = theirs(prefix, conf);
  writeFileSync(join(prefix, "nginx.conf"), conf);
  const [problem = { message: "", line: 0 }] = (await loadConfig(join(prefix, "nginx.conf"), { prefix })).problems;
  const [line, message] = [nginx.split(" ", 1)[0], nginx.slice(nginx.indexOf(" ") + 1)];
  // nginx counts a block's own line where we do, but reports some mistakes at its end, or when all is read.
  const isSame = problem.message === message && (line === "" || Number(line) >= problem.line);
  if (isSame !== (difference === undefined)) {
    failed++;
    console.log(`${JSON.stringify(conf)}\n  nginx: ${nginx}\n  ours:  ${problem.line} ${problem.message}`);
    if (difference !== undefined) console.log(`  a difference is expected: nginx ${difference}`);
  } else agreed++;
}
removePrefix(prefix);
console.log(`conf-nginx: ${agreed} as expected, ${failed} not`);
process.exit(failed === 0 ? 0 : 1);
