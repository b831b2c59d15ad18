// SPDX-License-Identifier: MIT
// Directives of nginx's http core: servers, locations, files, types, redirects. Limits and times are in limits.ts.
import { everywhere, everywhereAndStream, many, typed, type Spec } from "../spec.js";
import { readListen } from "../listen.js";
import { readTypes } from "../mime-types.js";
import { readServerName } from "../server-name.js";
import type { Compiler, Level } from "../compile.js";
import type { Directive } from "../tree.js";

type Words = string | readonly (string | number)[];

const module = "http_core";

export const http = {
  server: {
    module,
    in: ["http", "stream"],
    kind: "block",
    repeat: true,
    about: "a virtual server; in `stream` one of connections",
  },
  listen: {
    module,
    in: ["server", "stream_server"],
    kind: "own",
    args: [1, many],
    form: "list",
    repeat: true,
    store: "none",
    read: readListen,
    type: typed<
      number | string | readonly (number | string | readonly [address: string | number, ...params: string[]])[]
    >(),
    about:
      "address, port, range of ports (`8000-8010`) or `unix:PATH` to listen on, then `default_server`, `backlog=`, `ipv6only=`, `reuseport`, `proxy_protocol`; without it port 80 (8000 unless root)",
  },
  server_name: {
    module,
    in: ["server"],
    kind: "own",
    args: [1, many],
    form: "words",
    repeat: true,
    store: "none",
    read: readServerName,
    type: typed<Words>(),
    about: "names of the server: exact, `*.example.com`, `www.example.*`, `.example.com`, or `~regex`",
  },
  location: {
    module,
    in: ["server", "location"],
    kind: "block",
    args: [1, 2],
    repeat: true,
    about: "what a set of URIs gets: a prefix, `= exact`, `^~ prefix`, `~ regex`, `~* regex`, or `@name`",
  },
  root: {
    module,
    in: everywhere,
    kind: "own",
    default: "html",
    read: readFolder,
    type: typed<string>(),
    about: "folder of static files; may hold variables",
  },
  alias: {
    module,
    in: ["location"],
    kind: "own",
    initial: 0,
    read: readFolder,
    type: typed<string>(),
    about: "folder (or file) in place of the location's prefix; may hold variables",
  },
  index: {
    module,
    in: everywhere,
    kind: "words",
    default: "index.html",
    merge: "replace",
    about: "files that stand for a folder",
  },
  try_files: {
    module,
    in: ["server", "location"],
    kind: "own",
    args: [2, many],
    form: "words",
    merge: "none",
    initial: { paths: [], fallback: "", fallback_status: 0 },
    read: readTryFiles,
    type: typed<Words>(),
    about: "files to try in order, then a URI, a named location or `=CODE`",
  },
  internal: {
    module,
    in: ["location"],
    kind: "own",
    args: [0, 0],
    merge: "none",
    initial: false,
    read: (_c, _d, level) => void (level.conf["internal"] = true),
    type: typed<boolean>(),
    about: "only internal redirects and subrequests reach the location; others get 404",
  },
  error_page: {
    module,
    in: everywhere,
    kind: "own",
    args: [2, many],
    form: "map",
    repeat: true,
    merge: "replace",
    member: "error_pages",
    initial: [],
    read: readErrorPage,
    type: typed<
      | { readonly [codes: string]: string | readonly (string | number)[] }
      | readonly (string | number)[]
      | readonly (readonly (string | number)[])[]
    >(),
    about: "URI or named location shown for statuses, `=CODE` before it changes the status",
  },
  msie_refresh: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "redirects of Internet Explorer are pages that send it on",
  },
  msie_padding: {
    module,
    in: everywhere,
    kind: "flag",
    default: "on",
    about: "error pages for Internet Explorer and Chrome are padded, so that they are shown",
  },
  recursive_error_pages: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "an error in the error page of such a location gets one too",
  },
  types: {
    module,
    in: everywhere,
    kind: "block",
    merge: "replace",
    read: readTypes,
    about: "MIME types, `TYPE EXTENSION...;` each; without it html, gif and jpg",
  },
  default_type: {
    module,
    in: everywhere,
    kind: "string",
    default: "text/plain",
    about: "MIME type where `types` has none",
  },
  etag: { module, in: everywhere, kind: "flag", default: "on", about: "ETag of static files" },
  if_modified_since: {
    module,
    in: everywhere,
    kind: "enum",
    values: { off: 0, exact: 1, before: 2 },
    default: "exact",
    about: "how If-Modified-Since is compared with a file's time",
  },
  max_ranges: {
    module,
    in: everywhere,
    kind: "number",
    default: "999999999",
    about: "most ranges of one request; with more it gets the whole file, with 0 always",
  },
  log_not_found: { module, in: everywhere, kind: "flag", default: "on", about: "missing files go to the error log" },
  log_subrequest: { module, in: everywhere, kind: "flag", default: "off", about: "subrequests go to the access log" },
  absolute_redirect: { module, in: everywhere, kind: "flag", default: "on", about: "redirects carry scheme and host" },
  port_in_redirect: { module, in: everywhere, kind: "flag", default: "on", about: "absolute redirects carry the port" },
  server_name_in_redirect: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "absolute redirects carry the first `server_name` instead of Host",
  },
  server_tokens: {
    module,
    in: everywhere,
    kind: "enum",
    values: { off: false, on: true, build: true },
    default: "on",
    about: "version in the Server header and in error pages",
  },
  merge_slashes: {
    module,
    in: ["http", "server"],
    kind: "flag",
    store: "location",
    default: "on",
    about: "several slashes in a path are one",
  },
  chunked_transfer_encoding: {
    module,
    in: everywhere,
    kind: "flag",
    default: "on",
    about: "chunked responses in HTTP/1.1",
  },
  postpone_output: {
    module,
    in: everywhere,
    kind: "size",
    default: "1460",
    about:
      "output is held back until so many bytes are there, 32k of it at the least from the default up; 0 sends at once",
  },
  sendfile: { module, in: everywhere, kind: "flag", default: "off", about: "files are sent by the kernel" },
  tcp_nodelay: { module, in: everywhereAndStream, kind: "flag", default: "on", about: "TCP_NODELAY" },
  underscores_in_headers: {
    module,
    in: ["http", "server"],
    kind: "flag",
    default: "off",
    about: "accepts header names with underscores",
  },
  ignore_invalid_headers: {
    module,
    in: ["http", "server"],
    kind: "flag",
    default: "on",
    about: "off: header names with underscores are taken, too",
  },

  reset_timedout_connection: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about:
      "a client that is too slow, or is answered with 444, gets a reset, and nothing of the response is kept for it",
  },
  tcp_nopush: { ...ignored("flag"), about: "accepted, no effect: header and body leave in one write" },
  sendfile_max_chunk: { ...ignored("size"), about: "accepted, no effect" },
  send_lowat: { ...ignored("size"), about: "accepted, no effect" },
  aio: { ...ignored("string"), about: "accepted, no effect" },
  directio: { ...ignored("string"), about: "accepted, no effect" },
  output_buffers: { ...ignored("words"), args: [2, 2], about: "accepted, no effect" },
  read_ahead: { ...ignored("size"), about: "accepted, no effect" },
  client_body_in_single_buffer: { ...ignored("flag"), about: "accepted, no effect" },
  open_file_cache: { ...ignored("words"), about: "accepted, no effect" },
  open_file_cache_valid: { ...ignored("time"), about: "accepted, no effect" },
  open_file_cache_min_uses: { ...ignored("number"), about: "accepted, no effect" },
  open_file_cache_errors: { ...ignored("flag"), about: "accepted, no effect" },
  subrequest_output_buffer_size: {
    module: "core",
    in: everywhere,
    kind: "size",
    default: "4k",
    about: "most bytes of an answer that SSI's `include set` puts into a variable",
  },
  request_pool_size: { ...ignored("size"), in: ["http", "server"], about: "accepted, no effect" },
  connection_pool_size: { ...ignored("size"), in: ["http", "server"], about: "accepted, no effect" },
  server_names_hash_max_size: {
    ...ignored("number"),
    in: ["http"],
    about: "accepted, no effect: the table sizes itself",
  },
  server_names_hash_bucket_size: {
    ...ignored("number"),
    in: ["http"],
    about: "accepted, no effect: the table sizes itself",
  },
  types_hash_max_size: { ...ignored("number"), about: "accepted, no effect: the table sizes itself" },
  types_hash_bucket_size: { ...ignored("number"), about: "accepted, no effect: the table sizes itself" },
  variables_hash_max_size: { ...ignored("number"), in: ["http"], about: "accepted, no effect: the table sizes itself" },
  variables_hash_bucket_size: {
    ...ignored("number"),
    in: ["http"],
    about: "accepted, no effect: the table sizes itself",
  },
} as const satisfies Record<string, Spec>;

