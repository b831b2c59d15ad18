// SPDX-License-Identifier: MIT
// Directives of nginx's output filters (gzip, expires) and of handlers without settings.
import type { Compiler, Level } from "../compile.js";
import type { ComplexValue } from "../plan.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { parseTime } from "../words.js";

const gzip = { module: "gzip", in: everywhere } as const;
const ignored = { ...gzip, store: "none", about: "accepted, no effect" } as const;

/** PlainHandler of native/config.h. */
const handlers = { empty_gif: 1, stub_status: 2 } as const;

export const filters = {
  gzip: { ...gzip, kind: "flag", default: "off", about: "compresses responses for clients that accept gzip" },
  gzip_min_length: { ...gzip, kind: "size", default: "20", about: "shortest response, where its length is known" },
  gzip_comp_level: { ...gzip, kind: "number", range: [1, 9], default: "1", about: "from 1, fast, to 9, small" },
  gzip_types: {
    ...gzip,
    kind: "words",
    default: "text/html",
    about: "MIME types that are compressed beside text/html; `*` for all",
  },
  gzip_vary: { ...gzip, kind: "flag", default: "off", about: "`Vary: Accept-Encoding` where gzip may apply" },
  gzip_http_version: {
    ...gzip,
    kind: "enum",
    member: "gzip_http_minor",
    values: { "1.0": 0, "1.1": 1 },
    default: "1.1",
    about: "lowest HTTP version of a request",
  },
  gzip_proxied: {
    ...gzip,
    kind: "own",
    args: [1, many],
    form: "words",
    member: "gzip_proxied_any",
    initial: false,
    read: readProxied,
    type: typed<string | readonly string[]>(),
    about: "whether requests with a Via header get gzip: `any` or `off`",
  },
  gzip_buffers: { ...ignored, kind: "words", args: [2, 2] },
  gzip_window: { ...ignored, kind: "size" },
  gzip_hash: { ...ignored, kind: "size" },
  gzip_disable: { ...ignored, kind: "words", args: [1, many] },
  gunzip: {
    module: "gunzip",
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "decompresses responses in gzip for clients that do not accept it",
  },
  gunzip_buffers: { ...ignored, module: "gunzip", kind: "words", args: [2, 2] },
  expires: {
    module: "headers",
    in: everywhere,
    kind: "own",
    args: [1, 2],
    form: "words",
    default: "off",
    read: readExpires,
    type: typed<string | readonly string[]>(),
    about:
      "Expires and Cache-Control: `[modified] TIME`, `@TIME` of day, `epoch`, `max`, `off`, or a variable that says one of them",
  },
  empty_gif: {
    module: "empty_gif",
    in: ["location"],
    kind: "own",
    args: [0, 0],
    member: "handler",
    merge: "none",
    initial: 0,
    read: (_c, _d, level) => void (level.conf["handler"] = handlers.empty_gif),
    type: typed<boolean>(),
    about: "answers with a transparent GIF of one pixel",
  },
  stub_status: {
    module: "stub_status",
    in: ["server", "location"],
    kind: "own",
    args: [0, 1],
    store: "location",
    read: (_c, _d, level) => void (level.conf["handler"] = handlers.stub_status),
    type: typed<boolean | string>(),
    about: "answers with the numbers of connections and requests of the worker",
  },
} as const satisfies Record<string, Spec>;

function readProxied(c: Compiler, d: Directive, level: Level): void {
  const bad = d.args.find(
    ({ text }) => !/^(off|any|expired|no-cache|no-store|private|no_last_modified|no_etag|auth)$/.test(text),
  );
  if (bad) return c.problems.add(bad, `invalid value "${bad.text}"`);
  level.conf["gzip_proxied_any"] = d.args.some(({ text }) => text === "any");
}

// LocationConf::expires: 1 epoch, 2 max, 3 from now, 4 from Last-Modified, 5 time of day, 6 what expires_text says.
function readExpires(c: Compiler, d: Directive, level: Level): void {
  const isModified = d.args.length === 2;
  const word = d.args.at(-1)!;
  const invalid = (what: string) => c.problems.add(d, `"${d.name}" directive ${what}`);
  if (isModified && d.args[0]!.text !== "modified") return invalid("invalid value");
  const set = (kind: number, seconds: number, text: ComplexValue = "") => {
    level.conf["expires"] = [kind, seconds];
    level.conf["expires_text"] = text;
  };
  const text = c.text(word.text, word);
  if (text !== undefined && typeof text !== "string") return set(6, isModified ? 1 : 0, text);
  const named = isModified ? -1 : ["off", "epoch", "max"].indexOf(word.text);
  if (named >= 0) return set(named, 0);
  const m = /^([@+-]?)(.+)$/.exec(word.text);
  const ms = m ? parseTime(/^\d+$/.test(m[2]!) ? `${m[2]!}s` : m[2]!) : undefined;
  if (!m || ms === undefined) return invalid("invalid value");
  const seconds = Math.floor(ms / 1000);
  if (m[1] === "@" && isModified) return invalid('daily time cannot be used with "modified" parameter');
  if (m[1] === "@" && seconds > 86400) return invalid("daily time value must be less than 24 hours");
  set(m[1] === "@" ? 5 : isModified ? 4 : 3, m[1] === "-" ? -seconds : seconds);
}
