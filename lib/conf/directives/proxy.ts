// SPDX-License-Identifier: MIT
// Directives of nginx's upstream and proxy modules: groups of servers, and what a location sends to them. Settings are kept
// apart from a location's own (Level.upstream) and become one UpstreamConf where a proxy_pass stands.
import type { Compiler, Level } from "../compile.js";
import { aliasWhole } from "../locations.js";
import { everywhere, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { parseSize } from "../words.js";
import { addPass, groupOf, pushSetting, readBindAddress, readFailures } from "../upstream-pass.js";
import { accessOf } from "./dav.js";
import { readCookie, readFlags, readRedirect } from "./proxy-headers.js";

type Text = string | number;
type Pairs = { readonly [name: string]: Text } | readonly (readonly [name: string, value: Text])[];

const module = "proxy";
const store = "upstream";
const own = { module, in: everywhere, kind: "own", store } as const;

const ignorable: Record<string, number> = {
  "X-Accel-Redirect": 0x2,
  "X-Accel-Expires": 0x4,
  Expires: 0x8,
  "Cache-Control": 0x10,
  "Set-Cookie": 0x20,
  "X-Accel-Limit-Rate": 0x100,
  "X-Accel-Buffering": 0x200,
  "X-Accel-Charset": 0x400,
  Vary: 0x800,
};

export const proxy = {
  upstream: {
    module: "upstream",
    in: ["http"],
    kind: "block",
    args: [1, 1],
    repeat: true,
    about: "a group of servers, and how one of them is chosen; see below",
  },
  proxy_pass: {
    module,
    in: ["location"],
    kind: "own",
    merge: "none",
    member: "upstream",
    initial: -1,
    read: readPass,
    type: typed<string>(),
    about: "the server that answers: `http://HOST[:PORT][/URI]`, a unix socket, or the name of an `upstream`",
  },
  proxy_connect_timeout: {
    module,
    in: everywhere,
    kind: "time",
    store,
    member: "connect_timeout",
    default: "60s",
    about: "longest wait for a connection to the server",
  },
  proxy_send_timeout: {
    module,
    in: everywhere,
    kind: "time",
    store,
    member: "send_timeout",
    default: "60s",
    about: "longest wait between two writes to the server",
  },
  proxy_read_timeout: {
    module,
    in: everywhere,
    kind: "time",
    store,
    member: "read_timeout",
    default: "60s",
    about: "longest wait between two reads from the server",
  },
  proxy_buffering: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "buffering",
    default: "on",
    about: "the client gets the reply in buffers; off: as it comes",
  },
  proxy_request_buffering: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "request_buffering",
    default: "on",
    about: "off: a request body is sent on as it comes, and not to a second server",
  },
  proxy_buffer_size: {
    module,
    in: everywhere,
    kind: "size",
    store,
    member: "buffer_size",
    default: "4k",
    about: "longest head of a reply",
  },
  proxy_buffers: {
    ...own,
    args: [2, 2],
    form: "words",
    default: "8 4k",
    read: readBuffers,
    type: typed<string | readonly [number: number, size: number | string]>(),
    about: "how much of a reply waits for a slow client, as number and size",
  },
  proxy_busy_buffers_size: { ...ignored("size"), about: "accepted, no effect: `proxy_buffers` bounds what waits" },
  proxy_limit_rate: {
    ...own,
    default: "0",
    read: readRate,
    type: typed<number | string>(),
    about: "bytes per second of a buffered reply that are read, may hold variables; 0 is no limit",
  },
  proxy_force_ranges: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "force_ranges",
    default: "off",
    about: "parts of a reply may be asked for, whether or not it has `Accept-Ranges`",
  },
  proxy_ignore_client_abort: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "ignore_client_abort",
    default: "off",
    about: "goes on with the server when the client has gone",
  },
  proxy_intercept_errors: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "intercept_errors",
    default: "off",
    about: "`error_page` holds for the server's errors too",
  },
  proxy_next_upstream: {
    ...own,
    args: [1, many],
    form: "words",
    default: "error timeout",
    read: readNext,
    type: typed<string | readonly string[]>(),
    about: "failures after which the next server is tried",
  },
  proxy_next_upstream_tries: {
    module,
    in: everywhere,
    kind: "number",
    store,
    member: "next_upstream_tries",
    default: "0",
    about: "most servers tried; 0 is no limit",
  },
  proxy_next_upstream_timeout: {
    module,
    in: everywhere,
    kind: "time",
    store,
    member: "next_upstream_timeout",
    default: "0",
    about: "time for all tries; 0 is no limit",
  },
  proxy_bind: {
    ...own,
    args: [1, 2],
    form: "words",
    read: readBind,
    type: typed<string | readonly [address: string, transparent: "transparent"]>(),
    about: "local address of connections to the server, or `off`; `transparent`: also one that is not this machine's",
  },
  proxy_http_version: {
    module,
    in: everywhere,
    kind: "enum",
    values: { "1.0": 0, "1.1": 1 },
    store,
    member: "http_minor",
    default: "1.0",
    type: typed<"1.0" | "1.1">(),
    about: "HTTP version of requests to the server",
  },
  proxy_method: {
    module,
    in: everywhere,
    kind: "complex",
    store,
    member: "method",
    about: "method of requests to the server, in place of the client's",
  },
  proxy_set_body: {
    ...own,
    read: readSetBody,
    type: typed<string>(),
    about: "body of requests to the server, in place of the client's",
  },
  proxy_pass_request_body: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "pass_request_body",
    default: "on",
    about: "the client's body is sent on",
  },
  proxy_pass_request_headers: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    member: "pass_request_headers",
    default: "on",
    about: "the client's headers are sent on",
  },
  proxy_set_header: {
    ...own,
    args: [2, 2],
    form: "map",
    repeat: true,
    read: readSetHeader,
    type: typed<Pairs>(),
    about: "a header of requests to the server; an empty value leaves it out",
  },
  proxy_hide_header: {
    ...own,
    args: [1, 1],
    form: "list",
    repeat: true,
    read: readNames,
    type: typed<string | readonly string[]>(),
    about: "a header of replies that the client does not get",
  },
  proxy_pass_header: {
    ...own,
    args: [1, 1],
    form: "list",
    repeat: true,
    read: readNames,
    type: typed<string | readonly string[]>(),
    about: "a header of replies that would else be hidden: Date, Server, X-Accel-...",
  },
  proxy_ignore_headers: {
    ...own,
    args: [1, many],
    form: "words",
    repeat: true,
    read: readIgnore,
    type: typed<string | readonly string[]>(),
    about: "headers of replies that are not acted on",
  },
  proxy_redirect: {
    ...own,
    args: [1, 2],
    form: "map",
    repeat: true,
    read: readRedirect,
    type: typed<string | { readonly [from: string]: string }>(),
    about: "changes Location and Refresh of replies: a text and what stands for it, `default` or `off`",
  },
  proxy_cookie_domain: {
    ...own,
    args: [1, 2],
    form: "map",
    repeat: true,
    read: readCookie,
    type: typed<string | { readonly [from: string]: string }>(),
    about: "changes the domain of cookies in replies",
  },
  proxy_cookie_path: {
    ...own,
    args: [1, 2],
    form: "map",
    repeat: true,
    read: readCookie,
    type: typed<string | { readonly [from: string]: string }>(),
    about: "changes the path of cookies in replies",
  },
  proxy_cookie_flags: {
    ...own,
    args: [1, 5],
    form: "list",
    repeat: true,
    read: readFlags,
    type: typed<string | readonly (string | readonly [cookie: string, ...flags: string[]])[]>(),
    about: "sets or clears `secure`, `httponly`, `samesite=` of cookies in replies",
  },
  proxy_store: {
    ...own,
    args: [1, 1],
    default: "off",
    read: readStore,
    type: typed<boolean | string>(),
    about: "whole replies become files: `on` below `root` or `alias`, or at a path that may hold variables",
  },
  proxy_store_access: {
    ...own,
    args: [1, 3],
    form: "words",
    default: "user:rw",
    read: readStoreAccess,
    type: typed<string | readonly string[]>(),
    about: "rights of these files and their folders: `user:rw group:rw all:r`",
  },
  proxy_temp_file_write_size: ignored("size"),
  proxy_max_temp_file_size: ignored("offset"),
  proxy_headers_hash_max_size: ignored("number"),
  proxy_headers_hash_bucket_size: ignored("number"),
  proxy_socket_keepalive: ignored("flag"),
} as const satisfies Record<string, Spec>;

