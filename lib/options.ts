// SPDX-License-Identifier: MIT
// The check of what JavaScript hands over as options: names that are none and values of a wrong kind are misuse, a TypeError.
import { isIP } from "node:net";

/** What an option must be: a test, and its words for the message. */
export type OptionCheck = readonly [isRight: (v: unknown) => boolean, expected: string];

/** A number without fraction in a range. */
export function wholeNumber(low: number, high: number): OptionCheck {
  return [(v) => Number.isInteger(v) && Number(v) >= low && Number(v) <= high, `a whole number from ${low} to ${high}`];
}

/** One of a few strings. */
export function oneOf(words: readonly string[]): OptionCheck {
  return [(v) => words.includes(v as string), `one of ${words.map((w) => `"${w}"`).join(", ")}`];
}

/** True for what `listen` takes as its host. */
export function isHost(text: string): boolean {
  return text === "localhost" || isIP(text.replace(/^\[(.*)\]$/, "$1")) !== 0;
}

export const text: OptionCheck = [(v) => typeof v === "string", "a string"];
export const flag: OptionCheck = [(v) => typeof v === "boolean", "a boolean"];
export const anything: OptionCheck = [() => true, ""];
export const object: OptionCheck = [(v) => typeof v === "object" && v !== null && !Array.isArray(v), "an object"];
export const callback: OptionCheck = [(v) => typeof v === "function", "a function"];
export const host: OptionCheck = [(v) => typeof v === "string" && isHost(v), 'an IP address or "localhost"'];
export const port = wholeNumber(0, 65535);
export const workers: OptionCheck = [
  (v) => v === "auto" || wholeNumber(1, 512)[0](v),
  'a whole number from 1 to 512, or "auto"',
];
export const processes = wholeNumber(1, 64);

/** Throws a TypeError that names the option. `what` is the function, or the option that the object is. */
export function checkOptions(what: string, options: unknown, checks: Readonly<Record<string, OptionCheck>>): void {
  if (!object[0](options)) throw new TypeError(`${what}: options must be an object`);
  for (const [name, value] of Object.entries(options as object) as [string, unknown][]) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) throw new TypeError(`${what}: unknown option "${name}"`);
    if (value !== undefined && !check[0](value)) throw new TypeError(`${what}: option "${name}" must be ${check[1]}`);
  }
}
