// SPDX-License-Identifier: MIT
// Directives whose words only they understand: one reader each, by name. Each notes its mistakes in nginx's words.
import { hostname } from "node:os";
import type { Compiler, Level } from "./compile.js";
import { logLevels, nameKind } from "./plan.js";
import { specOf } from "./directives.js";
import type { Directive } from "./tree.js";
import { parseAddress, parseSize, parseTime } from "./words.js";

type Reader = (c: Compiler, d: Directive, level: Level) => void;

const workerProcesses: Reader = (c, d) => {
  const word = d.args[0]!.text;
  if (word === "auto") c.workers("auto");
  else if (/^[1-9]\d{0,2}$/.test(word)) c.workers(Number(word));
  else c.problems.add(d, '"worker_processes" directive invalid value');
};

const env: Reader = (c, d) => void c.plan.env.push(d.args[0]!.text);

const errorLog: Reader = (c, d, level) => {
  const [path, name = "error"] = d.args.map((a) => a.text) as [string, string?];
  const number = logLevels.indexOf(name, 1);
  if (number < 0) return c.problems.add(d, `invalid log level "${name}"`);
  const log = { path: path === "stderr" ? path : c.path(path), level: number };
  if (level.context === "main") c.plan.error_logs.push(log);
  else c.push(level, "error_logs", log);
};

const accessLog: Reader = (c, d, level) => {
  const [path, name = "combined", ...rest] = d.args.map((a) => a.text) as [string, string?, ...string[]];
  if (path === "off") {
    level.own.add("access_logs");
    level.conf["access_logs"] = [];
    return;
  }
  const format = c.plan.log_formats.findIndex((f) => f.name === name);
  if (format < 0) return c.problems.add(d, `unknown log format "${name}"`);
  const bad = rest.find((w) => !/^(buffer|gzip|flush|if)(=|$)/.test(w));
  if (bad !== undefined) return c.problems.add(d, `invalid parameter "${bad}"`);
  c.push(level, "access_logs", { path: path === "stderr" ? path : c.path(path), format });
};

const logFormat: Reader = (c, d) => {
  const [name, ...words] = d.args.map((a) => a.text) as [string, ...string[]];
  const escape = /^escape=(.*)$/.exec(words[0] ?? "")?.[1];
  const mode = escape === undefined ? 0 : ["default", "json", "none"].indexOf(escape);
  if (mode < 0) return c.problems.add(d, `unknown log format escaping "${escape}"`);
  if (c.plan.log_formats.some((f) => f.name === name))
    return c.problems.add(d, `duplicate "log_format" name "${name}"`);
  const format = c.text(words.slice(escape === undefined ? 0 : 1).join(""), d);
  if (format !== undefined) c.plan.log_formats.push({ name, format, escape: mode });
};

const listen: Reader = (c, d) => {
  const [first, ...rest] = d.args;
  const parsed = parseAddress(first!.text, process.getuid?.() === 0 ? 80 : 8000);
  if ("error" in parsed) return c.problems.add(first!, parsed.error);
  const params: Record<string, unknown> = {};
  let isDefault = false;
  for (const word of rest) {
    const backlog = /^backlog=(\d+)$/.exec(word.text);
    if (word.text === "default_server" || word.text === "default") isDefault = true;
    else if (backlog) params["backlog"] = Number(backlog[1]);
    else if (word.text === "ipv6only=on" || word.text === "ipv6only=off") params["ipv6only"] = word.text.endsWith("on");
    else if (word.text === "reuseport") params["reuseport"] = true;
    else if (/^(deferred|bind|so_keepalive=.*|rcvbuf=.*|sndbuf=.*|fastopen=\d+)$/.test(word.text)) continue;
    else c.problems.add(word, `invalid parameter "${word.text}"`);
  }
  c.server?.listens.push({ address: parsed.address, params, isDefault, at: d });
};

const serverName: Reader = (c, d) => {
  const server = c.server;
  if (!server) return;
  for (const word of d.args) {
    const text = word.text === "$hostname" ? hostname().toLowerCase() : word.text;
    server.primary ??= text;
    if (text.startsWith("~")) {
      if (text.length === 1) c.problems.add(word, `empty regex in server name "${text}"`);
      else server.names.push({ kind: nameKind.regex, name: text.slice(1) });
      continue;
    }
    const name = text.toLowerCase();
    if (/^\*?\.[^*]+$/.test(name)) {
      if (name.startsWith(".")) server.names.push({ kind: nameKind.exact, name: name.slice(1) });
      server.names.push({ kind: nameKind.wildcardStart, name: name.replace(/^\*/, "") });
    } else if (/^[^*]+\.\*$/.test(name)) server.names.push({ kind: nameKind.wildcardEnd, name: name.slice(0, -1) });
    else if (/[*/\s]/.test(name)) c.problems.add(word, `server name "${text}" has invalid characters`);
    else server.names.push({ kind: nameKind.exact, name });
  }
  if (server.primary?.startsWith("*.")) server.primary = server.primary.slice(2);
};