function ignored<K extends "flag" | "number" | "size" | "time" | "string" | "words">(kind: K) {
  return { module: "http_core", in: everywhere, kind, store: "none" } as const;
}

// root and alias are one setting.
function readFolder(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const isAlias = d.name === "alias";
  const before = level.own.get("root");
  if (before === d.name) return c.problems.add(d, `"${d.name}" directive is duplicate`);
  if (before !== undefined)
    return c.problems.add(d, `"${d.name}" directive is duplicate, "${before}" directive was specified earlier`);
  level.own.set("root", d.name);
  if (isAlias && level.isNamed)
    return c.problems.add(d, 'the "alias" directive cannot be used inside the named location');
  if (/\$(document_root|realpath_root|\{document_root\}|\{realpath_root\})/i.test(word.text))
    return c.problems.add(
      word,
      `the ${/\$\{?\w+\}?/.exec(word.text)![0].replace(/[{}]/g, "")} variable cannot be used in the "${d.name}" directive`,
    );
  const text = c.text(word.text.startsWith("$") ? word.text : c.path(word.text), word);
  level.conf["root"] = text ?? "";
  level.conf["alias"] = isAlias ? level.aliasSize : 0;
}

function readTryFiles(c: Compiler, d: Directive, level: Level): void {
  const last = d.args.at(-1)!;
  let status = 0;
  if (last.text.startsWith("=")) {
    if (!/^=\d{1,3}$/.test(last.text)) return c.problems.add(last, `invalid code "${last.text}"`);
    status = Number(last.text.slice(1));
  }
  const paths = d.args.slice(0, -1).map((a) => c.text(a.text, a) ?? "");
  const fallback = last.text.startsWith("=") ? "" : (c.text(last.text, last) ?? "");
  level.conf["has_try_files"] = true;
  level.conf["try_files"] = { paths, fallback, fallback_status: status };
}

function readErrorPage(c: Compiler, d: Directive, level: Level): void {
  const words = [...d.args];
  const page = words.pop()!;
  const override = words.at(-1)!;
  let response = -1;
  if (override.text.startsWith("=") && words.length > 1) {
    if (!/^=\d{0,3}$/.test(override.text)) return c.problems.add(override, `invalid value "${override.text}"`);
    words.pop();
    response = override.text === "=" ? 0 : Number(override.text.slice(1));
  }
  const problem = (w: (typeof words)[number]): string | undefined => {
    if (!/^\d+$/.test(w.text) || w.text === "499") return `invalid value "${w.text}"`;
    const isFit = Number(w.text) >= 300 && Number(w.text) <= 599;
    return isFit ? undefined : `value "${w.text}" must be between 300 and 599`;
  };
  const bad = words.find((w) => problem(w) !== undefined);
  if (words.length === 0) return c.problems.add(d, `invalid number of arguments in "${d.name}" directive`);
  if (bad) return c.problems.add(bad, problem(bad)!);
  const uri = c.text(page.text, page);
  const codes = words.map((w) => Number(w.text));
  if (uri !== undefined) c.push(level, "error_pages", { codes, response, uri, is_named: page.text.startsWith("@") });
}
