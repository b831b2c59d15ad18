// SPDX-License-Identifier: MIT
// Directives of the drizzle and rds_json modules: a location that answers with what a query to MySQL brings. Its content handler is
// Lua, moonwire.drizzle; the settings go to it as a JSON text in the chunk that is made here. They stand beside the proxy's
// (Level.upstream) by their own names.
import type { Compiler, Level } from "../compile.js";
import { phases, posOf, type ComplexValue, type Script } from "../plan.js";
import { everywhere, typed, type Spec } from "../spec.js";
import type { Directive, Word } from "../tree.js";

const module = "drizzle";
const store = "upstream";

export const drizzle = {
  drizzle_pass: {
    module,
    in: ["location"],
    kind: "own",
    store: "none",
    read: readPass,
    type: typed<string>(),
    about: "the MySQL servers that answer: the name of an `upstream` with `drizzle_server`, which may have variables",
  },
  drizzle_query: {
    module,
    in: everywhere,
    kind: "complex",
    store,
    initial: "",
    about: "the query, one statement; variables in it are to be quoted, by `set_quote_sql_str` for example",
  },
  drizzle_connect_timeout: time("longest wait for a connection, login included"),
  drizzle_send_query_timeout: time("longest wait for the query to be sent and its result to begin"),
  drizzle_recv_cols_timeout: time("longest wait between two reads of the columns of a result"),
  drizzle_recv_rows_timeout: time("longest wait between two reads of the rows of a result"),
  drizzle_buffer_size: {
    module,
    in: everywhere,
    kind: "size",
    store,
    default: "4k",
    about: "about how much of a result is written at once",
  },
  drizzle_module_header: {
    module,
    in: everywhere,
    kind: "flag",
    store,
    default: "on",
    about: "the response has `X-Resty-DBD-Module`",
  },
  rds_json: flag("results become JSON; off: a Resty DBD Stream"),
  rds_json_format: {
    module: "rds_json",
    in: everywhere,
    kind: "enum",
    values: { normal: false, compact: true },
    store,
    default: "normal",
    type: typed<"normal" | "compact">(),
    about: "rows are objects; `compact`: arrays, behind one of the columns' names",
  },
  rds_json_root: key("", "name of the rows in an object around them"),
  rds_json_success_property: key("", "name of a property of that object that is `true`"),
  rds_json_user_property: {
    module: "rds_json",
    in: everywhere,
    kind: "own",
    args: [2, 2],
    form: "map",
    repeat: true,
    store,
    initial: [],
    read: readProperty,
    type: typed<{ readonly [name: string]: string | number }>(),
    about: "a property of that object and its text, which may have variables",
  },
  rds_json_errcode_key: key("errcode", "name of the error code in what is answered to a statement without rows"),
  rds_json_errstr_key: key("errstr", "name of the server's text in that"),
  rds_json_content_type: key("application/json", "Content-Type of JSON results"),
  rds_json_buffer_size: {
    module: "rds_json",
    in: everywhere,
    kind: "size",
    store: "none",
    about: "accepted, no effect",
  },
} as const satisfies Record<string, Spec>;

function time(about: string) {
  return { module, in: everywhere, kind: "time", store, default: "60s", about } as const;
}

function flag(about: string) {
  return { module: "rds_json", in: everywhere, kind: "flag", store, default: "off", about } as const;
}

function key(initial: string, about: string) {
  return { module: "rds_json", in: everywhere, kind: "string", store, default: initial, about } as const;
}

/** An upstream block with `drizzle_server`. */
export interface DrizzleUpstream {
  servers: Record<string, string | number>[];
  max: number;
  mode: string;
  overflow: string;
}

