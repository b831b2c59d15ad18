// SPDX-License-Identifier: MIT
// The rules of the house that no packaged linter knows. Each check returns the lines to complain about:
//   includes  rooms include only rooms below them        sizes   no file above 800 lines
//   cdef      one place declares the ABI to Lua          spdx    each file opens with its licence and purpose
//   members   what the plan says is read by somebody
import { readFileSync } from "node:fs";
import { basename } from "node:path";

/// base <- loop <- net <- http <- (script, abi) <- worker <- addon; shm needs base alone, it may be used from http up.
/// Data for all above base: config, and abi/abi.h, the structs that Lua reads (what implements the ABI is a room like others).
const data = new Set(["abi/abi.h"]);
const rooms = { base: 0, config: 1, shm: 1, loop: 2, net: 3, http: 4, script: 5, abi: 5, worker: 6, addon: 7 };
const files = {
  "config.h": "config",
  "config_value.h": "config",
  "config_problem.h": "config",
  "config_upstream.h": "config",
  "config_modules.h": "config",
  "config.cpp": "config",
  "config_decoder.h": "config",
  "config_location.cpp": "config",
  "listen_set.h": "worker",
  "listen_set.cpp": "worker",
  "inheritance.h": "worker",
  "estate.h": "worker",
  "estate.cpp": "worker",
  "succession.h": "worker",
  "succession.cpp": "worker",
  "worker_helper.cpp": "worker",
  "worker_limits.h": "worker",
  "worker_limits.cpp": "worker",
  "server.h": "worker",
  "server.cpp": "worker",
  "worker.h": "worker",
};

function roomOf(path) {
  return files[path] ?? path.split("/")[0].replace(/\.(h|cpp)$/, "");
}

function mayInclude(from, to) {
  if (from === to) return true;
  if (rooms[from] === rooms[to]) return from === "script" || from === "abi"; // one level, two halves
  if (from === "shm" || from === "config") return to === "base";
  if (to === "shm") return rooms[from] >= rooms.http;
  return rooms[from] > rooms[to];
}

function* lines(path) {
  let n = 0;
  for (const text of readFileSync(path, "utf8").split("\n")) yield { n: ++n, text };
}

export function includes(paths) {
  const out = [];
  for (const path of paths.filter((p) => /^native\/.*\.(h|cpp)$/.test(p))) {
    const from = roomOf(path.slice("native/".length));
    if (!(from in rooms)) out.push(`${path}: no such room "${from}" (rooms: ${Object.keys(rooms).join(", ")})`);
    for (const { n, text } of lines(path)) {
      const to = /^#include "([^"]+)"/.exec(text)?.[1];
      if (!to || !(from in rooms)) continue;
      if (!(roomOf(to) in rooms) || !(to.includes("/") || to in files))
        out.push(`${path}:${n}: include "${to}" by its path below native/`);
      else if (!mayInclude(from, roomOf(to)) && !(data.has(to) && rooms[from] > rooms.base))
        out.push(`${path}:${n}: ${from} must not include ${roomOf(to)} ("${to}")`);
    }
  }
  return out;
}

export function sizes(paths) {
  return paths
    .filter((p) => /\.(h|cpp|c|lua|ts|js|mjs)$/.test(p))
    .map((p) => [p, readFileSync(p, "utf8").split("\n").length - 1])
    .filter(([p, n]) => n > 800 && !/generated/.test(p))
    .map(([p, n]) => `${p}: ${n} lines; split it (800 at most)`);
}

/// resty.* may declare libc and OpenSSL, as any user's module does; nobody but moonwire.abi declares anything of ours.
export function cdef(paths) {
  const out = [];
  for (const path of paths.filter((p) => /^native\/lua\/.*\.lua$/.test(p) && p !== "native/lua/moonwire/abi.lua")) {
    const text = readFileSync(path, "utf8");
    const declares = /\bcdef\s*\(?\s*(\[=*\[|["'])/.test(text);
    if (declares && !path.startsWith("native/lua/resty/")) out.push(`${path}: ffi.cdef belongs in native/abi/mw_abi.h`);
    for (const m of text.matchAll(/\bcdef\s*\(?\s*\[(=*)\[([\s\S]*?)\]\1\]/g))
      if (/\bmw_\w+/.test(m[2]))
        out.push(`${path}: ffi.cdef declares ${/\bmw_\w+/.exec(m[2])[0]}, which is mw_abi.h's`);
  }
  return out;
}

/// A member of the plan that is decoded and never looked at is a directive that is taken and has no effect.
export function members(paths) {
  const native = paths.filter((p) => /^native\/.*\.(h|cpp)$/.test(p));
  const decoded = [];
  const read = new Set();
  for (const path of native)
    for (const { n, text } of lines(path)) {
      const name = /^\s*MEMBER\((\w+)\);/.exec(text)?.[1];
      if (name) decoded.push({ path, n, name });
      else if (!/^native\/config\w*\.h$/.test(path)) for (const [word] of text.matchAll(/\w+/g)) read.add(word);
    }
  return decoded
    .filter(({ name }) => !read.has(name))
    .map(({ path, n, name }) => `${path}:${n}: nothing reads ${name}: its directive has no effect`);
}

export function spdx(paths) {
  const code = /^(native|lib|deps|scripts|bench|test\/(native|fuzz))\/.*\.(h|cpp|c|lua|ts|js|mjs)$/;
  return paths
    .filter((p) => code.test(p))
    .filter((p) => !/SPDX-License-Identifier: MIT/.test(readFileSync(p, "utf8").slice(0, 120)))
    .map((p) => `${p}: ${basename(p)} does not open with its SPDX line`);
}
