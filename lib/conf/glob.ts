// SPDX-License-Identifier: MIT
// The file names that a pattern of `include` stands for, as glob(3) finds them.
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** True for a name that is a pattern. */
export function isGlob(name: string): boolean {
  return /[*?[]/.test(name);
}

/** The files that an absolute pattern with * ? [...] names, in order. */
export function expandGlob(pattern: string): string[] {
  let paths = ["/"];
  for (const part of pattern.split("/").filter((p) => p !== "")) {
    if (!isGlob(part)) {
      paths = paths.map((p) => join(p, part));
      continue;
    }
    const matches = segmentPattern(part);
    paths = paths.flatMap((p) =>
      namesIn(p)
        .filter((n) => matches.test(n))
        .map((n) => join(p, n)),
    );
  }
  return paths;
}

// A leading dot is matched by a dot alone.
function segmentPattern(glob: string): RegExp {
  let out = /^[*?[]/.test(glob) ? "^(?!\\.)" : "^";
  for (let i = 0; i < glob.length; i++) {
    const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(glob.slice(i));
    if (glob[i] === "*") out += "[^/]*";
    else if (glob[i] === "?") out += "[^/]";
    else if (set) {
      out += `[${set[1] ? "^" : ""}${set[2]!.replace(/[\\\]^]/g, "\\$&")}]`;
      i += set[0].length - 1;
    } else out += glob[i]!.replace(/[\\^$.*+?()[\]{}|]/, "\\$&");
  }
  try {
    return new RegExp(`${out}$`, "u");
  } catch {
    return /(?!)/; // a set that is none, such as [z-a], matches nothing
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
