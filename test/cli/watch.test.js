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
