// SPDX-License-Identifier: MIT
// The Lua API as a table: what each entry is, a call that proves it, and the phases that allow it. matrix.test.js runs every
// call in every phase; scripts/docs.mjs writes docs/lua-api.md from it. An entry:
//   name, call   the entry and Lua code that throws unless it works
//   where        the phases that allow it: "any" (the default), "request" (where there is a request), "output" (where a
//                response can be begun), or a list
//   ends         the call ends the handler where it works
//   refused      phase to message, where it is not the usual refusal
//   beyond       phases where lua-nginx-module refuses the call and Moonwire does not, told in the document
//   since        a lua-nginx-module newer than Debian's has it first
//   note         one sentence for the document

/** Every phase, in the order in which a worker and a request pass them. */
export const phases = [
  "init",
  "init_worker",
  "server_rewrite",
  "rewrite",
  "access",
  "precontent",
  "content",
  "header_filter",
  "body_filter",
  "log",
  "timer",
  "exit_worker",
];

const request = phases.slice(2, 10);
const output = phases.slice(2, 7);
const named = { any: phases, request, output };

/** The phases that allow an entry. */
export function allowed({ where = "any" }) {
  return Array.isArray(where) ? where : named[where];
}

/** What the entry says in a phase: "ok", "ended", or its refusal. */
export function expected(entry, phase) {
  if (allowed(entry).includes(phase)) return entry.ends ? "ended" : "ok";
  if (entry.refused?.[phase]) return entry.refused[phase];
  if (phase === "init") return "no request found";
  if (entry.where === "request" && !request.includes(phase)) return "API disabled in the current context";
  return `API disabled in the context of ${phase === "timer" ? "ngx.timer" : `${phase}_by_lua*`}`;
}

/** Constants with their values; each is checked in every phase. */
const constants = {
  Core: { OK: 0, ERROR: -1, AGAIN: -2, DONE: -4, DECLINED: -5 },
  "HTTP methods": {
    HTTP_GET: 2,
    HTTP_HEAD: 4,
    HTTP_POST: 8,
    HTTP_PUT: 16,
    HTTP_DELETE: 32,
    HTTP_MKCOL: 64,
    HTTP_COPY: 128,
    HTTP_MOVE: 256,
    HTTP_OPTIONS: 512,
    HTTP_PROPFIND: 1024,
    HTTP_PROPPATCH: 2048,
    HTTP_LOCK: 4096,
    HTTP_UNLOCK: 8192,
    HTTP_PATCH: 16384,
    HTTP_TRACE: 32768,
  },
  "HTTP statuses": {
    HTTP_CONTINUE: 100,
    HTTP_SWITCHING_PROTOCOLS: 101,
    HTTP_OK: 200,
    HTTP_CREATED: 201,
    HTTP_ACCEPTED: 202,
    HTTP_NO_CONTENT: 204,
    HTTP_PARTIAL_CONTENT: 206,
    HTTP_SPECIAL_RESPONSE: 300,
    HTTP_MOVED_PERMANENTLY: 301,
    HTTP_MOVED_TEMPORARILY: 302,
    HTTP_SEE_OTHER: 303,
    HTTP_NOT_MODIFIED: 304,
    HTTP_TEMPORARY_REDIRECT: 307,
    HTTP_PERMANENT_REDIRECT: 308,
    HTTP_BAD_REQUEST: 400,
    HTTP_UNAUTHORIZED: 401,
    HTTP_PAYMENT_REQUIRED: 402,
    HTTP_FORBIDDEN: 403,
    HTTP_NOT_FOUND: 404,
    HTTP_NOT_ALLOWED: 405,
    HTTP_NOT_ACCEPTABLE: 406,
    HTTP_REQUEST_TIMEOUT: 408,
    HTTP_CONFLICT: 409,
    HTTP_GONE: 410,
    HTTP_UPGRADE_REQUIRED: 426,
    HTTP_TOO_MANY_REQUESTS: 429,
    HTTP_CLOSE: 444,
    HTTP_ILLEGAL: 451,
    HTTP_INTERNAL_SERVER_ERROR: 500,
    HTTP_NOT_IMPLEMENTED: 501,
    HTTP_METHOD_NOT_IMPLEMENTED: 501,
    HTTP_BAD_GATEWAY: 502,
    HTTP_SERVICE_UNAVAILABLE: 503,
    HTTP_GATEWAY_TIMEOUT: 504,
    HTTP_VERSION_NOT_SUPPORTED: 505,
    HTTP_INSUFFICIENT_STORAGE: 507,
  },
  "Log levels": { STDERR: 0, EMERG: 1, ALERT: 2, CRIT: 3, ERR: 4, WARN: 5, NOTICE: 6, INFO: 7, DEBUG: 8 },
};

