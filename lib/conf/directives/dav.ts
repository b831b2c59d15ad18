// SPDX-License-Identifier: MIT
// Directives of nginx's WebDAV module.
import type { Compiler, Level } from "../compile.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";

const dav_module = { module: "dav", in: everywhere } as const;

/** MethodId of native/http/parser.h, of the methods that the module knows. */
const methods: Readonly<Record<string, number>> = {
  off: 0,
  put: 0x10,
  delete: 0x20,
  mkcol: 0x40,
  copy: 0x80,
  move: 0x100,
};

export const dav = {
  dav_methods: {
    ...dav_module,
    kind: "own",
    args: [1, many],
    form: "words",
    initial: 0,
    read: readMethods,
    type: typed<string | readonly string[]>(),
    about: "which of PUT, DELETE, MKCOL, COPY and MOVE change the files below `root`; `off` for none",
  },
  dav_access: {
    ...dav_module,
    kind: "own",
    args: [1, 3],
    form: "words",
    initial: 0o600,
    read: readAccess,
    type: typed<string | readonly string[]>(),
    about: "rights of new files and folders: `user:rw group:rw all:r`",
  },
  create_full_put_path: { ...dav_module, kind: "flag", default: "off", about: "PUT makes the folders that it needs" },
  min_delete_depth: {
    ...dav_module,
    kind: "number",
    default: "0",
    about: "DELETE only removes what has at least so many parts in its path",
  },
} as const satisfies Record<string, Spec>;

function readMethods(c: Compiler, d: Directive, level: Level): void {
  let bits = 0;
  for (const word of d.args) {
    const name = word.text.toLowerCase();
    if (!Object.hasOwn(methods, name)) return c.problems.add(word, `invalid value "${word.text}"`);
    const bit = methods[name]!;
    if (bit !== 0 && (bits & bit) !== 0) c.problems.warn(word, `duplicate value "${word.text}"`);
    bits |= bit;
  }
  level.conf["dav_methods"] = bits;
}

function readAccess(c: Compiler, d: Directive, level: Level): void {
  const rights = accessOf(c, d);
  if (rights !== undefined) level.conf["dav_access"] = rights;
}

/** The mode that `user:rw group:r ...` means. The user's own rights are read and write where nothing is said of them. */
export function accessOf(c: Compiler, d: Directive): number | undefined {
  let rights = 0;
  let user = 0o600;
  for (const word of d.args) {
    const m = /^(user|group|all):(rw|r)$/.exec(word.text);
    if (!m) return void c.problems.add(word, `invalid value "${word.text}"`);
    if (m[1] === "user") user = 0;
    rights |= (m[2] === "rw" ? 6 : 4) << { user: 6, group: 3, all: 0 }[m[1] as "user" | "group" | "all"];
  }
  return rights | user;
}
