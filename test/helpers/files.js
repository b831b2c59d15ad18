// SPDX-License-Identifier: MIT
// A folder of its own for each test: a prefix with nginx.conf, logs/ and whatever else the test needs.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { freePort } from "./port.js";

/** Makes the folder; `files` maps relative paths to contents. */
export function makePrefix(files = {}) {
  const prefix = mkdtempSync(join(tmpdir(), "moonwire-test-"));
  mkdirSync(join(prefix, "logs"));
  for (const [name, content] of Object.entries(files)) writeFile(prefix, name, content);
  return prefix;
}

/** Writes a file below the prefix, with its folders. */
export function writeFile(prefix, name, content) {
  mkdirSync(dirname(join(prefix, name)), { recursive: true });
  writeFileSync(join(prefix, name), content);
}

/** Removes the folder. */
export function removePrefix(prefix) {
  rmSync(prefix, { recursive: true, force: true });
}

/** The text of the error log, or of another file below the prefix; empty when it is not there. */
export function readLog(prefix, name = "logs/error.log") {
  try {
    return readFileSync(join(prefix, name), "utf8");
  } catch {
    return "";
  }
}

/**
 * An nginx.conf from fragments: `conf` is one whole, else `main`, `http`, `server` are put where they belong and the server
 * listens on a port that the system chooses. `__PORT__` and `__PREFIX__` are filled in.
 */
export async function confText({ conf, main = "", http = "", server = "" }, prefix) {
  const text =
    conf ??
    `${main.includes("worker_processes") ? "" : "worker_processes 1;"}
error_log logs/error.log info;
${main}
events { }
http {
  access_log off;
  ${http}
  server {
    listen 127.0.0.1:0;
    ${server}
  }
}
`;
  const port = text.includes("__PORT__") ? await freePort() : 0;
  return text.replaceAll("__PORT__", String(port)).replaceAll("__PREFIX__", prefix);
}
