// SPDX-License-Identifier: MIT
// The screen of `moonwire top`: the status document, and one from before where there is one, as lines of text.
import type { ServerStatus } from "../status.js";

function count(n: number): string {
  if (n < 10_000) return Number.isInteger(n) ? String(n) : n.toFixed(1);
  for (const unit of ["k", "M", "G"]) {
    n /= 1000;
    if (n < 1000) return `${n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : n.toFixed(0)}${unit}`;
  }
  return `${n.toFixed(0)}G`;
}

function bytes(n: number): string {
  if (n < 1024) return `${Math.round(n)} B`;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    n /= 1024;
    if (n < 1024) return `${n < 100 ? n.toFixed(1) : n.toFixed(0)} ${unit}`;
  }
  return `${n.toFixed(0)} TiB`;
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} us`;
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;
}

/** Names go to the terminal: what would steer it does not. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

/** The least bound below which that share of the requests lies. */
function quantile(now: ServerStatus, before: ServerStatus | undefined, share: number): string {
  const counts = now.requests.duration.buckets.map(({ le, count: n }, i) => ({
    le,
    n: n - (before?.requests.duration.buckets[i]?.count ?? 0),
  }));
  const all = counts.at(-1)?.n ?? 0;
  if (all <= 0) return "-";
  const le = counts.find(({ n }) => n >= all * share)?.le ?? "+Inf";
  return le === "+Inf" ? "> 10 s" : `< ${duration(le)}`;
}

/**
 * The lines, none longer than `columns`, at most `rows`. What is counted is shown per second since `before`, or, without it, since
 * the start.
 */
export function screen(now: ServerStatus, before: ServerStatus | undefined, columns: number, rows: number): string[] {
  const seconds = before ? Math.max(now.time - before.time, 0.001) : undefined;
  const rate = (value: number, old: number | undefined) =>
    seconds === undefined ? count(value) : `${count(Math.max(0, value - (old ?? 0)) / seconds)}/s`;
  const { connections: c, requests: r, sockets: s, timers, lua, jit, errors } = now;
  const b = before;
  const answered = r.duration.count - (b?.requests.duration.count ?? 0);
  const took = r.duration.sum_seconds - (b?.requests.duration.sum_seconds ?? 0);
  const phase = (name: "access" | "content" | "log") => {
    const spent = r.phases[name].seconds - (b?.requests.phases[name].seconds ?? 0);
    return `${name} ${duration(answered > 0 ? spent / answered : NaN)}`;
  };
  const statuses = Object.entries(r.by_status)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .filter(([, n]) => n > 0)
    .map(([name, n]) => `${name} ${rate(n, b?.requests.by_status[name])}`);
  const missing = now.workers_missing > 0 ? `, ${now.workers_missing} do not answer` : "";
  const lines = [
    `moonwire ${now.pid}  ${new Date(now.time * 1000).toISOString().slice(11, 19)}  ${now.workers.length} workers${missing}`,
    "",
    `Requests     ${rate(r.total, b?.requests.total)}  ${statuses.join("  ")}`,
    `  time       mean ${duration(answered > 0 ? took / answered : NaN)}  half ${quantile(now, b, 0.5)}  99 % ${quantile(now, b, 0.99)}`,
    `  phases     ${phase("access")}  ${phase("content")}  ${phase("log")}`,
    `  errors     lua ${rate(errors.lua, b?.errors.lua)}  upstream ${rate(errors.upstream, b?.errors.upstream)}`,
    `Connections  ${c.active} active: ${c.reading} reading, ${c.writing} writing, ${c.waiting} waiting; accepted ${rate(c.accepted, b?.connections.accepted)}`,
    `Cosockets    ${s.open} open, ${s.idle} idle, ${s.queued} queued; connects ${rate(s.connects, b?.sockets.connects)}, reuses ${rate(s.reuses, b?.sockets.reuses)}, failures ${rate(s.failures, b?.sockets.failures)}`,
    `Lua          ${bytes(lua.memory_bytes)}, GC cycles ${rate(lua.collections, b?.lua.collections)}; timers ${timers.running} running, ${timers.pending} pending`,
    `JIT          ${jit.traces} traces, ${count(jit.aborted)} aborted, ${count(jit.flushed)} flushes`,
    "",
    `${"WORKER".padEnd(10)}${"REQUESTS".padStart(10)}${"ACTIVE".padStart(9)}${"LUA".padStart(11)}${"GC".padStart(8)}${"TRACES".padStart(8)}${"ABORTS".padStart(8)}${"TIMERS".padStart(8)}`,
  ];
  for (const w of now.workers) {
    const old = b?.workers.find((x) => x.worker === w.worker && x.generation === w.generation);
    const cells = [
      rate(w.requests, old?.requests).padStart(10),
      String(w.connections.active).padStart(9),
      bytes(w.lua.memory_bytes).padStart(11),
      rate(w.lua.collections, old?.lua.collections).padStart(8),
      String(w.jit.traces).padStart(8),
      count(w.jit.aborted).padStart(8),
      String(w.timers.pending + w.timers.running).padStart(8),
    ];
    lines.push(`${`${w.generation}.${w.worker}`.padEnd(10)}${cells.join("")}`);
  }
  const dicts = Object.entries(now.shared_dicts).toSorted(([one], [other]) => (one < other ? -1 : 1));
  if (dicts.length > 0)
    lines.push("", `${"DICTIONARY".padEnd(30)}${"SIZE".padStart(12)}${"FREE".padStart(12)}${"KEYS".padStart(10)}`);
  for (const [name, d] of dicts)
    lines.push(
      `${plain(name).slice(0, 29).padEnd(30)}${bytes(d.capacity_bytes).padStart(12)}${bytes(d.free_bytes).padStart(12)}${count(d.keys).padStart(10)}`,
    );
  if (s.pools.length > 0)
    lines.push("", `${"POOL".padEnd(42)}${"OPEN".padStart(8)}${"IDLE".padStart(8)}${"QUEUED".padStart(8)}`);
  for (const p of s.pools)
    lines.push(
      `${plain(p.name).slice(0, 41).padEnd(42)}${String(p.connections).padStart(8)}${String(p.idle).padStart(8)}${String(p.queued).padStart(8)}`,
    );
  return lines.slice(0, Math.max(1, rows)).map((line) => line.slice(0, columns));
}