function ignored<K extends "flag" | "number" | "size" | "offset">(kind: K) {
  return { module, in: everywhere, kind, store: "none", about: "accepted, no effect" } as const;
}

function readPass(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const pass = c.text(word.text, word);
  if (pass === undefined) return;
  let group = -1;
  if (typeof pass === "string") {
    const m = /^(https?):\/\/(unix:[^:]+|[^/?]*):?(.*)$/is.exec(pass);
    if (!m) return c.problems.add(word, "invalid URL prefix");
    if (m[1]!.toLowerCase() === "https") return c.problems.add(word, "https protocol requires SSL support");
    const uri = /^http:\/\/(?:unix:[^:]+:?|[^/?]*)(.*)$/is.exec(pass)![1]!;
    const isWhole = level.isNamed || level.aliasSize === aliasWhole;
    if (uri !== "" && (isWhole || level.context === "if" || level.context === "limit_except"))
      return c.problems.add(
        word,
        '"proxy_pass" cannot have URI part in location given by regular expression, or inside named location, or inside "if" statement, or inside "limit_except" block',
      );
    if (m[2] === "") return c.problems.add(word, `no host in upstream "${pass.slice(7)}"`);
    group = groupOf(c, word, m[2]!);
  }
  addPass(c, d, level, { kind: 0, pass, group });
}