/** `drizzle_server ADDRESS [dbname= user= password= charset= protocol=]`, in an upstream block. */
export function readServer(c: Compiler, d: Directive, upstream: DrizzleUpstream): void {
  const [address, ...params] = d.args;
  if (!address) return c.problems.add(d, 'invalid number of arguments in "drizzle_server" directive');
  const m = /^(?:unix:(.+)|(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?)$/.exec(address.text);
  if (!m || Number(m[3] ?? 1) > 65_535) return c.problems.add(address, `invalid upstream "${address.text}"`);
  const server: DrizzleUpstream["servers"][number] =
    m[1] === undefined ? { host: m[2]!, port: Number(m[3] ?? 3306) } : { path: m[1] };
  for (const word of params) {
    const [, name, value] = /^(dbname|user|password|charset|protocol)=(.*)$/s.exec(word.text) ?? [];
    if (name === undefined)
      return c.problems.add(word, `drizzle: invalid parameter "${word.text}" in "drizzle_server"`);
    if (name !== "protocol") server[name] = value!;
    else if (value !== "mysql") return c.problems.add(word, `drizzle: protocol "${value}" is not supported`);
  }
  upstream.servers.push(server);
}

/** `drizzle_keepalive [max=N] [mode=single|multi] [overflow=ignore|reject]`, in an upstream block. */
export function readKeepalive(c: Compiler, d: Directive, upstream: DrizzleUpstream): void {
  for (const word of d.args) {
    const [, name, value] = /^(?:(max)=(\d{1,6})|(mode)=(single|multi)|(overflow)=(ignore|reject))$/
      .exec(word.text)
      ?.filter((part) => part !== undefined) ?? [undefined];
    if (name === "max") upstream.max = Number(value);
    else if (name === "mode" || name === "overflow") upstream[name] = value!;
    else return c.problems.add(word, `drizzle: invalid parameter "${word.text}" in "drizzle_keepalive"`);
  }
}

/** What moonwire.drizzle makes texts of: variables by name instead of by index. */
function named(c: Compiler, text: ComplexValue): unknown[] {
  const parts = typeof text === "string" ? [text] : text;
  return parts.map((part) => {
    if (typeof part === "string") return part;
    const { var: index, capture } = part as { var: number; capture: number };
    return index >= 0 ? { var: c.plan.variables[index] } : { capture };
  });
}

function readProperty(c: Compiler, d: Directive, level: Level): void {
  const [name, value] = d.args as [Word, Word];
  const text = c.text(value.text, value);
  if (text === undefined) return;
  const member = "rds_json_user_property";
  const before = level.own.has(member) ? (level.upstream[member] as unknown[]) : [];
  level.own.set(member, member);
  level.upstream[member] = [...before, [name.text, named(c, text)]];
}

function readPass(c: Compiler, d: Directive, level: Level): void {
  const word = d.args[0]!;
  const pass = c.text(word.text, word);
  if (pass === undefined) return;
  c.declareUnset("drizzle_thread_id", word);
  const pos = posOf(d);
  const script: Script = { chunkname: "=drizzle_pass", source: "", path: "", is_file: false, is_set: false, pos };
  level.conf.scripts[phases.indexOf("content")] = c.plan.scripts.push(script) - 1;
  let settings: Record<string, unknown>;
  level.atEnd.push(() => (settings = settingsOf(c, level.upstream, pass)));
  c.drizzlePasses.push(() => {
    const upstreams = upstreamsFor(c, word, pass);
    if (upstreams) script.source = `return require("moonwire.drizzle")(${quote({ ...settings, upstreams })})`;
  });
}

/** A value as a Lua string of JSON: the escapes of a JSON text, written as one once more, are all that Lua knows. */
function quote(value: unknown): string {
  return JSON.stringify(JSON.stringify(value));
}

function settingsOf(c: Compiler, from: Level["upstream"], pass: ComplexValue) {
  return {
    pass: named(c, pass),
    query: named(c, from["drizzle_query"] as ComplexValue),
    connect_timeout: from["drizzle_connect_timeout"],
    send_query_timeout: from["drizzle_send_query_timeout"],
    recv_cols_timeout: from["drizzle_recv_cols_timeout"],
    recv_rows_timeout: from["drizzle_recv_rows_timeout"],
    buffer_size: from["drizzle_buffer_size"],
    module_header: from["drizzle_module_header"],
    json:
      from["rds_json"] !== true
        ? null
        : {
            is_compact: from["rds_json_format"],
            content_type: from["rds_json_content_type"],
            root: from["rds_json_root"],
            success: from["rds_json_success_property"],
            properties: from["rds_json_user_property"],
            errcode: from["rds_json_errcode_key"],
            errstr: from["rds_json_errstr_key"],
          },
  };
}

// All of them where a variable says which.
function upstreamsFor(c: Compiler, word: Word, pass: ComplexValue): Record<string, DrizzleUpstream> | undefined {
  if (typeof pass !== "string") return Object.fromEntries(c.drizzleUpstreams);
  const upstream = c.drizzleUpstreams.get(pass);
  if (upstream) return { [pass]: upstream };
  c.problems.add(word, `no upstream "${pass}" with "drizzle_server"`);
  return undefined;
}
