// SPDX-License-Identifier: MIT
// Turns the rounds of a scenario into figures, and figures into a table.

export const median = (values) => {
  const v = [...values].sort((a, b) => a - b);
  const half = v.length >> 1;
  return v.length % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
};

/// Rounds in which other programs took more than this share of the server's core are left out, if three quiet ones remain.
const disturbed = 0.05;

/// A contender's figures: medians over the rounds. User and kernel are the median total, shared out by the tick samples of
/// all rounds together, since one round has too few ticks for a share of its own.
export function summarize(all) {
  const quiet = all.filter((r) => r.foreign <= disturbed);
  const rounds = quiet.length >= 3 ? quiet : all;
  const total = median(rounds.map((r) => r.total / r.requests));
  const user = rounds.reduce((sum, r) => sum + r.user, 0);
  const kernel = rounds.reduce((sum, r) => sum + r.kernel, 0);
  const share = user / Math.max(1, user + kernel);
  const per = rounds.map((r) => r.total / r.requests);
  return {
    total,
    user: total * share,
    kernel: total * (1 - share),
    low: Math.min(...per),
    high: Math.max(...per),
    rounds: rounds.length,
    ticks: Math.round((user + kernel) / 10000),
    rate: median(rounds.map((r) => r.rate)),
    p50: median(rounds.map((r) => r.p50)),
    p99: median(rounds.map((r) => r.p99)),
    foreign: Math.max(...rounds.map((r) => r.foreign)),
    errors: rounds.reduce((sum, r) => sum + r.errors + r.badStatus, 0),
  };
}

const names = { nginx: "nginx+lua", moonwire: "moonwire", limit: "limit" };

/// Aligned columns, the first to the left, the others to the right.
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => String(r[i]).length)));
  return rows
    .map((r) => r.map((c, i) => (i ? String(c).padStart(widths[i]) : String(c).padEnd(widths[i]))).join("  "))
    .join("\n");
}

/// a / b in total and user CPU and in rate, or nothing when one of them did not run.
export function ratio(figures, a, b) {
  const [x, y] = [figures[a], figures[b]];
  if (!x || !y) return undefined;
  return { total: x.total / y.total, user: x.user / y.user, rate: x.rate / y.rate };
}

const pairs = [
  ["moonwire", "nginx"],
  ["moonwire", "limit"],
  ["nginx", "limit"],
];

/// The ratios of a scenario, by "a/b".
export function ratios(figures) {
  return Object.fromEntries(
    pairs.map(([a, b]) => [`${a}/${b}`, ratio(figures, a, b)]).filter(([, value]) => value !== undefined),
  );
}

/// A scenario's table and ratios as text.
export function scenarioText(title, figures) {
  const f = (n) => (Number.isFinite(n) ? n.toFixed(2) : "-");
  const rows = [["", "us/req", "user", "kernel", "low..high", "req/s", "p50 us", "p99 us"]];
  for (const [name, s] of Object.entries(figures)) {
    const range = `${f(s.low)}..${f(s.high)}`;
    rows.push([names[name], f(s.total), f(s.user), f(s.kernel), range, Math.round(s.rate), s.p50, s.p99]);
  }
  const lines = [`\n${title}`, table(rows)];
  for (const [pair, r] of Object.entries(ratios(figures))) {
    const [a, b] = pair.split("/");
    lines.push(`${names[a]} / ${names[b]}: total ${f(r.total)}, user ${f(r.user)}, req/s ${f(r.rate)}`);
  }
  for (const [name, s] of Object.entries(figures)) {
    if (s.errors) lines.push(`warning: ${names[name]}: ${s.errors} requests failed`);
    if (s.foreign > disturbed) {
      lines.push(`warning: ${names[name]}: others took up to ${Math.round(s.foreign * 100)} % of the server's core`);
    }
  }
  const few = Object.values(figures).some((s) => s.ticks < 200);
  if (few) lines.push("warning: too little CPU time for a sound user share; measure longer");
  return lines.join("\n");
}
