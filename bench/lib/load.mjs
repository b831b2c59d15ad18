// SPDX-License-Identifier: MIT
// Drives load.c: one thread, closed loop, pinned to the load core.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { requestText } from "./client.mjs";
import { compile } from "./contenders.mjs";

/// One run; resolves to { requests, rate (1/s), p50, p99, max (us), errors, badStatus }. dir takes the request's text.
export function runLoad({ dir, port, scenario, seconds, core }) {
  const file = join(dir, "request.txt");
  writeFileSync(file, requestText(scenario.request));
  const argv = [compile("load"), port, scenario.connections, scenario.pipeline, seconds, file].map(String);
  if (core !== undefined) argv.unshift("taskset", "-c", String(core));
  return new Promise((done, fail) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (d) => (text += d));
    child.stderr.on("data", (d) => (text += d));
    child.on("error", fail);
    child.on("close", (code) => {
      if (code !== 0) return fail(new Error(`load: ${text.trim()}`));
      done(JSON.parse(text));
    });
  });
}