const dict = "local d = ngx.shared.d";
const waits = "waits in every phase";
const everywhere = ["init", "init_worker", "header_filter", "body_filter", "log", "exit_worker"];
const readBody = `if phase:find("rewrite") or phase == "access" or phase:find("content") then ngx.req.read_body() end`;
const plain = Object.fromEntries(phases.slice(1).map((phase) => [phase, "API disabled in the current context"]));

/** Title to entries. */
export const groups = {
  ...Object.fromEntries(
    Object.entries(constants).map(([title, values]) => [
      `Constants: ${title}`,
      Object.entries(values).map(([name, value]) => ({
        name: `ngx.${name}`,
        value,
        call: `assert(ngx.${name} == ${value})`,
      })),
    ]),
  ),
  "Constants: null": [{ name: "ngx.null", call: `assert(ngx.null == require("cjson").null and tostring(ngx.null))` }],
  Log: [
    { name: "print", call: `print("a", 1, nil, true)` },
    { name: "ngx.log", call: `ngx.log(ngx.INFO, "a", 1, nil, true)` },
  ],
  "Request and response": [
    {
      name: "ngx.arg",
      call: `assert(type(ngx.arg[1]) == "string" and type(ngx.arg[2]) == "boolean") ngx.arg[1] = ngx.arg[1]`,
      where: ["body_filter"],
      refused: plain,
      note: "`set_by_lua*` comes later.",
    },
    {
      name: "ngx.var.VARIABLE",
      call: `assert(ngx.var.request_method == "POST" and ngx.var.nothing == nil) ngx.var.own = "x" assert(ngx.var.own == "x")`,
      where: "request",
    },
    { name: "ngx.ctx", call: `ngx.ctx.x = 1 assert(ngx.ctx.x == 1)`, beyond: ["init"] },
    { name: "ngx.status", call: `assert(type(ngx.status) == "number")`, where: "request" },
    { name: "ngx.header.HEADER", call: `ngx.header["X-A"] = "b" local _ = ngx.header["X-A"]`, where: "request" },
    { name: "ngx.resp.get_headers", call: `assert(type(ngx.resp.get_headers()) == "table")`, where: "request" },
    { name: "ngx.headers_sent", call: `assert(type(ngx.headers_sent) == "boolean")`, where: "request" },
    { name: "ngx.is_subrequest", call: `assert(ngx.is_subrequest == false)`, where: "request" },
    { name: "ngx.get_phase", call: `assert(ngx.get_phase() == phase)` },
    { name: "ngx.req.is_internal", call: `assert(ngx.req.is_internal() == false)`, where: "request" },
    { name: "ngx.req.start_time", call: `assert(ngx.req.start_time() > 1e9)`, where: "request" },
    { name: "ngx.req.http_version", call: `assert(ngx.req.http_version() == 1.1)`, where: "request" },
    { name: "ngx.req.raw_header", call: `assert(ngx.req.raw_header():find("^POST "))`, where: "request" },
    { name: "ngx.req.get_method", call: `assert(ngx.req.get_method() == "POST")`, where: "request" },
    {
      name: "ngx.req.set_method",
      call: `ngx.req.set_method(ngx.HTTP_PUT) assert(ngx.req.get_method() == "PUT")`,
      where: "request",
    },
    {
      name: "ngx.req.set_uri",
      call: `ngx.req.set_uri("/changed") assert(ngx.var.uri == "/changed")`,
      where: "request",
    },
    {
      name: "ngx.req.set_uri(uri, true)",
      call: `ngx.req.set_uri("/end", true)`,
      where: ["server_rewrite", "rewrite"],
      ends: true,
      refused: { init_worker: plain.init_worker, timer: plain.timer, exit_worker: plain.exit_worker },
      note: "The jump to another location is for the rewrite phases alone.",
    },
    {
      name: "ngx.req.set_uri_args",
      call: `ngx.req.set_uri_args({ a = 1 }) assert(ngx.var.args == "a=1")`,
      where: "request",
    },
    { name: "ngx.req.get_uri_args", call: `assert(ngx.req.get_uri_args().i)`, where: "request" },
    { name: "ngx.req.get_headers", call: `assert(ngx.req.get_headers().host)`, where: "request" },
    {
      name: "ngx.req.set_header",
      call: `ngx.req.set_header("X-B", "c") assert(ngx.var.http_x_b == "c")`,
      where: "request",
    },
    {
      name: "ngx.req.clear_header",
      call: `ngx.req.clear_header("X-B") assert(ngx.var.http_x_b == nil)`,
      where: "request",
    },
  ],
  "Request body": [
    { name: "ngx.req.read_body", call: `ngx.req.read_body()`, where: "output" },
    { name: "ngx.req.discard_body", call: `ngx.req.discard_body()`, where: "request" },
    {
      name: "ngx.req.get_post_args",
      call: `${readBody} assert(ngx.req.get_post_args().a == "1")`,
      where: "request",
    },
    { name: "ngx.req.get_body_data", call: `${readBody} assert(ngx.req.get_body_data() == "a=1")`, where: "request" },
    { name: "ngx.req.get_body_file", call: `assert(ngx.req.get_body_file() == nil)`, where: "request" },
    {
      name: "ngx.req.set_body_data",
      call: `${readBody} ngx.req.set_body_data("b=22") assert(ngx.req.get_body_data() == "b=22")`,
      where: "request",
    },
    {
      name: "ngx.req.set_body_file",
      call: `${readBody} local path = ngx.config.prefix() .. "body.txt" ngx.req.set_body_file(path)
             assert(ngx.req.get_body_file() == path)`,
      where: "request",
    },
    {
      name: "ngx.req.init_body",
      call: `${readBody} ngx.req.init_body() ngx.req.finish_body() assert(ngx.var.http_content_length == "0")`,
      where: "request",
    },
    {
      name: "ngx.req.append_body",
      call: `${readBody} ngx.req.init_body() ngx.req.append_body("x") ngx.req.finish_body()`,
      where: "request",
    },
    {
      name: "ngx.req.finish_body",
      call: `${readBody} ngx.req.init_body(100) ngx.req.append_body("xyz") ngx.req.finish_body()
             assert(ngx.req.get_body_data() == "xyz")`,
      where: "request",
    },
  ],
  "Flow and output": [
    { name: "ngx.exec", call: `ngx.exec("/end")`, where: "output", ends: true },
    { name: "ngx.redirect", call: `ngx.redirect("/end")`, where: "output", ends: true },
    {
      name: "ngx.location.capture",
      call: `assert(ngx.location.capture("/end").status == 200)`,
      where: "output",
    },
    {
      name: "ngx.location.capture_multi",
      call: `local a, b = ngx.location.capture_multi({ { "/end" }, { "/end" } }) assert(a.body == b.body)`,
      where: "output",
    },
    {
      name: "ngx.exit",
      call: `ngx.exit(ngx.OK)`,
      where: [...output, "header_filter", "timer"],
      ends: true,
      refused: { init: "API disabled in the context of init_by_lua*" },
    },
    { name: "ngx.send_headers", call: `assert(ngx.send_headers())`, where: "output" },
    { name: "ngx.print", call: `assert(ngx.print("a", 1, { true, "b" }))`, where: "output" },
    { name: "ngx.say", call: `assert(ngx.say("a", nil, { 1, { 2 } }))`, where: "output" },
    { name: "ngx.flush", call: `ngx.print("a") assert(ngx.flush(true))`, where: "output" },
    { name: "ngx.eof", call: `assert(ngx.eof())`, where: "output" },
    {
      name: "ngx.sleep",
      call: `local t = ngx.now() ngx.sleep(0.003) ngx.update_time() assert(ngx.now() > t)`,
      beyond: everywhere,
      note: waits,
    },
  ],
  "Encoding and digests": [
    { name: "ngx.escape_uri", call: `assert(ngx.escape_uri("a b/") == "a%20b%2F")` },
    { name: "ngx.unescape_uri", call: `assert(ngx.unescape_uri("a%20b+c") == "a b c")` },
    { name: "ngx.encode_args", call: `assert(ngx.encode_args({ a = "b c" }) == "a=b%20c")` },
    { name: "ngx.decode_args", call: `assert(ngx.decode_args("a=b%20c").a == "b c")` },
    { name: "ngx.encode_base64", call: `assert(ngx.encode_base64("ab") == "YWI=")` },
    { name: "ngx.decode_base64", call: `assert(ngx.decode_base64("YWI=") == "ab")` },
    { name: "ngx.decode_base64mime", since: "0.10.25", call: `assert(ngx.decode_base64mime("YW\\r\\nI=") == "ab")` },
    { name: "ngx.crc32_short", call: `assert(ngx.crc32_short("hello") == 907060870)` },
    { name: "ngx.crc32_long", call: `assert(ngx.crc32_long("hello") == 907060870)` },
    {
      name: "ngx.hmac_sha1",
      call: `assert(ngx.encode_base64(ngx.hmac_sha1("key", "text")) == "Np4pWetJRQM4shJ0j3fY3tdIR7s=")`,
    },
    { name: "ngx.md5", call: `assert(ngx.md5("hello") == "5d41402abc4b2a76b9719d911017c592")` },
    { name: "ngx.md5_bin", call: `assert(#ngx.md5_bin("hello") == 16)` },
    {
      name: "ngx.sha1_bin",
      call: `assert(ngx.encode_base64(ngx.sha1_bin("hello")) == "qvTGHdzF6KLavt4PO0gs2a6pQ00=")`,
    },
    {
      name: "ndk.set_var",
      call: `assert(ndk.set_var.set_escape_uri(" ") == "%20")`,
      note: "the directives of Set misc that take one text",
    },
    { name: "ngx.quote_sql_str", call: `assert(ngx.quote_sql_str("a'b") == "'a\\\\'b'")` },
  ],
  Time: [
    { name: "ngx.today", call: `assert(ngx.today():find("^%d+%-%d%d%-%d%d$"))` },
    { name: "ngx.time", call: `assert(ngx.time() > 1e9)` },
    { name: "ngx.now", call: `assert(ngx.now() > 1e9)` },
    { name: "ngx.update_time", call: `ngx.update_time()` },
    { name: "ngx.localtime", call: `assert(#ngx.localtime() == 19)` },
    { name: "ngx.utctime", call: `assert(#ngx.utctime() == 19)` },
    { name: "ngx.cookie_time", call: `assert(ngx.cookie_time(1547178847) == "Fri, 11-Jan-19 03:54:07 GMT")` },
    { name: "ngx.http_time", call: `assert(ngx.http_time(1547178847) == "Fri, 11 Jan 2019 03:54:07 GMT")` },
    { name: "ngx.parse_http_time", call: `assert(ngx.parse_http_time("Fri, 11 Jan 2019 03:54:07 GMT") == 1547178847)` },
  ],
  "Regular expressions": [
    {
      name: "ngx.re.match",
      call: `assert(ngx.re.match("a12", "([0-9])(?<two>2)", "jo").two == "2")`,
    },
    { name: "ngx.re.find", call: `assert(ngx.re.find("a12", "[0-9]+", "jo") == 2)` },
    { name: "ngx.re.gmatch", call: `assert(ngx.re.gmatch("a12", "[0-9]", "jo")()[0] == "1")` },
    { name: "ngx.re.sub", call: `assert(ngx.re.sub("a12", "[0-9]", "<$0>", "jo") == "a<1>2")` },
    { name: "ngx.re.gsub", call: `assert(ngx.re.gsub("a12", "[0-9]", "x", "jo") == "axx")` },
    { name: "ngx.re.split", call: `assert(#require("ngx.re").split("a,b", ",") == 2)`, note: 'of `require "ngx.re"`' },
    {
      name: "ngx.re.opt",
      call: `local ok, err = pcall(require("ngx.re").opt, "jit_stack_size", 131072)
             assert(ok or err:find("already been compiled"))`,
      note: 'of `require "ngx.re"`',
    },
  ],
  "Shared dictionaries": [
    { name: "ngx.shared.DICT", call: `assert(ngx.shared.d and not ngx.shared.other)` },
    { name: "ngx.shared.DICT.get", call: `${dict} d:set("g", 1) assert(d:get("g") == 1)` },
    { name: "ngx.shared.DICT.get_stale", call: `${dict} d:set("g", 1) assert(d:get_stale("g") == 1)` },
    { name: "ngx.shared.DICT.set", call: `${dict} assert(d:set("s", "x", 10, 3))` },
    { name: "ngx.shared.DICT.safe_set", call: `${dict} assert(d:safe_set("s", "x"))` },
    { name: "ngx.shared.DICT.add", call: `${dict} d:delete("a") assert(d:add("a", true))` },
    { name: "ngx.shared.DICT.safe_add", call: `${dict} d:delete("a") assert(d:safe_add("a", true))` },
    { name: "ngx.shared.DICT.replace", call: `${dict} d:set("r", 1) assert(d:replace("r", 2))` },
    { name: "ngx.shared.DICT.delete", call: `${dict} d:delete("x")` },
    { name: "ngx.shared.DICT.incr", call: `${dict} assert(d:incr("i", 1, 0))` },
    { name: "ngx.shared.DICT.lpush", call: `${dict} assert(d:lpush("l", "x"))` },
    { name: "ngx.shared.DICT.rpush", call: `${dict} assert(d:rpush("l", "x"))` },
    { name: "ngx.shared.DICT.lpop", call: `${dict} d:lpush("l", "x") assert(d:lpop("l") == "x")` },
    { name: "ngx.shared.DICT.rpop", call: `${dict} d:rpush("l", "x") assert(d:rpop("l") == "x")` },
    { name: "ngx.shared.DICT.llen", call: `${dict} assert(d:llen("none") == 0)` },
    { name: "ngx.shared.DICT.ttl", call: `${dict} d:set("t", 1) assert(d:ttl("t") == 0)` },
    { name: "ngx.shared.DICT.expire", call: `${dict} d:set("t", 1) assert(d:expire("t", 9))` },
    { name: "ngx.shared.DICT.flush_all", call: `${dict} d:flush_all()` },
    { name: "ngx.shared.DICT.flush_expired", call: `${dict} assert(d:flush_expired() >= 0)` },
    { name: "ngx.shared.DICT.get_keys", call: `${dict} assert(type(d:get_keys()) == "table")` },
    { name: "ngx.shared.DICT.capacity", call: `${dict} assert(d:capacity() == 102400)` },
    { name: "ngx.shared.DICT.free_space", call: `${dict} assert(d:free_space() > 0)` },
  ],
  "Light threads and coroutines": [
    {
      name: "ngx.thread.spawn",
      call: `local n = 0 ngx.thread.wait(ngx.thread.spawn(function(by) n = n + by end, 2)) assert(n == 2)`,
      beyond: everywhere,
      note: waits,
    },
    {
      name: "ngx.thread.wait",
      call: `local t = ngx.thread.spawn(function() ngx.sleep(0.002) return 7 end)
             local ok, value = ngx.thread.wait(t) assert(ok and value == 7)`,
      beyond: everywhere,
      note: waits,
    },
    {
      name: "ngx.thread.kill",
      call: `assert(ngx.thread.kill(ngx.thread.spawn(function() ngx.sleep(60) end)))`,
      beyond: everywhere,
    },
    {
      name: "coroutine.create",
      call: `assert(type(coroutine.create(function() end)) == "thread")`,
      beyond: ["init_worker", "log", "exit_worker"],
    },
    {
      name: "coroutine.resume",
      call: `local co = coroutine.create(function(a) local b = coroutine.yield(a) ngx.sleep(0.001) return b end)
             assert(select(2, coroutine.resume(co, 1)) == 1 and select(2, coroutine.resume(co, 2)) == 2)`,
      beyond: everywhere,
      note: "what runs in a coroutine may wait as well",
    },
    {
      name: "coroutine.yield",
      call: `coroutine.yield()`,
      beyond: everywhere,
      note: "at the top of a handler it gives way to others",
    },
    {
      name: "coroutine.wrap",
      call: `local f = coroutine.wrap(function() coroutine.yield(1) ngx.sleep(0.001) return 2 end) assert(f() == 1 and f() == 2)`,
      beyond: everywhere,
    },
    { name: "coroutine.running", call: `local co = coroutine.running() assert(co == nil or type(co) == "thread")` },
    {
      name: "coroutine.status",
      call: `assert(coroutine.status(coroutine.create(function() end)) == "suspended")`,
      beyond: ["init_worker", "log", "exit_worker"],
    },
  ],
  Sockets: [
    {
      name: "ngx.socket.tcp",
      call: `local s = ngx.socket.tcp() s:settimeouts(1000, 1000, 1000)
             local ok, err = s:connect("localhost", 1) assert(not ok and err == "connection refused", err)`,
      beyond: everywhere,
      note: "`connect`, `send`, `receive`, `receiveany`, `receiveuntil`, `setkeepalive`, `getreusedtimes`, `settimeout`, `settimeouts`, `setoption`, `getoption`, `bind`, `getfd`, `shutdown`, `close`; no TLS yet; waits in every phase; `ngx.socket.stream` is the same",
    },
    {
      name: "ngx.socket.connect",
      call: `local s, err = ngx.socket.connect("localhost", 1) assert(not s and err == "connection refused", err)`,
      beyond: everywhere,
      note: "`ngx.socket.tcp` and `connect` in one",
    },
    {
      name: "ngx.socket.udp",
      call: `local s = ngx.socket.udp() s:settimeout(1000)
             assert(s:setpeername("localhost", 1) and s:send("x")) assert(s:close() == 1)
             local ok, err = s:send("x") assert(not ok and err == "closed", err)`,
      beyond: everywhere,
      note: "`setpeername`, `bind`, `send`, `receive`, `settimeout`, `close`; UDP and unix datagram sockets; waits in every phase",
    },
    {
      name: "ngx.req.socket",
      call: `local s = ngx.req.socket() assert(s:receive("*a") == "a=1")`,
      where: "output",
      note: "the request body: `receive`, `receiveany`, `receiveuntil`, `settimeout`, `settimeouts`, `setoption`, `getoption`, `getfd`; with `true` the connection itself: `send` too; no chunked bodies unless raw",
    },
  ],
  "A client that goes": [
    {
      name: "ngx.on_abort",
      call: `local ok, err = ngx.on_abort(function() end) assert(not ok and err == "lua_check_client_abort is off")`,
      where: ["rewrite", "access", "content"],
    },
  ],
  Semaphores: [
    { name: "semaphore.new", call: `assert(require("ngx.semaphore").new(1))` },
    { name: "sem:post", call: `local s = require("ngx.semaphore").new() assert(s:post(2) and s:count() == 2)` },
    {
      name: "sem:wait",
      call: `local s = require("ngx.semaphore").new()
             ngx.thread.spawn(function() ngx.sleep(0.002) s:post() end) assert(s:wait(5))
             local ok, err = s:wait(0.001) assert(not ok and err == "timeout")`,
      beyond: everywhere,
      note: waits,
    },
    { name: "sem:count", call: `assert(require("ngx.semaphore").new(3):count() == 3)` },
  ],
  Timers: [
    {
      name: "ngx.timer.at",
      call: `local n = 0 assert(ngx.timer.at(0.001, function(_, by) n = by end, 5))
             if pcall(ngx.sleep, 0) then for _ = 1, 1000 do if n == 5 then break end ngx.sleep(0.001) end assert(n == 5) end`,
      where: phases.slice(0, -1),
      beyond: ["init"],
      refused: { exit_worker: "process exiting" },
      note: "with delay 0 in `exit_worker` too",
    },
    {
      name: "ngx.timer.at(0, f)",
      call: `local n = 0 assert(ngx.timer.at(0, function() ngx.sleep(0.001) n = 1 end))
             if pcall(ngx.sleep, 0) then for _ = 1, 1000 do if n == 1 then break end ngx.sleep(0.001) end assert(n == 1) end`,
      beyond: ["init"],
    },
    {
      name: "ngx.timer.every",
      call: `assert(ngx.timer.every(3600, function() end))`,
      where: phases.slice(0, -1),
      beyond: ["init"],
      refused: { exit_worker: "process exiting" },
    },
    { name: "ngx.timer.running_count", call: `assert(ngx.timer.running_count() >= 0)`, beyond: ["init"] },
    { name: "ngx.timer.pending_count", call: `assert(ngx.timer.pending_count() >= 0)`, beyond: ["init"] },
  ],
  "Configuration and worker": [
    { name: "ngx.config.subsystem", call: `assert(ngx.config.subsystem == "http")` },
    { name: "ngx.config.debug", call: `assert(type(ngx.config.debug) == "boolean")` },
    { name: "ngx.config.prefix", call: `assert(ngx.config.prefix():find("/$"))` },
    { name: "ngx.config.nginx_version", call: `assert(ngx.config.nginx_version > 1e6)` },
    { name: "ngx.config.nginx_configure", call: `assert(type(ngx.config.nginx_configure()) == "string")` },
    { name: "ngx.config.ngx_lua_version", call: `assert(ngx.config.ngx_lua_version > 1e4)` },
    { name: "ngx.worker.exiting", call: `assert(type(ngx.worker.exiting()) == "boolean")` },
    { name: "ngx.worker.pid", call: `assert(ngx.worker.pid() > 0)` },
    { name: "ngx.worker.pids", since: "0.10.23", call: `assert(#ngx.worker.pids() == 1)` },
    { name: "ngx.worker.count", call: `assert(ngx.worker.count() == 1)` },
    { name: "ngx.worker.id", call: `assert(ngx.worker.id() == 0)` },
  ],
  Modules: [
    {
      name: "ngx.req.add_header",
      call: `require("ngx.req").add_header("X-C", { "1", "2" }) assert(#ngx.req.get_headers()["X-C"] == 2)`,
      where: "request",
      note: 'of `require "ngx.req"`',
    },
    {
      name: "ngx.resp.add_header",
      call: `local add = require("ngx.resp").add_header add("X-C", "1") add("X-C", 2)
             assert(phase == "log" or phase == "body_filter" or #ngx.header["X-C"] == 2)`,
      where: "request",
      note: 'of `require "ngx.resp"`',
    },
    {
      name: "ngx.resp.set_status",
      call: `require("ngx.resp").set_status(200, "Fine") assert(ngx.status == 200)`,
      where: "request",
      note: 'of `require "ngx.resp"`',
    },
    {
      name: "ngx.resp.bypass_if_checks",
      call: `require("ngx.resp").bypass_if_checks()`,
      where: "request",
      note: 'of `require "ngx.resp"`: If-Match and the others do not count for this response',
    },
    {
      name: "ngx.base64.encode_base64url",
      call: `assert(require("ngx.base64").encode_base64url("\\255\\254") == "__4")`,
    },
    {
      name: "ngx.base64.decode_base64url",
      call: `assert(require("ngx.base64").decode_base64url("__4") == "\\255\\254")`,
    },
    { name: "resty.core.time.monotonic_msec", call: `assert(require("resty.core.time").monotonic_msec() > 0)` },
    { name: "resty.core.time.monotonic_time", call: `assert(require("resty.core.time").monotonic_time() > 0)` },
    { name: "resty.core.base.get_request", call: `require("resty.core.base").get_request()` },
    { name: "ngx.errlog.set_filter_level", call: `assert(require("ngx.errlog").set_filter_level(ngx.WARN))` },
    {
      name: "ngx.errlog.get_logs",
      call: `local log = require("ngx.errlog") ngx.log(ngx.ERR, "probed") local lines = assert(log.get_logs(100))
             assert(lines[#lines]:find("probed") and lines[#lines - 2] == ngx.ERR)`,
    },
    { name: "ngx.errlog.get_sys_filter_level", call: `assert(require("ngx.errlog").get_sys_filter_level() >= 0)` },
    { name: "ngx.errlog.raw_log", call: `require("ngx.errlog").raw_log(ngx.INFO, "raw")` },
    {
      name: "ngx.process.type",
      call: `assert(require("ngx.process").type() == (phase == "init" and "master" or "worker"))`,
    },
    { name: "ngx.process.get_master_pid", call: `assert(require("ngx.process").get_master_pid() > 0)` },
    {
      name: "ngx.process.enable_privileged_agent",
      call: `local ok, err = require("ngx.process").enable_privileged_agent(-1)
             assert(not ok and err:find(phase == "init" and "bad 'connections'" or "API disabled"))`,
      note: "the agent is a worker without listening sockets, with the rights that the others have",
    },
    {
      name: "ngx.process.signal_graceful_exit",
      call: `assert(not pcall(require("ngx.process").signal_graceful_exit))`,
      note: "throws: workers are threads",
    },
    {
      name: "ngx.pipe",
      call: `if phase ~= "init" then
               local child = assert(require("ngx.pipe").spawn({ "/bin/cat" })) assert(child:write("a\\nb") == 3)
               assert(child:stdout_read_line() == "a") child:shutdown("stdin") assert(child:stdout_read_all() == "b")
               local ok, why, code = child:wait() assert(ok and why == "exit" and code == 0)
             end`,
      beyond: everywhere,
      note: "`spawn`, and all that a process has; not in `init`; " + waits,
    },
    {
      name: "ngx.run_worker_thread",
      call: `if phase ~= "init" then
               local ok, len = ngx.run_worker_thread("default", "string", "len", "four") assert(ok and len == 4, len)
             end`,
      beyond: everywhere,
      note: "any name is a pool; not in `init`; " + waits,
    },
    { name: "ngx.get_raw_phase", call: `assert(phase == "init" or type(ngx.get_raw_phase()) == "number")` },
    {
      name: "resty.core.ctx.get_ctx_table",
      call: `assert(require("resty.core.ctx").get_ctx_table() == ngx.ctx)`,
      beyond: ["init"],
    },
    { name: "resty.core.regex", call: `require("resty.core.regex").set_buf_grow_ratio(2)` },
    {
      name: "ffi.C.ngx_hex_dump",
      call: `local ffi = require("ffi") ffi.cdef("unsigned char *ngx_hex_dump(unsigned char *, const unsigned char *, size_t);")
             local out = ffi.new("unsigned char[2]") ffi.C.ngx_hex_dump(out, "a", 1) assert(ffi.string(out, 2) == "61")`,
      note: "also `ngx_hextoi`, `ngx_atoi`, `ngx_murmur_hash2`, `ngx_escape_uri`, `ngx_unescape_uri`: a library declares them, as for nginx",
    },
    {
      name: "resty.core.regex.re_match_compile",
      call: `assert(require("resty.core.regex").re_match_compile("(a)", "jo").ncaptures == 1)`,
      note: "its result goes to `ffi.C.ngx_http_lua_ffi_exec_regex`, then `collect_captures`",
    },
    {
      name: "resty.core.request.set_req_header",
      call: `require("resty.core.request").set_req_header("X-D", "1", true)`,
      where: "request",
    },
    {
      name: "resty.core.response.set_resp_header",
      call: `require("resty.core.response").set_resp_header(nil, "X-D", "1", true)`,
      where: "request",
    },
    {
      name: "resty.core.misc",
      call: `require("resty.core.misc").register_ngx_magic_key_getter("probe", function() return 1 end) assert(ngx.probe == 1)`,
      note: "`register_ngx_magic_key_getter`, `register_ngx_magic_key_setter`",
    },
    {
      name: "ngx.ssl",
      call: `local ok, err = require("ngx.ssl").cert_pem_to_der("x") assert(not ok and err:find("failed"))`,
      note:
        "`cert_pem_to_der`, `priv_key_pem_to_der`, `parse_pem_cert`, `parse_pem_priv_key`; the others return nil and " +
        "`TLS is not supported yet`, as do `sock:sslhandshake` and `sock:setclientcert`",
    },
    {
      name: "ngx.ocsp",
      call: `local ok, err = require("ngx.ocsp").create_ocsp_request("x") assert(not ok and err)`,
      note: "refuses, as do `ngx.ssl.session` and `ngx.ssl.clienthello`: TLS is not supported yet",
    },
    {
      name: "jit.v",
      call: `assert(require("jit.v").on)`,
      note: "also `jit.dump`, `bc`, `p`, `zone`, `vmdef` and the disassembler",
    },
    {
      name: "resty.lrucache",
      call: `local c = require("resty.lrucache").new(2) c:set("a", 1) c:set("b", 2) c:get("a") c:set("c", 3)
             assert(c:get("a") == 1 and c:get("b") == nil and c:get("c") == 3)`,
      note: "`resty.lrucache.pureffi` is the same",
    },
    {
      name: "resty.redis",
      call: `local r = require("resty.redis"):new() r:set_timeouts(1000, 1000, 1000)
             local ok, err = r:connect("127.0.0.1", 1) assert(not ok and err == "connection refused", err)`,
      beyond: everywhere,
      note: "[resty.md](resty.md#restyredis)",
    },
    {
      name: "resty.memcached",
      call: `local m = require("resty.memcached"):new() m:set_timeout(1000)
             local ok, err = m:connect("127.0.0.1", 1) assert(not ok and err == "connection refused", err)`,
      beyond: everywhere,
      note: "[resty.md](resty.md#restymemcached)",
    },
    {
      name: "resty.mysql",
      call: `local db = require("resty.mysql"):new() db:set_timeout(1000)
        local ok, err = db:connect { host = "127.0.0.1", port = 1 } assert(not ok and err == "failed to connect: connection refused", err)`,
      beyond: everywhere,
      note: "[resty.md](resty.md#restymysql)",
    },
    {
      name: "resty.lock",
      call: `local l = require("resty.lock"):new("d") assert(l:lock("a lock") == 0 and l:unlock())`,
      note: "[resty.md](resty.md#restylock); waits in every phase",
    },
    {
      name: "resty.limit.req",
      call: `local l = require("resty.limit.req").new("d", 1000, 1000) assert(l:incoming("limited", true))`,
      note: "[resty.md](resty.md#restylimit); also `resty.limit.conn`, `count`, `traffic`",
    },
    {
      name: "resty.string",
      call: `assert(require("resty.string").to_hex("a\\0") == "6100")`,
    },
    {
      name: "resty.md5",
      call: `local d = require("resty.md5"):new() d:update("a") assert(#d:final() == 16)`,
      note: "also `resty.sha1`, `sha224`, `sha256`, `sha384`, `sha512`; OpenSSL's",
    },
    { name: "resty.random", call: `assert(#require("resty.random").bytes(8) == 8)` },
    {
      name: "resty.aes",
      call: `local a = require("resty.aes"):new("key") assert(a:decrypt(a:encrypt("x")) == "x")`,
      note: "[resty.md](resty.md#strings-digests-ciphers)",
    },
    {
      name: "ngx.upstream",
      call: `local u = require("ngx.upstream") assert(#u.get_upstreams() == 0 and select(2, u.get_servers("x")) == "upstream not found")`,
      note: "`get_upstreams`, `get_servers`, `get_primary_peers`, `get_backup_peers`, `set_peer_down`, `current_upstream_name`; in `init` there are none yet",
    },
    {
      name: "resty.shell",
      call: `local run = require("resty.shell").run
             if phase ~= "init" then local ok, out = run("echo x") assert(ok and out == "x\\n", out) end`,
      beyond: everywhere,
      note: "as `ngx.pipe`: not in `init`; [resty.md](resty.md#commands-and-signals)",
    },
    {
      name: "resty.signal",
      call: `assert(require("resty.signal").kill(ngx.worker.pid(), "NONE"))`,
      note: "[resty.md](resty.md#commands-and-signals)",
    },
    { name: "tablepool", call: `local p = require("tablepool") p.release("x", p.fetch("x", 0, 1))` },
    { name: "cjson", call: `assert(require("cjson").decode('{"a":[1]}').a[1] == 1)` },
    { name: "cjson.safe", call: `assert(require("cjson.safe").decode("{") == nil)` },
  ],
};

/** What lua-nginx-module and lua-resty-core have and Moonwire does not yet: fields of globals, and modules. */
export const missing = {
  "TLS to upstreams": { modules: ["ngx.proxyssl", "ngx.ssl.proxysslcert", "ngx.ssl.proxysslverify"] },
};
