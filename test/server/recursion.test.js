// SPDX-License-Identifier: MIT
// Handlers that recurse without end, through Lua and through C: an error of Lua's, a 500, and the worker goes on.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

/** A metamethod that calls itself by `use`. */
const meta = (event, body, use) => `local mt = {} local t = setmetatable({}, mt) mt.${event} = ${body} ${use}`;

const endless = {
  "a function": `local function f(n) return 1 + f(n + 1) end f(1)`,
  "a function, interpreted": `require("jit").off(true, true) local function f(n) return 1 + f(n + 1) end f(1)`,
  "ever more arguments": `local function f(...) return 1 + f(1, ...) end f()`,
  pcall: `local function f() return 1 + select(2, pcall(f)) end f()`,
  "an error handler": `local function f() error("x") end local function h() return 1 + select(2, xpcall(f, h)) end h()`,
  __index: meta("__index", "function(t, k) return t[k .. ''] end", "return t.x"),
  __concat: meta("__concat", "function(a, b) return (a .. b) .. 'x' end", "return t .. t"),
  __tostring: meta("__tostring", "function(t) return 'x' .. tostring(t) end", "return tostring(t)"),
  "__tostring in string.format": meta(
    "__tostring",
    "function(t) return ('%s'):format(t) .. 'x' end",
    "return ('%s'):format(t)",
  ),
  "__tostring in print": meta("__tostring", "function(t) print(t) return 'x' end", "print(t)"),
  "__tostring of an error": meta("__tostring", "function(t) return 'x' .. tostring(t) end", "error(t)"),
  "string.gsub": `local function f() return (("x"):gsub("x", f)) end f()`,
  "table.sort": `local function f() table.sort({3, 2, 1}, f) return true end f()`,
  "ngx.re.gsub": `local function f() return (ngx.re.gsub("x", "x", f)) .. "x" end f()`,
  "coroutine.wrap": `local function f() coroutine.wrap(f)() return 1 end f()`,
  "coroutine.resume": `local function f() local ok, e = coroutine.resume(coroutine.create(f)) if not ok then error(e, 0) end end f()`,
  require: `package.preload.x = function() package.loaded.x = nil return require("x") end require("x")`,
  "an FFI callback": `local ffi = require("ffi")
    ffi.cdef("void qsort(void *, size_t, size_t, int (*)(const void *, const void *));")
    local a = ffi.new("int[3]", 3, 2, 1) local cb local function f() ffi.C.qsort(a, 3, 4, cb) return 0 end
    cb = ffi.cast("int (*)(const void *, const void *)", f) f()`,
  "a cyclic table in cjson": `local t = {} t.t = t return require("cjson").encode(t)`,
  "a deep table in string.buffer": `local t = {} for _ = 1, 100000 do t = {t} end return require("string.buffer").encode(t)`,
  "deep JSON": `require("cjson").decode(("["):rep(1000000))`,
  "deep parentheses": `assert(loadstring("return " .. ("("):rep(100000) .. "1" .. (")"):rep(100000)))`,
  "deep tables in Lua text": `assert(loadstring("return " .. ("{"):rep(100000) .. ("}"):rep(100000)))`,
  "a deep pattern": `assert(not (("a"):rep(300000)):find(("a?"):rep(20000) .. "b"))`,
  "a deep regex": `assert(ngx.re.match("x", ("("):rep(20000) .. "x" .. (")"):rep(20000)))`,
};

for (const [name, code] of Object.entries(endless)) {
  test(`${name}`, async (t) => {
    const s = await startMoonwire(t, {
      http: "lua_handler_timeout 20s;",
      server: `location / { content_by_lua_block { ${code} } } location /after { content_by_lua_block { ngx.say("ok") } }`,
    });
    t.is((await s.get("/")).status, 500);
    t.is((await s.get("/after")).body, "ok\n");
    t.regex(s.log(), /\[error\] .*lua entry thread aborted: runtime error: /);
  });
}
