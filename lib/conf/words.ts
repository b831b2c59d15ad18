// SPDX-License-Identifier: MIT
// What single words mean: sizes, times, texts with variables. Each returns undefined where
// the word means nothing; the caller says so in nginx's words.

/** Bytes: `512`, `8k`, `1m`, and `1g` where `large`. */
export function parseSize(text: string, large = false): number | undefined {
  const m = /^(\d+)([kKmMgG]?)$/.exec(text);
  const unit = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[m?.[2]?.toLowerCase() ?? ""] ?? 1;
  if (!m || (unit === 1024 ** 3 && !large)) return undefined;
  const n = Number(m[1]) * unit;
  return n <= Number.MAX_SAFE_INTEGER ? n : undefined;
}

// From the largest to the smallest: parts of a time stand in this order.
const timeUnits: readonly (readonly [string, number])[] = [
  ["y", 31_536_000_000],
  ["M", 2_592_000_000],
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
];

/** Milliseconds: `10` and `10s` are seconds, `500ms`, `1m`, `1h 30m`. Larger units come first, one without a unit last. */
export function parseTime(text: string): number | undefined {
  let total = 0;
  let least = -1;
  const part = /(\d+)(ms|[smhdwMy]?) */y;
  while (part.lastIndex < text.length || text === "") {
    const m = part.exec(text);
    if (!m) return undefined;
    const unit = m[2] === "" ? 6 : timeUnits.findIndex(([name]) => name === m[2]);
    if (unit <= least || (m[2] === "" && part.lastIndex < text.length)) return undefined;
    total += Number(m[1]) * timeUnits[unit]![1];
    least = unit;
  }
  return total <= Number.MAX_SAFE_INTEGER ? total : undefined;
}

/** A part of a text with variables. */
export type TextPart = string | { variable: string } | { capture: number };

/** Splits at `$name`, `${name}` and `$1`. A string is what is wrong with it. */
export function parseText(text: string): TextPart[] | string {
  const parts: TextPart[] = [];
  let literal = "";
  for (let i = 0; i < text.length;) {
    if (text[i] !== "$") {
      literal += text[i++];
      continue;
    }
    const m = /^\$(?:([1-9])|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/.exec(text.slice(i));
    if (!m) {
      const open = /^\$\{([A-Za-z0-9_]+)/.exec(text.slice(i));
      return open ? `the closing bracket in "${open[1]}" variable is missing` : "invalid variable name";
    }
    if (literal !== "") parts.push(literal);
    literal = "";
    const name = (m[2] ?? m[3] ?? "").toLowerCase();
    parts.push(m[1] === undefined ? { variable: name } : { capture: Number(m[1]) });
    i += m[0].length;
  }
  if (literal !== "" || parts.length === 0) parts.push(literal);
  return parts;
}
