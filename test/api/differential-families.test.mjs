// SPDX-License-Identifier: MIT
// The escape, crypto, time and regex families against nginx with lua-nginx-module: test/lua/families_corpus.lua runs in
// both, and every line must be equal. Skipped, with a message, where Debian's nginx and libnginx-mod-http-lua are missing.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test from "ava";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const corpus = join(root, "test/lua/families_corpus.lua");
const sanitizer = process.env.MW_TEST_SANITIZER;
const nativeTest = join(root, sanitizer ? `build-${sanitizer}` : "build/Release", "native_test");
const modules = "/usr/lib/nginx/modules";
const nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].find((path) => existsSync(path));
const missing = [
  !nginx && "nginx",
  !existsSync(`${modules}/ngx_http_lua_module.so`) && "libnginx-mod-http-lua",
  !existsSync(nativeTest) && "native_test (npm run build)",
].filter(Boolean);

/** Runs the corpus in a private nginx, which ends by itself once the corpus is through; returns its lines. */
async function linesOfNginx(folder) {
  const out = join(folder, "nginx.txt");
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((n) => `${n}_temp_path ${folder}/${n};`)
    .join(" ");
  writeFileSync(
    join(folder, "nginx.conf"),
    `load_module ${modules}/ndk_http_module.so;
     load_module ${modules}/ngx_http_lua_module.so;
     daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 16; }
     http { access_log off; ${temp}
       init_worker_by_lua_block {
         ngx.timer.at(0, function()
           local file = io.open("${out}", "w")
           local ok, err = pcall(assert(loadfile("${corpus}")), function(line) file:write(line, "\\n") end)
           file:write("end ", tostring(ok), " ", tostring(err), "\\n")
           file:close()
         end)
       }
       server { listen unix:${folder}/socket; } }`,
  );
  const child = spawn(nginx, ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: "ignore" });
  try {
    for (let waited = 0; waited < 20_000; waited += 50) {
      const text = existsSync(out) ? readFileSync(out, "utf8") : "";
      if (/^end .*\n$/m.test(text)) return text.split("\n").slice(0, -2);
      if (child.exitCode !== null) throw new Error(readFileSync(join(folder, "error.log"), "utf8"));
      await sleep(50);
    }
    throw new Error("nginx did not finish the corpus");
  } finally {
    child.kill("SIGKILL");
  }
}

function linesOfMoonwire(folder) {
  const out = join(folder, "moonwire.txt");
  const result = spawnSync(nativeTest, ["lua_differential_corpus_runs"], {
    env: { ...process.env, MW_CORPUS_OUT: out },
    encoding: "utf8",
  });
  if (result.status !== 0) throw new Error(result.stderr);
  return readFileSync(out, "utf8").split("\n").slice(0, -1);
}

const run = missing.length > 0 ? test.skip : test;
const title = "escape, crypto, time and regex families give what lua-nginx-module gives";
run(missing.length > 0 ? `${title} (not here: ${missing.join(", ")})` : title, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "moonwire-differential-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const theirs = await linesOfNginx(folder);
  const ours = linesOfMoonwire(folder);
  const different = theirs
    .map((line, i) => (line === ours[i] ? "" : `${i + 1}\n  nginx:    ${line}\n  moonwire: ${ours[i]}`))
    .filter(Boolean);
  t.deepEqual(different.slice(0, 10), []);
  t.is(ours.length, theirs.length);
  t.true(ours.length > 5000);
});
