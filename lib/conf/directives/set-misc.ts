// SPDX-License-Identifier: MIT
// Directives of the set_misc module: each sets a variable to what a function makes of texts, in one order with `set`. The
// functions are those of native/http/modules/set_misc.cpp, by index.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";
import { addOp, opKind, rewriteContexts, targetOf } from "./rewrite.js";

type Text = string | number;

// The order of kFunctions of set_misc.cpp.
const functions = [
  "set_encode_base32",
  "set_decode_base32",
  "set_secure_random_alphanum",
  "set_secure_random_lcalpha",
  "set_quote_sql_str",
  "set_quote_pgsql_str",
  "set_quote_json_str",
  "set_unescape_uri",
  "set_escape_uri",
  "set_encode_base64",
  "set_decode_base64",
  "set_encode_base64url",
  "set_decode_base64url",
  "set_encode_hex",
  "set_decode_hex",
  "set_md5",
  "set_sha1",
  "set_local_today",
  "set_if_empty",
  "set_random",
  "set_hmac_sha1",
  "set_hmac_sha256",
  "set_formatted_gmt_time",
  "set_formatted_local_time",
  "set_hashed_upstream",
  "set_rotate",
];

/** `NAME $variable TEXT`, or `NAME $variable` for the variable's own value. */
const one = (about: string) =>
  ({
    module: "set-misc",
    in: rewriteContexts,
    kind: "own",
    args: [1, 2],
    form: "map",
    repeat: true,
    store: "none",
    isRewrite: true,
    read: readCall,
    type: typed<{ readonly [variable: `$${string}`]: Text }>(),
    about,
  }) as const satisfies Spec;

export const setMisc = {
  set_quote_sql_str: one("a variable becomes a text quoted for MySQL"),
  set_quote_pgsql_str: one("a variable becomes a text quoted for PostgreSQL"),
  set_quote_json_str: one("a variable becomes a text as a JSON string; `null` where it is empty"),
  set_unescape_uri: one("a variable becomes a text without its percent escapes"),
  set_escape_uri: one("a variable becomes a text escaped for a part of a URI"),
  set_encode_base32: one("a variable becomes a text in base32 (`0-9a-v`)"),
  set_decode_base32: one("a variable becomes what a text in base32 stands for; empty where it is none"),
  set_base32_padding: {
    module: "set-misc",
    in: everywhere,
    kind: "flag",
    default: "on",
    about: "base32 has `=` up to a multiple of eight letters",
  },
  set_misc_base32_padding: {
    module: "set-misc",
    in: everywhere,
    kind: "flag",
    member: "set_base32_padding",
    about: "the old name of `set_base32_padding`",
  },
  set_base32_alphabet: {
    module: "set-misc",
    in: everywhere,
    kind: "own",
    default: "0123456789abcdefghijklmnopqrstuv",
    read: readAlphabet,
    type: typed<string>(),
    about: "the 32 letters of base32",
  },
  set_encode_base64: one("a variable becomes a text in base64"),
  set_decode_base64: one("a variable becomes what a text in base64 stands for; empty where it is none"),
  set_encode_base64url: one("a variable becomes a text in base64 for URLs, without padding"),
  set_decode_base64url: one("a variable becomes what a text in base64 for URLs stands for; empty where it is none"),
  set_encode_hex: one("a variable becomes a text's bytes in hexadecimal"),
  set_decode_hex: one("a variable becomes the bytes of hexadecimal digits; empty where they are none"),
  set_md5: one("a variable becomes a text's MD5 digest in hexadecimal"),
  set_sha1: one("a variable becomes a text's SHA-1 digest in hexadecimal"),
  set_local_today: {
    ...one("a variable becomes the date here, `2026-01-31`"),
    args: [1, 1],
    form: "list",
    type: typed<string | readonly string[]>(),
  },
  set_if_empty: { ...one("a variable that is empty becomes a text"), args: [2, 2] },
  set_random: {
    ...one("a variable becomes a number between two, both included"),
    args: [3, 3],
    type: typed<{ readonly [variable: `$${string}`]: readonly [from: Text, to: Text] }>(),
  },
  set_hmac_sha1: {
    ...one("a variable becomes the HMAC-SHA1 (20 bytes) of a key and a text"),
    args: [3, 3],
    type: typed<{ readonly [variable: `$${string}`]: readonly [key: Text, text: Text] }>(),
  },
  set_hmac_sha256: {
    ...one("a variable becomes the HMAC-SHA256 (32 bytes) of a key and a text"),
    args: [3, 3],
    type: typed<{ readonly [variable: `$${string}`]: readonly [key: Text, text: Text] }>(),
  },
  set_secure_random_alphanum: { ...one("a variable becomes 1 to 64 letters and digits by chance"), args: [2, 2] },
  set_secure_random_lcalpha: { ...one("a variable becomes 1 to 64 lower-case letters by chance"), args: [2, 2] },
  set_rotate: {
    ...one(
      "a number in a variable becomes the next of those between two; without one the location counts, for all workers",
    ),
    args: [3, 3],
    type: typed<{ readonly [variable: `$${string}`]: readonly [from: Text, to: Text] }>(),
  },
  set_formatted_gmt_time: { ...one("a variable becomes the time in UTC in a format of strftime"), args: [2, 2] },
  set_formatted_local_time: { ...one("a variable becomes the time here in a format of strftime"), args: [2, 2] },
  upstream_list: {
    module: "set-misc",
    in: ["http", "server", "location"],
    kind: "own",
    args: [2, many],
    form: "map",
    repeat: true,
    store: "none",
    read: readList,
    type: typed<{ readonly [name: string]: string | readonly string[] }>(),
    about: "a name for a list of upstreams, for `set_hashed_upstream`",
  },
  set_hashed_upstream: {
    ...one("a variable becomes the upstream of an `upstream_list` that a key's hash points to"),
    args: [3, 3],
    read: readHashed,
    type: typed<{ readonly [variable: `$${string}`]: readonly [list: string, key: Text] }>(),
  },
} as const satisfies Record<string, Spec>;

