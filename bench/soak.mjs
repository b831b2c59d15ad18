// SPDX-License-Identifier: MIT
// node bench/soak.mjs [--minutes 10]: mixed load against two workers, resident memory and open files sampled meanwhile.
// Fails when an answer was wrong, when files are open at the end that were not before, or when memory still grows after
// the warm-up (the first quarter) faster than --slope KiB a minute. --keep FILE saves the server's error log,
// --only ACTOR (again and again) takes some of the actors of lib/mix.mjs alone.
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readOptions } from "../scripts/options.mjs";
import { Stage, chooseContenders, contenderOptions } from "./lib/contenders.mjs";
import { actors as allActors, setup } from "./lib/mix.mjs";
import { fds, memory } from "./lib/proc.mjs";

const { values: args } = readOptions({
  usage: "node bench/soak.mjs [options]",
  options: {
    minutes: { type: "string", default: "10", help: "how long" },
    slope: { type: "string", default: "512", help: "growth of resident memory that fails, in KiB a minute" },
    every: { type: "string", default: "5", help: "seconds between two samples" },
    keep: { type: "string", help: "where to keep the server's error log" },
    only: { type: "string", multiple: true, help: "this actor of lib/mix.mjs alone" },
    verbose: { type: "boolean", short: "v", help: "every sample" },
    ...contenderOptions,
  },
});
const minutes = Number(args.minutes);
if (args.keep) {
  try {
    writeFileSync(args.keep, ""); // now, not when the load is over
  } catch (e) {
    console.error(`error: --keep ${args.keep}: ${e.message}`);
    process.exit(2);
  }
}
const actors = allActors.filter((a) => !args.only || args.only.includes(a.name));
const kib = (bytes) => Math.round(bytes / 1024);

/// Runs every actor until told to stop. counts: turns by actor; wrong: the first words of each actor's failures.
async function drive(port, state) {
  const one = async ({ name, pause, turn }) => {
    while (!state.stop) {
      try {
        await turn(port);
      } catch (e) {
        (state.wrong[name] ??= { count: 0, first: e.message }).count++;
      }
      state.turns[name] = (state.turns[name] ?? 0) + 1;
      await sleep(pause);
    }
  };
  await Promise.all(actors.map(one));
}

/// Drives for some seconds and waits until the server has let go of the connections.
async function driveFor(port, seconds, sample) {
  const state = { stop: false, turns: {}, wrong: {} };
  const all = drive(port, state);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await sleep(Math.min(Number(args.every) * 1000, Math.max(1, end - performance.now())));
    sample?.();
  }
  state.stop = true;
  await all;
  await sleep(6500); // lingering close and the shortest timeouts are over
  return state;
}

/// Least squares: how much y grows for each x.
function slope(points) {
  const mean = (f) => points.reduce((sum, p) => sum + f(p), 0) / points.length;
  const [mx, my] = [mean((p) => p.x), mean((p) => p.y)];
  const spread = points.reduce((sum, p) => sum + (p.x - mx) ** 2, 0);
  return spread ? points.reduce((sum, p) => sum + (p.x - mx) * (p.y - my), 0) / spread : 0;
}

async function soak(stage, name) {
  const server = await stage.start(name, setup);
  await driveFor(server.port, Math.min(10, minutes * 15));
  const quiet = fds(server.pid);
  const begun = performance.now();
  const samples = [];
  const state = await driveFor(server.port, minutes * 60, () => {
    const s = { x: (performance.now() - begun) / 60000, y: memory(server.pid).rss, fds: fds(server.pid).count };
    samples.push(s);
    if (args.verbose) console.log(`${name} ${s.x.toFixed(2)} min: RSS ${kib(s.y)} KiB, ${s.fds} files open`);
  });
  const after = fds(server.pid);
  const warm = samples.filter((s) => s.x > minutes / 4);
  const alive = server.child.exitCode === null && server.child.signalCode === null;
  if (args.keep) copyFileSync(join(server.dir, "error.log"), args.keep);
  await stage.stop(server);
  return { state, quiet, after, samples, warm, alive, growth: slope(warm) };
}

function report(name, { state, quiet, after, samples, warm, alive, growth }) {
  const turns = Object.values(state.turns).reduce((a, b) => a + b, 0);
  console.log(`${name}: ${minutes} min, ${setup.workers} workers, ${turns} turns of ${actors.length} kinds`);
  const ys = warm.map((s) => s.y);
  const range = `${kib(Math.min(...ys))}..${kib(Math.max(...ys))}`;
  console.log(`  RSS ${kib(samples[0].y)} KiB at first, ${range} after warm-up, growing ${kib(growth)} KiB a minute`);
  console.log(
    `  files open when idle: ${quiet.count} before, ${after.count} after (sockets ${quiet.sockets}, ${after.sockets})`,
  );
  const problems = Object.entries(state.wrong).map(([actor, w]) => `${actor}: ${w.count} wrong, first: ${w.first}`);
  if (!alive) problems.push("the server has ended");
  if (after.count > quiet.count) problems.push(`${after.count - quiet.count} files more than before`);
  if (kib(growth) > Number(args.slope)) problems.push(`memory grows by more than ${args.slope} KiB a minute`);
  for (const p of problems) console.log(`  FAILED: ${p}`);
  return problems.length === 0;
}

const options = chooseContenders({ contenders: "moonwire", ...args }, ["moonwire", "nginx"]);
const stage = new Stage(options);
try {
  if (options.names.length === 0) process.exitCode = 1;
  for (const name of options.names) if (!report(name, await soak(stage, name))) process.exitCode = 1;
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
} finally {
  await stage.close();
}