function readBuffers(c: Compiler, d: Directive, level: Level): void {
  const [count, size] = d.args;
  const bytes = c.size(size!);
  if (!/^[1-9]\d{0,5}$/.test(count!.text) || !bytes) return c.problems.add(d, `"${d.name}" directive invalid value`);
  if (count!.text === "1") return c.problems.add(d, `there must be at least 2 "${d.name}"`);
  level.upstream["buffers_n"] = Number(count!.text);
  level.upstream["buffers_size"] = bytes;
}

function readNext(c: Compiler, d: Directive, level: Level): void {
  const bits = readFailures(c, d);
  if (bits !== undefined) level.upstream["next_upstream"] = bits;
}

function readBind(c: Compiler, d: Directive, level: Level): void {
  const [address, how] = d.args;
  if (how && how.text !== "transparent") return c.problems.add(how, `invalid parameter "${how.text}"`);
  const text = readBindAddress(c, address!);
  if (text === undefined) return;
  level.upstream["bind"] = text;
  level.upstream["bind_transparent"] = how !== undefined;
}

function readRate(c: Compiler, d: Directive, level: Level): void {
  const text = c.text(d.args[0]!.text, d.args[0]!);
  if (typeof text === "string" && parseSize(text) === undefined)
    return c.problems.add(d, `"${d.name}" directive invalid value`);
  if (text !== undefined) level.upstream["limit_rate"] = text === "0" ? "" : text;
}

function readStore(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const isWord = word.text === "off" || word.text === "on";
  const path = isWord ? "" : c.text(word.text, word);
  if (path === undefined) return;
  if (word.text !== "off" && level.own.has("proxy_cache"))
    return c.problems.add(d, '"proxy_store" directive is incompatible with "proxy_cache"');
  if (word.text !== "off") level.own.set("proxy_store", d.name);
  if (word.text !== "off") level.upstream["has_cache"] = false;
  level.upstream["store"] = word.text === "off" ? 0 : word.text === "on" ? 1 : 2;
  level.upstream["store_path"] = path;
}

function readStoreAccess(c: Compiler, d: Directive, level: Level): void {
  const rights = accessOf(c, d);
  if (rights !== undefined) level.upstream["store_access"] = rights;
}

function readSetBody(c: Compiler, d: Directive, level: Level): void {
  const text = c.text(d.args[0]!.text, d.args[0]!);
  if (text === undefined) return;
  level.upstream["has_body"] = true;
  level.upstream["body"] = text;
}

function readSetHeader(c: Compiler, d: Directive, level: Level): void {
  const value = c.text(d.args[1]!.text, d.args[1]!);
  if (value !== undefined) pushSetting(level, "set_headers", { name: d.args[0]!.text, value });
}

function readNames(_c: Compiler, d: Directive, level: Level): void {
  pushSetting(level, d.name === "proxy_hide_header" ? "hide_headers" : "pass_headers", d.args[0]!.text.toLowerCase());
}

function readIgnore(c: Compiler, d: Directive, level: Level): void {
  const member = "upstream.ignore_headers";
  let bits = level.own.has(member) ? (level.upstream["ignore_headers"] as number) : 0;
  for (const word of d.args) {
    const bit = Object.entries(ignorable).find(([name]) => name.toLowerCase() === word.text.toLowerCase())?.[1];
    if (bit === undefined) return c.problems.add(word, `invalid value "${word.text}"`);
    bits |= bit;
  }
  level.own.set(member, member);
  level.upstream["ignore_headers"] = bits;
}
