// SPDX-License-Identifier: MIT
// Directives of nginx's autoindex, random_index, gzip_static and secure_link modules.
import type { Compiler, Level } from "../compile.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

const autoindex = { module: "autoindex", in: everywhere } as const;
const secure = { module: "secure_link", in: everywhere } as const;

export const files = {
  autoindex: { ...autoindex, kind: "flag", default: "off", about: "lists a folder that has no index file" },
  autoindex_exact_size: {
    ...autoindex,
    kind: "flag",
    default: "on",
    about: "sizes in bytes, else rounded to K, M or G",
  },
  autoindex_localtime: { ...autoindex, kind: "flag", default: "off", about: "times in the local zone instead of UTC" },
  autoindex_format: {
    ...autoindex,
    kind: "enum",
    values: { html: 0, json: 1, jsonp: 2, xml: 3 },
    default: "html",
    about: "form of the listing",
  },
  random_index: {
    module: "random_index",
    in: ["location"],
    kind: "flag",
    merge: "none",
    default: "off",
    about: "a folder's URI leads to one of its files, by chance",
  },
  gzip_static: {
    module: "gzip_static",
    in: everywhere,
    kind: "enum",
    values: { off: 0, on: 1, always: 2 },
    default: "off",
    about: "sends `FILE.gz` in the place of FILE where it is there and the client accepts gzip, or `always`",
  },
  secure_link: {
    ...secure,
    kind: "complex",
    default: "",
    read: readSecureLink,
    about: "the hash that a link carries, and behind a comma the time when it ends; for `$secure_link`",
  },
  secure_link_md5: {
    ...secure,
    kind: "complex",
    default: "",
    read: readSecureLink,
    about: "the text whose MD5 the hash must be",
  },
  secure_link_secret: {
    ...secure,
    in: ["location"],
    kind: "own",
    initial: "",
    read: readSecureLink,
    type: typed<string>(),
    about: "the word that is hashed with the link in `/PREFIX/HASH/LINK`",
  },
} as const satisfies Record<string, Spec>;

// A block has the one way or the other: its own takes the place of what it would inherit of both.
function readSecureLink(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const way = d.name === "secure_link_secret" ? "old" : "new";
  if ((level.own.get("secure_link") ?? way) !== way)
    return c.problems.add(d, '"secure_link_secret" cannot be mixed with "secure_link" and "secure_link_md5"');
  if (way === "new") {
    level.conf["secure_link_secret"] = "";
    level.conf[d.name] = c.text(word.text, word) ?? "";
  } else {
    level.conf["secure_link"] = level.conf["secure_link_md5"] = "";
    level.conf["secure_link_secret"] = word.text;
  }
  if (d.line > 0) level.own.set("secure_link", way);
}
