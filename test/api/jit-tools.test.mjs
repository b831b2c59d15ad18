// SPDX-License-Identifier: MIT
// LuaJIT's own tools, jit.*: found by require in the server, where they tell of its VM.
import { join } from "node:path";
import { readFileSync } from "node:fs";
import test from "ava";
import { startMoonwire, startProcess } from "../helpers/index.js";

async function run(t, code) {
  const s = await startMoonwire(t, { server: `location /t { content_by_lua_block { ${code} } }` });
  const { body } = await s.get("/t");
  return { s, lines: body.trimEnd().split("\n") };
}

test("all of them load, and nothing of them was loaded before", async (t) => {
  const { lines } = await run(
    t,
    `local names = { "bc", "bcsave", "dump", "p", "v", "vmdef", "zone", jit.arch == "x64" and "dis_x64" or "dis_arm64" }
    for _, name in ipairs(names) do
      name = "jit." .. name
      ngx.say(name, " ", package.loaded[name] == nil or name == "jit.vmdef", " ", type(require(name)))
    end`,
  );
  for (const line of lines) t.regex(line, /^jit\.\w+ true (table|function)$/);
  t.is(lines.length, 8);
});

test("jit.vmdef is this VM's: jit.bc names bytecodes and functions", async (t) => {
  const { lines } = await run(
    t,
    `local out = {}
    require("jit.bc").dump(loadstring("local a = ... return a + 1"), { write = function(_, ...) out[#out + 1] = table.concat { ... } end,
      close = function() end, flush = function() end })
    local text = table.concat(out)
    for _, name in ipairs { "VARG", "ADDVN", "RET1" } do ngx.say(text:find(name, 1, true) ~= nil) end
    local vmdef = require "jit.vmdef"
    ngx.say(#vmdef.bcnames % 6, " ", require("jit.util").funcinfo(string.byte).ffid, " ",
      vmdef.ffnames[require("jit.util").funcinfo(string.byte).ffid])`,
  );
  t.deepEqual(lines.slice(0, 3), ["true", "true", "true"]);
  t.regex(lines[3], /^0 \d+ string\.byte$/);
});

test("jit.v and jit.dump write what is compiled", async (t) => {
  const { s, lines } = await run(
    t,
    `local function loop() local n = 0 for i = 1, 1000 do n = n + i % 7 end return n end
    local prefix = ngx.config.prefix()
    jit.flush()
    require("jit.v").on(prefix .. "v.txt") loop() require("jit.v").off()
    jit.flush()
    require("jit.dump").on("tbim", prefix .. "dump.txt") loop() require("jit.dump").off()
    ngx.say("done")`,
  );
  t.deepEqual(lines, ["done"]);
  const read = (name) => readFileSync(join(s.prefix, name), "utf8");
  t.regex(read("v.txt"), /^\[TRACE +\d+ .*loop\]$/m);
  t.regex(read("dump.txt"), /---- TRACE \d+ mcode \d+\n[0-9a-f]{8,} +\w+/);
});

test("jit.p samples", async (t) => {
  const { s, lines } = await run(
    t,
    `local path = ngx.config.prefix() .. "p.txt"
    require("jit.p").start("fi1", path)
    local stop, n = os.clock() + 0.2, 0
    while os.clock() < stop do n = n + 1 end
    require("jit.p").stop()
    ngx.say("done")`,
  );
  t.deepEqual(lines, ["done"]);
  t.regex(readFileSync(join(s.prefix, "p.txt"), "utf8"), /\d+%|No samples/);
});

test("a sample that comes when the profiler has stopped ends nothing", async (t) => {
  const s = await startProcess(t, {
    server: `location / { content_by_lua_block { local p = require "jit.profile" p.start("i1", function() end) p.stop() ngx.say("ok") } }`,
  });
  t.is((await s.get("/")).body, "ok\n");
  s.kill("SIGPROF");
  t.is((await s.get("/")).body, "ok\n");
});