const tryFiles: Reader = (c, d, level) => {
  const last = d.args.at(-1)!;
  const status = /^=(\d{3})$/.exec(last.text);
  const paths = d.args.slice(0, -1).map((a) => c.text(a.text, a) ?? "");
  const fallback = status ? "" : (c.text(last.text, last) ?? "");
  level.conf["has_try_files"] = true;
  level.conf["try_files"] = { paths, fallback, fallback_status: status ? Number(status[1]) : 0 };
};

const setVariable: Reader = (c, d, level) => {
  const [name, value] = d.args as [{ text: string }, Directive["args"][number]];
  if (!/^\$[A-Za-z0-9_]+$/.test(name.text)) return c.problems.add(d, `invalid variable name "${name.text}"`);
  const text = c.text(value.text, value);
  const index = c.declare(name.text.slice(1).toLowerCase(), d);
  if (text !== undefined) c.push(level, "rewrite", { kind: 0, var: index, value: text });
};

const returnStatus: Reader = (c, d, level) => {
  const [first, second] = d.args as [Directive["args"][number], Directive["args"][number]?];
  const isUrl = /^(https?:\/\/|\$scheme)/.test(first.text);
  if (!/^\d{1,3}$/.test(first.text) && !(isUrl && !second))
    return c.problems.add(d, `invalid return code "${first.text}"`);
  const word = isUrl ? first : second;
  const value = word ? c.text(word.text, word) : "";
  if (value === undefined) return;
  c.push(level, "rewrite", { kind: 1, status: isUrl ? 302 : Number(first.text), has_text: word !== undefined, value });
};

const addHeader: Reader = (c, d, level) => {
  const [name, value, always] = d.args as [{ text: string }, Directive["args"][number], { text: string }?];
  if (always && always.text !== "always") return c.problems.add(d, `invalid parameter "${always.text}"`);
  const text = c.text(value.text, value);
  if (text !== undefined) c.push(level, "add_headers", { name: name.text, value: text, always: always !== undefined });
};

const errorPage: Reader = (c, d, level) => {
  const words = [...d.args];
  const page = words.pop()!;
  let response = -1;
  const override = words.at(-1)?.text;
  if (override?.startsWith("=")) {
    words.pop();
    if (!/^=\d{0,3}$/.test(override)) return c.problems.add(d, `invalid value "${override}"`);
    response = override === "=" ? 0 : Number(override.slice(1));
  }
  if (words.length === 0) return c.problems.add(d, 'invalid number of arguments in "error_page" directive');
  const codes = words.map((w) => Number(w.text));
  const bad = words.find((w) => !/^\d{3}$/.test(w.text) || Number(w.text) < 300 || Number(w.text) > 599);
  if (bad) {
    const problem = /^\d+$/.test(bad.text)
      ? `value "${bad.text}" must be between 300 and 599`
      : `invalid value "${bad.text}"`;
    return c.problems.add(bad, problem);
  }
  const uri = c.text(page.text, page);
  if (uri !== undefined) c.push(level, "error_pages", { codes, response, uri, is_named: page.text.startsWith("@") });
};

const internal: Reader = (_c, _d, level) => void (level.conf["internal"] = true);

const largeBuffers: Reader = (c, d, level) => {
  const [count, size] = d.args.map((a) => a.text) as [string, string];
  const bytes = parseSize(size);
  if (!/^[1-9]\d{0,3}$/.test(count) || !bytes)
    return c.problems.add(d, '"large_client_header_buffers" directive invalid value');
  level.server["large_client_header_buffers_n"] = Number(count);
  level.server["large_client_header_buffers_size"] = bytes;
};

const keepaliveTimeout: Reader = (c, d, level) => {
  const [timeout, header] = d.args.map((a) => parseTime(a.text));
  if (timeout === undefined || (d.args.length > 1 && header === undefined))
    return c.problems.add(d, '"keepalive_timeout" directive invalid value');
  const spec = specOf("keepalive_timeout")!;
  c.set(level, spec, "keepalive_timeout", timeout);
  c.set(level, spec, "keepalive_header_timeout", Math.floor((header ?? 0) / 1000));
};

export const readers: Readonly<Record<string, Reader>> = {
  worker_processes: workerProcesses,
  env,
  error_log: errorLog,
  access_log: accessLog,
  log_format: logFormat,
  listen,
  server_name: serverName,
  try_files: tryFiles,
  set: setVariable,
  return: returnStatus,
  add_header: addHeader,
  error_page: errorPage,
  internal,
  large_client_header_buffers: largeBuffers,
  keepalive_timeout: keepaliveTimeout,
};
