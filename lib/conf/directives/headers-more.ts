// SPDX-License-Identifier: MIT
// Directives of headers-more-nginx-module.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

type Words = string | readonly (string | readonly string[])[];

const row = (member: "more_headers" | "more_input_headers", about: string) =>
  ({
    module: "headers-more",
    in: everywhere,
    kind: "own",
    args: [1, many],
    form: "list",
    repeat: true,
    merge: "inherit",
    store: "location",
    member,
    initial: [],
    read: readMore,
    type: typed<Words>(),
    about,
  }) as const satisfies Spec;

export const headersMore = {
  more_set_headers: row("more_headers", "sets headers of the response, `[-s STATUS] [-t TYPE] [-a] 'Name: value'...`"),
  more_clear_headers: row(
    "more_headers",
    "clears headers of the response, `[-s STATUS] [-t TYPE] Name...`; `X-*` for all",
  ),
  more_set_input_headers: row("more_input_headers", "sets headers of the request, `[-t TYPE] [-r] 'Name: value'...`"),
  more_clear_input_headers: row("more_input_headers", "clears headers of the request, `[-t TYPE] Name...`"),
} as const satisfies Record<string, Spec>;

function readMore(c: Compiler, d: Directive, level: Level): void {
  const isClear = d.name.startsWith("more_clear");
  const isInput = d.name.includes("_input_");
  const out = {
    fields: [] as unknown[],
    types: [] as string[],
    statuses: [] as number[],
    is_append: false,
    is_replace: false,
  };
  for (let i = 0; i < d.args.length; i++) {
    const word = d.args[i]!;
    if (word.text === "-a" && !isClear) out.is_append = true;
    else if (word.text === "-r" && isInput && !isClear) out.is_replace = true;
    else if (word.text === "-t" || (word.text === "-s" && !isInput)) {
      const list = d.args[++i]?.text;
      if (list === undefined) return c.problems.add(word, `${d.name}: option "${word.text}" takes an argument`);
      const items = list.split(/\s+/).filter((item) => item !== "");
      if (word.text === "-t") out.types.push(...items.map((item) => item.replace(/;.*/, "")));
      else if (items.every((item) => /^\d{3}$/.test(item))) out.statuses.push(...items.map(Number));
      else return c.problems.add(word, `${d.name}: invalid digit found in "${list}"`);
    } else if (/^-[a-z]$/.test(word.text)) {
      return c.problems.add(word, `${d.name}: invalid option name: "${word.text}"`);
    } else {
      const cut = word.text.indexOf(":");
      const name = (cut < 0 ? word.text : word.text.slice(0, cut)).trim();
      const text = cut < 0 || isClear ? "" : word.text.slice(cut + 1).trim(); // what is cleared may have a value, as in nginx
      const value = c.text(text, word) ?? "";
      const is_prefix = isClear && name.endsWith("*");
      out.fields.push({ name: is_prefix ? name.slice(0, -1) : name, value, is_clear: text === "", is_prefix });
    }
  }
  const member = isInput ? "more_input_headers" : "more_headers";
  // Unlike most lists an inner block adds to what it inherits.
  level.conf[member] = [...(level.conf[member] as unknown[]), out];
}
