// SPDX-License-Identifier: MIT
// Loads the text of an nginx.conf, or a configuration object, for the tests of this folder.
import { join } from "node:path";
import { loadConfig } from "../../dist/conf/index.js";
import { decodeValue } from "../../dist/conf/value.js";
import { makePrefix, removePrefix } from "../helpers/files.js";

/** The result of loadConfig for `conf` with `files` beside it, and its prefix. */
export async function load(t, conf, files = {}, options = {}) {
  const prefix = makePrefix({ "nginx.conf": conf, ...files });
  t.teardown(() => removePrefix(prefix));
  return { prefix, ...(await loadConfig(join(prefix, "nginx.conf"), { prefix, ...options })) };
}

/** The decoded plan of an nginx.conf without problems. */
export async function planOf(t, conf, files, options) {
  const { plan, problems, prefix } = await load(t, conf, files, options);
  t.deepEqual(problems, []);
  return { ...decodeValue(plan), prefix };
}

/** The problems of an nginx.conf as `LINE:COLUMN MESSAGE`, a warning with `warn ` before its message. */
export async function problemsOf(t, conf, files) {
  const { plan, problems } = await load(t, conf, files);
  t.is(
    plan === null,
    problems.some((p) => p.severity === "emerg"),
  );
  return problems.map((p) => `${p.line}:${p.column} ${p.severity === "warn" ? "warn " : ""}${p.message}`);
}

/** A configuration around directives of http, of a server, of a location; on one line, they begin at column 0 of line 2. */
export const http = (text) => `events { } http {\n${text}\n}`;
export const server = (text) => http(`server {\n${text}\n}`).replace("{\nserver", "{ server");
export const location = (text) => server(`location / {\n${text}\n}`).replace("{\nlocation", "{ location");
