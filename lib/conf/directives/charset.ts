// SPDX-License-Identifier: MIT
// Directives of nginx's charset module. Each charset_map becomes a CharsetMap of native/config_modules.h.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";

const module = "charset";
const own = { module, in: everywhere, kind: "own", initial: "", type: typed<string>() } as const;

export const charset = {
  charset: {
    ...own,
    read: readCharset,
    about: "charset that Content-Type names, or `off`; may hold variables. Content in `source_charset` is converted",
  },
  source_charset: {
    ...own,
    read: readCharset,
    about: "charset of what the location has, where Content-Type does not say it; may hold variables",
  },
  override_charset: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "converts responses whose Content-Type names a charset already, as a proxied server's may",
  },
  charset_types: {
    module,
    in: everywhere,
    kind: "words",
    default: "text/html text/xml text/plain text/vnd.wap.wml application/javascript application/rss+xml",
    about: "MIME types that `charset` is for beside text/html; `*` for all",
  },
  charset_map: {
    module,
    in: ["http"],
    kind: "block",
    args: [2, 2],
    form: "map",
    repeat: true,
    store: "none",
    read: readMap,
    type: typed<{ readonly [fromAndTo: `${string} ${string}`]: { readonly [byte: string]: string | number } }>(),
    about:
      "how to convert one charset to another and back: lines of a byte and its byte, in hexadecimal; of `utf-8` the character's bytes",
  },
} as const satisfies Record<string, Spec>;

const nameOf = (conf: unknown) => (typeof conf === "string" ? conf.toLowerCase() : "");

/** Both charsets of a block are known when all of it, and every charset_map, has been read. */
function readCharset(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const isOff = d.name === "charset" && word.text === "off";
  const text = isOff ? "" : c.text(word.text, word);
  if (text === undefined) return;
  level.conf[d.name] = text;
  if (typeof text === "string" && text !== "") c.plan.charsets.push(text.toLowerCase());
  c.lastChecks.push(() => {
    const from = level.conf["source_charset"] as string;
    const to = level.conf["charset"] as string;
    const [a, b] = [nameOf(from), nameOf(to)];
    const isDone = level.own.has("charsets") || a === "" || b === "" || a === b;
    level.own.set("charsets", "charsets");
    if (!isDone && !mapOf(c, a, b)) c.problems.add(word, `no "charset_map" between the charsets "${from}" and "${to}"`);
  });
}

function mapOf(c: Compiler, a: string, b: string) {
  const isBetween = (from: string, to: string) => (from === a && to === b) || (from === b && to === a);
  return c.plan.charset_maps.find((m) => isBetween(m.from.toLowerCase(), m.to.toLowerCase()));
}

function readMap(c: Compiler, d: Directive): void {
  const [from, to] = d.args as [Word, Word];
  const [a, b] = [from.text.toLowerCase(), to.text.toLowerCase()];
  if (a === b) return c.problems.add(to, `"charset_map" between the same charsets "${from.text}" and "${to.text}"`);
  if (mapOf(c, a, b)) return c.problems.add(d, `duplicate "charset_map" between "${from.text}" and "${to.text}"`);
  c.plan.charsets.push(a, b);
  const is_utf8 = b === "utf-8";
  const pairs = d.block!.flatMap((line) => {
    const pair = line.isBroken ? undefined : readPair(c, line, is_utf8);
    return pair ? [pair] : [];
  });
  c.plan.charset_maps.push({ from: from.text, to: to.text, is_utf8, pairs });
}

function readPair(c: Compiler, d: Directive, isUtf8: boolean): [number, number] | undefined {
  if (d.block || d.lua !== undefined) return void c.problems.add(d, `unexpected "{"`);
  if (d.args.length !== 1) return void c.problems.add(d, "invalid parameters number");
  const word = d.args[0]!;
  const byte = byteOf(d.name);
  const other = isUtf8 ? characterOf(word.text) : byteOf(word.text);
  if (byte === undefined) return void c.problems.add(d, `invalid value "${d.name}"`);
  if (other === undefined) return void c.problems.add(word, `invalid value "${word.text}"`);
  return [byte, other];
}

function byteOf(text: string): number | undefined {
  return /^[0-9a-fA-F]{1,2}$/.test(text) ? parseInt(text, 16) : undefined;
}

/** The one character of the basic plane that these bytes are. */
function characterOf(text: string): number | undefined {
  if (!/^([0-9a-fA-F]{2}){1,3}$/.test(text)) return undefined;
  try {
    const [first, ...more] = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(text, "hex"),
    );
    return more.length === 0 ? first?.codePointAt(0) : undefined;
  } catch {
    return undefined;
  }
}
