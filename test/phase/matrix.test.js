// SPDX-License-Identifier: MIT
// Every entry of the Lua API in every phase: it works, or it refuses with the documented message, at the caller's line.
// One server runs all calls of table.js, a request each where there is a request; then each phase is judged.
// MOONWIRE_TEST_AGAINST=nginx runs the same calls in Debian's nginx and checks what the table says about it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";
import { waitFor } from "../helpers/process.js";
import { readLog } from "../helpers/files.js";
import { expected, groups, missing, phases } from "./table.js";

const entries = Object.values(groups).flat();
const inRequests = phases.slice(2, 10);
const againstNginx = process.env.MOONWIRE_TEST_AGAINST === "nginx";
const skipped = againstNginx ? ["precontent", "exit_worker"] : [];

const probe = (phase) => `require("probe")("${phase}", ngx.var.arg_i)`;
const content = `content_by_lua_block { ngx.req.read_body() ngx.say("end") }`;

function location(phase) {
  if (phase === "server_rewrite") return `location = /${phase} { ${content} }`;
  if (phase === "body_filter")
    return `location = /body_filter { ${content} body_filter_by_lua_block {
      if not ngx.ctx.probed then ngx.ctx.probed = true ${probe(phase)} end } }`;
  if (skipped.includes(phase)) return "";
  return `location = /${phase} { ${phase}_by_lua_block { ${probe(phase)} } ${phase === "content" ? "" : content} }`;
}

const conf = {
  http: `lua_shared_dict d 100k;
    ${againstNginx ? "" : "lua_capture_error_log 32k;"}
    init_by_lua_block { require("probe")("init") }
    init_worker_by_lua_block { require("probe")("init_worker") }
    ${againstNginx ? "" : `exit_worker_by_lua_block { require("probe")("exit_worker") }`}`,
  server: `set $own "";
    server_rewrite_by_lua_block { if ngx.var.uri == "/server_rewrite" then ${probe("server_rewrite")} end }
    ${inRequests.map(location).join("\n")}
    location = /timer { content_by_lua_block { assert(ngx.timer.at(0, function(_, i) require("probe")("timer", i) end, ngx.var.arg_i)) } }
    location = /end { content_by_lua_block { ngx.say("end") } }`,
};

const seen = {};

/** Reads results.txt: the last line of each phase and call. */
function collect(prefix) {
  for (const line of readLog(prefix, "results.txt").split("\n")) {
    const [phase, i, text] = line.split("\t");
    if (text !== undefined) (seen[phase] ??= {})[i - 1] = text;
  }
}

function isComplete(phase) {
  return entries.every((entry, i) => seen[phase]?.[i] && (entry.ends || seen[phase][i] !== "ended"));
}

test.before(async (t) => {
  const calls = `return {\n${entries.map(({ call }) => `[==[${call}]==],`).join("\n")}\n}\n`;
  const probeFile = readFileSync(fileURLToPath(new URL("probe.lua", import.meta.url)), "utf8");
  const ends = [];
  const s = await startServer(
    { teardown: (end) => ends.push(end) },
    { ...conf, files: { "probe.lua": probeFile, "calls.lua": calls, "body.txt": "x" } },
  );
  const request = { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "a=1" };
  const failures = [];
  for (const phase of [...inRequests, "timer"]) {
    if (skipped.includes(phase)) continue;
    await Promise.all(
      entries.map((_, i) =>
        s.get(`/${phase}?i=${i + 1}`, request).catch((e) => failures.push(`${phase} ${entries[i].name}: ${e}`)),
      ),
    );
  }
  const wait = [...inRequests, "timer"].filter((p) => !skipped.includes(p));
  await waitFor(() => (collect(s.prefix), wait.every(isComplete)), "the results", 5000).catch(() => {});
  const copy = s.log();
  await s.server.close?.({ drainMs: 5000 });
  collect(s.prefix);
  if (process.env.MOONWIRE_TEST_VERBOSE) console.error(copy);
  for (const end of ends) await end();
  t.deepEqual(failures, []);
});

const judged = phases.filter((phase) => !skipped.includes(phase));
const isFine = (text) => text === "ok" || text === "ended";

if (againstNginx)
  test("nginx refuses what the table says it refuses", (t) => {
    const differences = [];
    for (const phase of judged)
      entries.forEach((entry, i) => {
        const works = isFine(expected(entry, phase)) && !entry.beyond?.includes(phase);
        if (!entry.since && isFine(seen[phase]?.[i]) !== works)
          differences.push(`${phase} ${entry.name}: ${seen[phase]?.[i]}`);
      });
    t.deepEqual(differences, []);
  });

for (const phase of againstNginx ? [] : judged)
  test(`every entry of the Lua API in ${phase}`, (t) => {
    const wanted = {};
    const got = {};
    entries.forEach((entry, i) => {
      wanted[entry.name] = expected(entry, phase);
      if (!isFine(wanted[entry.name])) wanted[entry.name] = `call:1: ${wanted[entry.name]}`;
      got[entry.name] = seen[phase]?.[i]?.replace(/^call:\d:/, "call:1:");
    });
    const different = Object.keys(wanted).filter((name) => got[name] !== wanted[name]);
    t.deepEqual(
      different.map((name) => `${name}: ${got[name]}`),
      different.map((name) => `${name}: ${wanted[name]}`),
    );
  });

test("names are said once", (t) => {
  t.is(new Set(entries.map(({ name }) => name)).size, entries.length);
});

const fields = Object.values(missing).flatMap((part) => part.fields ?? []);
const modules = Object.values(missing).flatMap((part) => part.modules ?? []);

apiCase("what the document says is missing is missing", {
  content: `
    local function field(name)
      local value = _G
      for key in name:gmatch("[^.]+") do value = type(value) == "table" and rawget(value, key) or nil end
      return value
    end
    for name in ("${fields.join(" ")}"):gmatch("%S+") do if field(name) then ngx.say(name) end end
    for name in ("${modules.join(" ")}"):gmatch("%S+") do local ok, err = pcall(require, name)
      if ok or not err:find("module '" .. name .. "' not found") then ngx.say(name, ": ", err) end
    end
    ngx.say("end")`,
  body: "end\n",
  ours: "nginx has them",
});
