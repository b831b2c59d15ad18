// SPDX-License-Identifier: MIT
// Directives of lua-nginx-module. A Lua directive stands for its three forms: NAME, NAME_block and NAME_file.
import type { Compiler, Level } from "../compile.js";
import type { LuaFile, LuaSource } from "../define.js";
import { readScript } from "../script.js";
import { everywhere, everywhereAndStream, many, typed, type Spec } from "../spec.js";
import type { Directive } from "../tree.js";
import { addOp, opKind, targetOf } from "./rewrite.js";
import { parseSize } from "../words.js";

const module = "lua";

export const lua = {
  init_by_lua: {
    module,
    in: ["http"],
    kind: "script",
    member: "init_script",
    initial: -1,
    about: "runs once when the configuration is loaded, before the workers",
  },
  init_worker_by_lua: {
    module,
    in: ["http"],
    kind: "script",
    member: "init_worker_script",
    initial: -1,
    about: "runs when a worker starts",
  },
  exit_worker_by_lua: {
    module,
    in: ["http"],
    kind: "script",
    member: "exit_worker_script",
    initial: -1,
    about: "runs when a worker ends",
  },
  set_by_lua: {
    module,
    in: ["server", "location", "if", "server_if"],
    kind: "script",
    args: [2, many],
    form: "map",
    blockArgs: 1,
    repeat: true,
    store: "none",
    isRewrite: true,
    read: readSetByLua,
    type: typed<{ readonly [variable: `$${string}`]: string | LuaSource | LuaFile }>(),
    about: "sets a variable to what the code returns, in the order of the file with the other rewrite directives",
  },
  server_rewrite_by_lua: {
    module,
    in: ["http", "server"],
    kind: "script",
    store: "location",
    about: "the server_rewrite phase",
  },
  rewrite_by_lua: { module, in: everywhere, kind: "script", about: "the rewrite phase, after `set` and `return`" },
  access_by_lua: { module, in: everywhere, kind: "script", about: "the access phase" },
  precontent_by_lua: { module, in: everywhere, kind: "script", about: "the precontent phase, after `try_files`" },
  content_by_lua: {
    module,
    in: ["location", "stream_server"],
    kind: "script",
    store: "location",
    merge: "none",
    about: "makes the response; in a stream server it has the connection",
  },
  header_filter_by_lua: { module, in: everywhere, kind: "script", about: "sees and changes the response header" },
  body_filter_by_lua: {
    module,
    in: everywhere,
    kind: "script",
    about: "sees and changes the response body, piece by piece",
  },
  log_by_lua: { module, in: everywhereAndStream, kind: "script", about: "runs after the response" },

  lua_shared_dict: {
    module,
    in: ["http"],
    kind: "own",
    args: [2, 2],
    form: "map",
    repeat: true,
    member: "shared_dicts",
    initial: [],
    read: readSharedDict,
    type: typed<{ readonly [name: string]: number | string }>(),
    about: "a dictionary that all workers share, by name and size",
  },
  lua_package_path: {
    module,
    in: ["http"],
    kind: "string",
    default: "",
    about: "where Lua modules are looked for; `;;` stands for the default",
  },
  lua_package_cpath: {
    module,
    in: ["http"],
    kind: "string",
    default: "",
    about: "where Lua C modules are looked for; `;;` stands for the default",
  },
  lua_init_timeout: {
    module,
    in: ["http"],
    kind: "time",
    default: "60s",
    about: "longest wait of a start for init_by_lua and init_worker_by_lua, which may use cosockets; 0 is for ever",
  },
  lua_code_cache: {
    module,
    in: everywhere,
    kind: "flag",
    default: "on",
    alert: (on) => (on ? undefined : "lua_code_cache is off; this will hurt performance"),
    about: "off: each request loads its Lua anew, modules too, and finds no globals of earlier ones",
  },
  lua_need_request_body: {
    module,
    in: everywhere,
    kind: "flag",
    default: "off",
    about: "reads the request body before Lua runs",
  },
  lua_use_default_type: {
    module,
    in: everywhere,
    kind: "flag",
    default: "on",
    about: "`default_type` holds for responses made by Lua",
  },
  lua_http10_buffering: {
    module,
    in: everywhere,
    kind: "flag",
    default: "on",
    about: "holds HTTP/1.0 responses back to give Content-Length",
  },
  lua_handler_timeout: {
    module,
    in: everywhere,
    kind: "time",
    default: "60s",
    about:
      "longest time that Lua may run without waiting or ending; then it gets an error and its request a 500; 0 is no limit",
  },
  lua_check_client_abort: {
    module,
    in: everywhereAndStream,
    kind: "flag",
    default: "off",
    about: "notices a client that closes the connection early",
  },
  lua_transform_underscores_in_response_headers: {
    module,
    in: everywhere,
    kind: "flag",
    member: "lua_transform_underscores",
    default: "on",
    about: "`_` in the keys of ngx.header is `-`",
  },
  lua_max_pending_timers: {
    module,
    in: ["http"],
    kind: "number",
    default: "1024",
    about: "most timers of a worker that wait",
  },
  lua_max_running_timers: {
    module,
    in: ["http"],
    kind: "number",
    default: "256",
    about: "most timers of a worker that run",
  },
  lua_regex_cache_max_entries: {
    module,
    in: ["http"],
    kind: "number",
    default: "1024",
    about: "compiled patterns that a worker keeps",
  },
  lua_regex_match_limit: {
    module,
    in: ["http"],
    kind: "number",
    default: "0",
    about: "PCRE2's match limit; 0 is its own",
  },
  lua_thread_cache_max_entries: {
    module,
    in: ["http"],
    kind: "number",
    default: "1024",
    about: "finished coroutines kept for reuse",
  },
  lua_vm_memory_limit: {
    module,
    in: ["http"],
    kind: "size",
    default: "0",
    about: "most memory of a worker's Lua VM; what allocates past it gets the error `not enough memory`; 0 is no limit",
  },
  lua_fault_containment: {
    module,
    in: ["http"],
    kind: "flag",
    default: "on",
    about:
      "a fault in Lua's machine code or in a function called through FFI ends its Lua VM, not the process, where it can be trusted",
  },
  lua_malloc_trim: {
    module,
    in: ["http"],
    kind: "number",
    default: "0",
    about: "returns free memory of the C library to the system every so many requests of a worker; 0 is never",
  },
  lua_capture_error_log: {
    module,
    in: ["http"],
    kind: "size",
    default: "0",
    about: "memory for error log lines that Lua reads; 0 is off",
  },
  rewrite_by_lua_no_postpone: {
    module,
    in: ["http"],
    kind: "flag",
    store: "location",
    default: "off",
    about: "rewrite_by_lua before the other rewrite directives",
  },
  access_by_lua_no_postpone: {
    module,
    in: ["http"],
    kind: "flag",
    store: "location",
    default: "off",
    about: "access_by_lua before the other access checks",
  },
  precontent_by_lua_no_postpone: {
    module,
    in: ["http"],
    kind: "flag",
    store: "location",
    default: "off",
    about: "precontent_by_lua before `try_files`",
  },
  lua_strict_phases: {
    module: "moonwire",
    in: ["main", "http"],
    kind: "flag",
    default: "off",
    about: "refuses in each phase what OpenResty refuses there",
  },

  lua_load_resty_core: {
    module,
    in: ["http"],
    kind: "own",
    store: "none",
    read: (c, d) =>
      c.problems.warn(
        d,
        "lua_load_resty_core is deprecated (the lua-resty-core library is required since ngx_lua v0.10.16)",
      ),
    type: typed<boolean>(),
    about: "accepted with a warning: resty.core is always there",
  },
  lua_sa_restart: { ...ignored("flag"), in: ["http"], about: "accepted, no effect" },
  lua_worker_thread_vm_pool_size: { ...ignored("number"), in: ["http"], about: "accepted, no effect yet" },
  lua_socket_send_lowat: { ...ignored("size"), about: "accepted, no effect" },
} as const satisfies Record<string, Spec>;

