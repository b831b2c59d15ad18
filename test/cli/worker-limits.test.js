// SPDX-License-Identifier: MIT
// worker_cpu_affinity, worker_priority, worker_rlimit_nofile, worker_rlimit_core: what the workers' threads and the process have
// afterwards, by /proc.
import test from "ava";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startProcess, waitFor, writeFile } from "../helpers/index.js";

const report = `location / { content_by_lua_block {
  local function read(name) local f = assert(io.open("/proc/thread-self/" .. name)) local text = f:read("*a") f:close() return text end
  ngx.say(ngx.worker.id(), " ", read("status"):match("Cpus_allowed_list:%s*(%S+)"), " ", (read("stat"):gsub("^.*%) ", ""):match("^" .. ("%S+ "):rep(16) .. "(%S+)")))
} }`;

const processors = readFileSync("/proc/self/status", "utf8").match(/Cpus_allowed_list:\s*(\S+)/)[1];
const first = Number.parseInt(processors, 10);
const limit = (pid, name) =>
  readFileSync(`/proc/${pid}/limits`, "utf8")
    .match(new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m"))
    .slice(1);

/** What each of the workers says of itself, by its id. */
async function workers(s, count) {
  const seen = new Map();
  await waitFor(async () => {
    const [id, ...rest] = (await s.get("/", { headers: { connection: "close" } })).body.trim().split(" ");
    seen.set(Number(id), rest);
    return seen.size === count;
  });
  return seen;
}

test("worker_cpu_affinity: masks by worker, the last one for those behind; worker_priority", async (t) => {
  const only = `${"1".padEnd(first + 1, "0")}`;
  const s = await startProcess(t, {
    main: `worker_processes 2; worker_cpu_affinity ${only}; worker_priority 7;`,
    server: report,
  });
  const seen = await workers(s, 2);
  for (const id of [0, 1]) t.deepEqual(seen.get(id), [String(first), "7"]);
  const control = readFileSync(`/proc/${s.child.pid}/status`, "utf8");
  t.is(control.match(/Cpus_allowed_list:\s*(\S+)/)[1], processors, "the other threads stay where they are");
});

test("worker_cpu_affinity auto: a processor for each worker", async (t) => {
  const s = await startProcess(t, { main: "worker_processes 2; worker_cpu_affinity auto;", server: report });
  const seen = await workers(s, 2);
  const chosen = [0, 1].map((id) => seen.get(id)[0]);
  for (const cpu of chosen) t.regex(cpu, /^\d+$/);
  if (processors === String(first)) t.is(chosen[0], chosen[1]);
  else t.not(chosen[0], chosen[1]);
  t.is(seen.get(0)[1], "0");
});

test("worker_cpu_affinity: a mask without a processor that is there is an alert, and the worker runs", async (t) => {
  const s = await startProcess(t, {
    main: `error_log logs/error.log; worker_cpu_affinity 1${"0".repeat(1023)};`,
    server: report,
  });
  t.deepEqual((await workers(s, 1)).get(0), [processors, "0"]);
  t.regex(s.log(), /\[alert\] .*sched_setaffinity\(\) failed \(22: Invalid argument\)/);
});

test("worker_rlimit_nofile: files for each worker, at a reload too; worker_rlimit_core", async (t) => {
  const s = await startProcess(t, { main: "error_log logs/error.log notice; worker_processes 2;", server: report });
  const conf = readFileSync(join(s.prefix, "nginx.conf"), "utf8");
  const reload = async (main) => {
    const count = () => s.stderr().split("configuration reloaded").length;
    const before = count();
    writeFile(s.prefix, "nginx.conf", `${main} ${conf}`);
    s.kill("SIGHUP");
    await waitFor(() => count() > before);
  };
  const pid = s.child.pid;
  execFileSync("prlimit", ["--pid", String(pid), "--nofile=1500:4000"]);
  await reload("worker_rlimit_nofile 700; worker_rlimit_core 1m;");
  t.deepEqual(limit(pid, "Max open files"), ["1500", "4000"], "it is never lowered");
  t.deepEqual(limit(pid, "Max core file size"), ["1048576", "1048576"]);
  await reload("worker_rlimit_nofile 2000;");
  t.deepEqual(limit(pid, "Max open files"), ["4000", "4000"]);
  await reload("worker_rlimit_nofile 3000;");
  const mayRaise = spawnSync("prlimit", [`--nofile=5000:5000`, "prlimit", "--nofile=5000:6000"]).status === 0;
  if (mayRaise) {
    t.deepEqual(limit(pid, "Max open files"), ["6000", "6000"]);
    t.notRegex(s.log(), /\[alert\]/);
  } else {
    t.deepEqual(limit(pid, "Max open files"), ["4000", "4000"]);
    t.regex(s.log(), /\[alert\] .*setrlimit\(RLIMIT_NOFILE, 6000\) failed \(1: Operation not permitted\)/);
  }
});
