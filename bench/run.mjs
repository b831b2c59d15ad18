// SPDX-License-Identifier: MIT
// npm run bench: CPU time per request of Moonwire, nginx with lua-nginx-module, and the bare epoll program of limit.c, in
// interleaved rounds. The scenarios are the files of bench/scenarios; README.md here tells how to read the result.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { readOptions } from "../scripts/options.mjs";
import { withBackend } from "./lib/backend.mjs";
import { verify } from "./lib/client.mjs";
import { Stage, chooseContenders, contenderOptions, root } from "./lib/contenders.mjs";
import { runLoad } from "./lib/load.mjs";
import { runWrk, wrkMissing } from "./lib/wrk.mjs";
import { coreBusy, cpu, cpuBetween } from "./lib/proc.mjs";
import { ratios, scenarioText, summarize } from "./lib/report.mjs";
import { scenarios } from "./lib/scenario.mjs";

const { values: args } = readOptions({
  usage: "npm run bench -- [options]",
  options: {
    only: { type: "string", multiple: true, help: "this scenario alone" },
    rounds: { type: "string", help: "rounds per contender (5)" },
    seconds: { type: "string", help: "seconds per round (2)" },
    quick: { type: "boolean", help: "2 rounds of 1 second: a look, not a measurement" },
    wrk: { type: "boolean", help: "wrk makes the load instead of load.c" },
    ...contenderOptions,
    json: { type: "string", help: "where the result goes (bench/results/TIME.json)" },
  },
});
const rounds = Number(args.rounds ?? (args.quick ? 2 : 5));
const generate = args.wrk ? runWrk : runLoad;
const seconds = Number(args.seconds ?? (args.quick ? 1 : 2));

const options = chooseContenders(args, ["nginx", "moonwire", "limit"]);
if (args.wrk && wrkMissing()) {
  console.error(wrkMissing());
  process.exit(2);
}
const pinned = availableParallelism() > 1;
if (pinned) options.core = 0;
else console.log("one core only: server and load share it, latencies mean little");
const loadCore = pinned ? 1 : undefined;
/// One round of one contender: wrk's figures and the CPU time the server's processes took meanwhile.
async function round(contender, scenario, secs, backend) {
  const before = cpu(contender.pid);
  const backendBefore = backend ? cpu(backend) : undefined;
  const busyBefore = pinned ? coreBusy(0) : 0;
  const started = process.hrtime.bigint();
  const load = await generate({ dir: contender.dir, port: contender.port, scenario, seconds: secs, core: loadCore });
  const wall = Number(process.hrtime.bigint() - started) / 1000;
  const used = cpuBetween(before, cpu(contender.pid));
  const known = used.total + (backend ? cpuBetween(backendBefore, cpu(backend)).total : 0);
  const foreign = pinned ? Math.max(0, (coreBusy(0) - busyBefore - known) / wall) : 0;
  return { ...load, ...used, foreign };
}

/// Starts the contenders of a scenario and keeps those that answer as they should.
async function startAll(stage, scenario) {
  const ready = [];
  for (const name of options.names) {
    try {
      const contender = await stage.start(name, scenario);
      await verify(contender.port, scenario);
      ready.push(contender);
    } catch (e) {
      console.log(`${scenario.name}: without ${name}: ${e.message}`);
      failed = true;
    }
  }
  return ready;
}

async function measure(given) {
  if (given.needs && !existsSync(given.needs.file)) {
    console.log(`\n${given.name}: left out, no ${given.needs.file} (apt-get install ${given.needs.package})`);
    return undefined;
  }
  const stage = new Stage(options);
  const { scenario, backend, close } = await withBackend(given, options.core);
  try {
    const ready = await startAll(stage, scenario);
    const results = Object.fromEntries(ready.map((c) => [c.name, []]));
    for (const c of ready) await round(c, scenario, 1, backend); // compiles traces, fills caches
    for (let i = 0; i < rounds; i++) {
      for (const c of ready) results[c.name].push(await round(c, scenario, seconds, backend));
    }
    const figures = Object.fromEntries(ready.map((c) => [c.name, summarize(results[c.name])]));
    console.log(scenarioText(scenario.title, figures));
    return { figures, ratios: ratios(figures), rounds: results };
  } finally {
    await stage.close();
    close();
  }
}

let failed = false;
const result = { time: new Date().toISOString(), cpu: cpus()[0]?.model, rounds, seconds, scenarios: {} };
try {
  for (const scenario of await scenarios(args.only)) result.scenarios[scenario.name] = await measure(scenario);
} catch (e) {
  console.error(e.message);
  failed = true;
}
const file = args.json ?? join(root, "bench/results", `${result.time.replace(/[:.]/g, "-")}.json`);
mkdirSync(join(file, ".."), { recursive: true });
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
console.log(`\nwritten to ${file.replace(`${root}/`, "")}`);
process.exitCode = failed ? 1 : 0;
