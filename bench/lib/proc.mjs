// SPDX-License-Identifier: MIT
// What Linux tells of a process tree: CPU time (exact in sum, split by ticks), resident memory, open files. Everything is
// summed over the process and its descendants, so nginx's master and worker count as one contender.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

const TICK_MS = 10; // USER_HZ is 100 on every Linux that node runs on

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};
const list = (path) => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/// The process ids of a tree, its root first.
export function tree(pid) {
  const all = [pid];
  for (const tid of list(`/proc/${pid}/task`)) {
    for (const child of read(`/proc/${pid}/task/${tid}/children`).split(" ").filter(Boolean)) {
      all.push(...tree(Number(child)));
    }
  }
  return all;
}

/// A reading of CPU time: nanoseconds on a CPU by thread (schedstat), and ticks in user and kernel mode by process (stat).
export function cpu(pid) {
  const threads = new Map();
  let user = 0;
  let kernel = 0;
  for (const p of tree(pid)) {
    const stat = read(`/proc/${p}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    user += Number(fields[11] ?? 0);
    kernel += Number(fields[12] ?? 0);
    for (const tid of list(`/proc/${p}/task`)) {
      threads.set(tid, Number(read(`/proc/${p}/task/${tid}/schedstat`).split(" ")[0]));
    }
  }
  return { threads, user, kernel };
}

/// Between two readings: total in microseconds, and user and kernel in microseconds of the tick samples.
export function cpuBetween(before, after) {
  let ns = 0;
  for (const [tid, value] of after.threads) ns += value - (before.threads.get(tid) ?? 0);
  return {
    total: ns / 1000,
    user: (after.user - before.user) * TICK_MS * 1000,
    kernel: (after.kernel - before.kernel) * TICK_MS * 1000,
  };
}

/// Time that a core was busy with anything, in microseconds since boot (steal included: it is lost as well).
export function coreBusy(core) {
  const line = read("/proc/stat")
    .split("\n")
    .find((l) => l.startsWith(`cpu${core} `));
  const [user, nice, system, , , irq, softirq, steal] = (line ?? "").trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_MS * 1000;
}

/// Resident and anonymous memory of the tree, in bytes. smaps_rollup counts pages; VmRSS lags behind by some hundred KiB.
export function memory(pid) {
  let rss = 0;
  let anon = 0;
  for (const p of tree(pid)) {
    const maps = read(`/proc/${p}/smaps_rollup`);
    rss += Number(/^Rss:\s+(\d+)/m.exec(maps)?.[1] ?? 0) * 1024;
    anon += Number(/^Anonymous:\s+(\d+)/m.exec(maps)?.[1] ?? 0) * 1024;
  }
  return { rss, anon };
}

/// Open file descriptors of the tree: all of them, and those that are sockets.
export function fds(pid) {
  let count = 0;
  let sockets = 0;
  for (const p of tree(pid)) {
    for (const fd of list(`/proc/${p}/fd`)) {
      count++;
      try {
        if (readlinkSync(`/proc/${p}/fd/${fd}`).startsWith("socket:")) sockets++;
      } catch {
        // closed since it was listed
      }
    }
  }
  return { count, sockets };
}
