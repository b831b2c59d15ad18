// SPDX-License-Identifier: MIT
// What Test::Nginx prints, block by block. A block passes when at least one of its checks ran and none failed.

/// A block's short name: `TEST 12` of "TEST 12: what it is about".
function shortName(title) {
  return (/^(TEST\s+\S+?)\s*:/.exec(title)?.[1] ?? title).trim();
}

/// The blocks that a test file declares, but for those it switches off.
export function blockNames(source) {
  const sections = source.split(/^=== /m).slice(1);
  const off = new Set(sections.filter((s) => /^--- SKIP\s*$/m.test(s)).map((s) => shortName(s.split("\n", 1)[0])));
  return [...new Set(sections.map((s) => shortName(s.split("\n", 1)[0])))].filter((name) => !off.has(name));
}

/// Map of block name to "pass", "fail" or "skip". A block that never ran has failed.
export function readTap(text, names) {
  const seen = new Map(names.map((name) => [name, { ok: 0, bad: 0, skipped: 0 }]));
  for (const line of text.split("\n")) {
    const m = /^(not )?ok \d+\b(.*)$/.exec(line);
    if (!m) continue;
    const skip = /^\s*# skip\S*\s*(.*)$/i.exec(m[2]);
    const title = (skip ? skip[1] : m[2].replace(/^\s*- /, "")).replace(/^t\/\S+\.t /, "");
    const block = seen.get(shortName(title)) ?? seen.get(names.find((name) => title.startsWith(name)));
    if (!block) continue;
    if (skip) block.skipped++;
    else if (m[1] && !m[2].includes("# TODO")) block.bad++;
    else block.ok++;
  }
  const status = ({ ok, bad, skipped }) => (bad === 0 && ok > 0 ? "pass" : bad === 0 && skipped > 0 ? "skip" : "fail");
  return new Map([...seen].map(([name, counts]) => [name, status(counts)]));
}
