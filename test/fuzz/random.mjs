// SPDX-License-Identifier: MIT
// Numbers for the fuzzers that are written in JavaScript: mulberry32, one seed one sequence.

/** A sequence of numbers from a seed, and choices made with them. */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** An integer from 0 up to and without n, which may be 2^32. */
  below(n) {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) % n;
  }

  /** One of a list, or a character of a text. */
  pick(list) {
    return list[this.below(list.length)];
  }

  /** True one time in n. */
  once(n) {
    return this.below(n) === 0;
  }

  /** A sequence of its own for the part number `index`. */
  static of(seed, index) {
    const r = new Random(seed ^ Math.imul(index + 1, 0x9e3779b1));
    r.below(2);
    return r;
  }
}
