// SPDX-License-Identifier: MIT
// Drives wrk instead of load.c (--wrk), as a second opinion. It costs more per answer than load.c, so the servers wait for
// it; and it corrects latencies in a way that means nothing for pipelined requests, which get none here.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/// Why wrk cannot be used, or nothing.
export function wrkMissing() {
  return spawnSync("wrk", ["-v"]).error ? "wrk is not installed (apt-get install wrk)" : undefined;
}

const luaString = (text) => JSON.stringify(text).replace(/\\u[0-9a-f]{4}/g, "");

/// Several requests in one write need wrk's dynamic path (a request function); one request takes its static one.
function script({ request, pipeline }) {
  const { method = "GET", headers = {}, body = "" } = request;
  const lines = [`wrk.method = ${luaString(method)}`];
  for (const [k, v] of Object.entries(headers)) lines.push(`wrk.headers[${luaString(k)}] = ${luaString(v)}`);
  if (body) lines.push(`wrk.body = ${luaString(body)}`);
  if (pipeline > 1) {
    lines.push(
      "local batch",
      "function init() batch = string.rep(wrk.format(), " + pipeline + ") end",
      "function request() return batch end",
    );
  }
  lines.push(`function done(summary, latency)
  local e = summary.errors
  io.write(string.format("\\nRESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.timeout, e.status))
end`);
  return lines.join("\n") + "\n";
}

/// One run of wrk; resolves to { requests, rate (1/s), p50, p99 (us), errors, badStatus }.
export function runWrk({ dir, port, scenario, seconds, core }) {
  const file = join(dir, "wrk.lua");
  writeFileSync(file, script(scenario));
  const url = `http://127.0.0.1:${port}${scenario.request.path}`;
  const argv = ["wrk", "-t1", `-c${scenario.connections}`, `-d${seconds}s`, "-s", file, url];
  if (core !== undefined) argv.unshift("taskset", "-c", String(core));
  return new Promise((done, fail) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (d) => (text += d));
    child.stderr.on("data", (d) => (text += d));
    child.on("error", fail);
    child.on("close", () => {
      const found = /RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(text);
      if (!found) return fail(new Error(`wrk: ${text.trim()}`));
      const [requests, us, p50, p99, errors, badStatus] = found.slice(1).map(Number);
      const known = scenario.pipeline === 1 ? { p50, p99 } : { p50: 0, p99: 0 };
      done({ requests, rate: (requests / us) * 1e6, ...known, errors, badStatus });
    });
  });
}