function readCall(c: Compiler, d: Directive, level: Level): void {
  const [name, ...texts] = d.args as [Word, ...Word[]];
  const index = targetOf(c, name);
  const inputs = texts.map((word) => c.text(word.text, word));
  if (index === undefined || inputs.includes(undefined)) return;
  if (texts.length === 0 || d.name === "set_if_empty" || d.name === "set_rotate")
    inputs.unshift([{ var: index, capture: -1 }]);
  const call = functions.indexOf(d.name);
  addOp(level, { kind: opKind.setMisc, var: index, call, inputs: inputs.filter((text) => text !== undefined) });
}

function readList(c: Compiler, d: Directive): void {
  const [name, ...upstreams] = d.args.map((word) => word.text) as [string, ...string[]];
  if (c.plan.upstream_lists.some((list) => list.name === name))
    return c.problems.add(d, `upstream list "${name}" already exists`);
  c.plan.upstream_lists.push({ name, upstreams });
}

function readHashed(c: Compiler, d: Directive, level: Level): void {
  const [name, list, key] = d.args as [Word, Word, Word];
  const index = targetOf(c, name);
  const text = c.text(key.text, key);
  if (index === undefined || text === undefined) return;
  const from = c.text(list.text, list);
  if (from === undefined) return;
  if (typeof from === "string" && !c.plan.upstream_lists.some(({ name: known }) => known === from))
    return c.problems.add(list, `upstream list "${from}" not found`);
  addOp(level, { kind: opKind.setMisc, var: index, call: functions.indexOf(d.name), inputs: [from, text] });
}

function readAlphabet(c: Compiler, d: Directive, level: Level): void {
  const { text } = d.args[0]!;
  const bytes = Buffer.byteLength(text);
  if (bytes !== 32)
    return c.problems.add(d, `"${d.name}" directive takes an alphabet of ${bytes} bytes but 32 expected`);
  level.conf["set_base32_alphabet"] = text;
}
