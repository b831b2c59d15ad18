// SPDX-License-Identifier: MIT
// What libraries take from inside lua-resty-core: C types, compiled patterns, header functions, computed fields of ngx.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

async function run(t, code, more = "") {
  const s = await startMoonwire(t, { server: `location /t { ${more} content_by_lua_block { ${code} } }` });
  return s.get("/t");
}

const lines = async (...args) => (await run(...args)).body.trimEnd().split("\n");

test("C types are declared, and may be declared again", async (t) => {
  t.deepEqual(
    await lines(
      t,
      `local ffi = require "ffi"
      local text = "abc"
      local s = ffi.new("ngx_str_t[1]", { { #text, text } })
      ngx.say(ffi.string(s[0].data, s[0].len), " ", ffi.sizeof "ngx_http_lua_ffi_table_elt_t")
      ngx.say(ffi.sizeof "u_char", ffi.sizeof "ngx_int_t", ffi.sizeof "ngx_uint_t", ffi.sizeof "ngx_msec_t")
      ngx.say(tonumber(ffi.cast("ngx_int_t", -1)), " ", ffi.cast("ngx_http_request_t *", nil) == nil)
      ngx.say(pcall(ffi.cdef, [[
        typedef unsigned char u_char;
        typedef intptr_t ngx_int_t;
        typedef struct { size_t len; const unsigned char *data; } ngx_str_t;
        typedef struct { int len; const unsigned char *data; } ngx_http_lua_ffi_str_t;
        typedef struct ngx_http_request_s ngx_http_request_t;
        int later_function(ngx_http_request_t *r, ngx_str_t *s);
      ]]))
      package.loaded["resty.core.base"] = nil
      ngx.say((pcall(require, "resty.core.base")))
      ngx.say(ffi.istype("ngx_http_lua_ffi_str_t", ffi.new "ngx_http_lua_ffi_str_t"))`,
    ),
    ["abc 32", "1888", "-1 true", "true", "true", "true"],
  );
});

test("re_match_compile: a pattern, or what is wrong with it", async (t) => {
  t.deepEqual(
    await lines(
      t,
      `local compile = require("resty.core.regex").re_match_compile
      local ok, once, flags = compile("(a)(?<b>b)?", "jo")
      ngx.say(type(ok), " ", ok.ncaptures, " ", ok.name_count, " ", once, " ", flags)
      ngx.say(select(2, compile("a")), select(3, compile("a")))
      ngx.say(compile("(a", "jo"))
      local _, err = pcall(compile, "a", "q") ngx.say(err)`,
    ),
    [
      "cdata 2 1 true 5",
      "false0",
      'nilpcre2_compile() failed: missing closing parenthesis in "(a"',
      'unknown flag "q" (flags "q")',
    ],
  );
});

test("matching in steps: compile, exec, collect", async (t) => {
  t.deepEqual(
    await lines(
      t,
      `local regex, C = require "resty.core.regex", require("ffi").C
      local function match(pattern, options, s, pos)
        local re, _, flags = regex.re_match_compile(pattern, options)
        local rc = C.ngx_http_lua_ffi_exec_regex(re, flags, s, #s, pos or 0)
        return rc, regex.collect_captures(re, rc, s, flags, {})
      end
      local rc, m = match("(a)(?<b>b)?(c)?", "joi", "xABc") ngx.say(rc, m[0], m[1], m[2], m.b, m[3])
      rc, m = match("(a)(?<b>b)?(c)?", "joi", "xABc", 2) ngx.say(rc < 0, m[0], m[1], m.b)
      rc, m = match("(a)(b)?", "jo", "a") ngx.say(rc, m[0], m[1], m[2])
      rc, m = match("(?<x>a)(?<x>b)", "joD", "ab") ngx.say(m.x[1], m.x[2])`,
    ),
    ["4ABcABBc", "truefalsefalsefalse", "2aafalse", "ab"],
  );
});

test("set_req_header and set_resp_header", async (t) => {
  const r = await run(
    t,
    `local set = require("resty.core.request").set_req_header
    set("X-A", "1", true) set("X-A", "2", false) set("X-B", { "3", "4" }, true) set("X-C", 5, true) set("X-C", nil, true)
    local h = ngx.req.get_headers() ngx.say(table.concat(h["X-A"], ","), table.concat(h["X-B"], ","), tostring(h["X-C"]))
    local function wrong() set("X-A", nil, false) end
    local ok, err = pcall(function() wrong() end) ngx.say(err:match("bad.*"))
    set = require("resty.core.response").set_resp_header`,
    `header_filter_by_lua_block {
      local set = require("resty.core.response").set_resp_header
      set(nil, "X-A", "1") set(nil, "X-A", "2", true) set(nil, "X-B", "1") set(nil, "X-B", nil) set(ngx.header, "X-C", { 1, 2 })
    }`,
  );
  t.deepEqual(r.body.trimEnd().split("\n"), ["1,23,4nil", "bad 'value' argument: string or table expected, got nil"]);
  const named = (name) => r.headers[name] ?? null;
  t.deepEqual([named("x-a"), named("x-b"), named("x-c")], ["1, 2", null, "1, 2"]);
});

test("register_ngx_magic_key_getter and setter", async (t) => {
  t.deepEqual(
    await lines(
      t,
      `local misc = require "resty.core.misc"
      local kept = "none"
      misc.register_ngx_magic_key_getter("probe", function() return "<" .. kept .. ">" end)
      misc.register_ngx_magic_key_setter("probe", function(value) kept = value end)
      ngx.say(ngx.probe) ngx.probe = "one" ngx.say(ngx.probe, " ", kept, " ", rawget(ngx, "probe"))
      misc.register_ngx_magic_key_getter("probe", nil) misc.register_ngx_magic_key_setter("probe", nil)
      ngx.probe = "two" ngx.say(ngx.probe, " ", kept) ngx.probe = nil`,
    ),
    ["<none>", "<one> one nil", "two one"],
  );
});

test("balancer.version and setclientcert", async (t) => {
  t.deepEqual(
    await lines(
      t,
      `ngx.say(require("ngx.balancer").version == require("resty.core.base").version)
      local sock = ngx.socket.tcp()
      ngx.say(sock:setclientcert(nil, nil))
      ngx.say(sock:setclientcert("cert", "key"))`,
    ),
    ["true", "true", "nilTLS is not supported yet"],
  );
});