function ignored<K extends "flag" | "number" | "size" | "time">(kind: K) {
  return { module: "lua", in: everywhere, kind, store: "none" } as const;
}

function readSharedDict(c: Compiler, d: Directive): void {
  const [name, size] = d.args;
  if (name!.text === "") return c.problems.add(name!, 'invalid lua shared dict name ""');
  const bytes = parseSize(size!.text, true);
  if (bytes === undefined || bytes < 8191) return c.problems.add(size!, `invalid lua shared dict size "${size!.text}"`);
  if (c.plan.shared_dicts.some((s) => s.name === name!.text))
    return c.problems.add(name!, `lua_shared_dict "${name!.text}" is already defined as "${name!.text}"`);
  c.plan.shared_dicts.push({ name: name!.text, size: bytes });
}

function readSetByLua(c: Compiler, d: Directive, level: Level): void {
  const [name, ...rest] = d.args;
  const index = targetOf(c, name!);
  const script = readScript(c, { ...d, args: rest }, "set_by_lua");
  const inputs = (d.lua === undefined ? rest.slice(1) : []).map((w) => c.text(w.text, w) ?? "");
  if (index === undefined || !script) return;
  addOp(level, { kind: opKind.lua, var: index, script: c.plan.scripts.push(script) - 1, inputs });
}
