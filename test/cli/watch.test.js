// SPDX-License-Identifier: MIT
// `moonwire serve --watch`: a saved file goes live, and no request is lost while it does.
import test from "ava";
import { startProcess, waitFor } from "../helpers/index.js";
import { writeFile } from "../helpers/files.js";

const server = `location / { content_by_lua_file lua/app.lua; }`;

test("a changed Lua file goes live without a lost request", async (t) => {
  const s = await startProcess(t, { server, files: { "lua/app.lua": `ngx.say("one")` }, args: ["--watch"] });
  const seen = new Set();
  let running = true;
  const client = (async () => {
    while (running) {
      const r = await s.get("/");
      t.is(r.status, 200);
      seen.add(r.body);
    }
  })();
  writeFile(s.prefix, "lua/app.lua", `ngx.say("two")`);
  await waitFor(() => seen.has("two\n"), "the new code");
  running = false;
  await client;
  t.true(seen.has("two\n"));
});

test("a mistake is printed, the old code serves on, the next save repairs it", async (t) => {
  const files = { "lua/app.lua": `ngx.say("one")`, "extra.conf": "location = /x { return 200 one; }" };
  const s = await startProcess(t, { server: `include extra.conf; ${server}`, files, args: ["--watch"] });
  writeFile(s.prefix, "extra.conf", "location = /x { bogus; }");
  await waitFor(() => s.stderr().includes('unknown directive "bogus"'), "the message");
  t.is((await s.get("/x")).body, "one");
  writeFile(s.prefix, "extra.conf", "location = /x { return 200 two; }");
  await waitFor(async () => (await s.get("/x")).body === "two", "the repaired configuration");
  t.pass();
});

test("a Lua file that does not parse is told", async (t) => {
  const s = await startProcess(t, { server, files: { "lua/app.lua": `ngx.say("one")` }, args: ["--watch"] });
  writeFile(s.prefix, "lua/app.lua", "#!/usr/bin/lua\nngx.say(");
  await waitFor(() => s.stderr().includes("lua/app.lua changed, configuration reloaded"), "the reload");
  t.regex(s.stderr(), /^lua\/app\.lua:2: unexpected symbol near '<eof>'$/m);
});

const importing = `import { listen } from "./part/listen";
  import { code } from "./code.js"; void listen;
  export default { workerProcesses: 1, http: { server: [{ listen: ["127.0.0.1:0"], location: { "/": { return: code } } }] } };`;

for (const [file, other, config] of [
  ["c.ts", "code.ts", importing],
  ["c.mjs", "code.js", importing.replace("part/listen", "part/listen.mjs")],
  [
    "c.cjs",
    "code.js",
    importing
      .replace("part/listen", "part/listen.cjs")
      .replace(/import (.*?) from (.*?);/g, "const $1 = require($2);")
      .replace("export default", "module.exports ="),
  ],
])
  test(`a module that the configuration imports is read anew, ${file}`, async (t) => {
    const isCommonJs = file.endsWith(".cjs");
    const text = (n) => (isCommonJs ? `exports.code = "200 n${n}";` : `export const code = "200 n${n}";`);
    const listen = isCommonJs ? "exports.listen = 1;" : "export const listen = 1;";
    const files = {
      [file]: config,
      [other]: text(1),
      "package.json": isCommonJs ? "{}" : `{ "type": "module" }`,
      [`part/listen${file.slice(1)}`]: listen,
    };
    const s = await startProcess(t, { file, files, args: ["--watch"] });
    t.is((await s.get("/")).body, "n1");
    for (const n of [2, 3]) {
      writeFile(s.prefix, other, text(n));
      await waitFor(async () => (await s.get("/")).body === `n${n}`, `version ${n}`, 10_000);
    }
    s.kill("SIGHUP");
    await waitFor(() => s.stderr().includes("SIGHUP, configuration reloaded"));
    t.is((await s.get("/")).body, "n3");
  });
