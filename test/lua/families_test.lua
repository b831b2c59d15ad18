-- SPDX-License-Identifier: MIT
-- The escape, crypto, time and regex families: known answers, and what the differential run cannot compare (PCRE2's
-- error texts, caches, clocks, compiled traces).
local t = ...
local ffi = require "ffi"
local abi = require "moonwire.abi"
local cache = require "moonwire.regex_cache"

-- digests
t.eq(ngx.md5 "hello", "5d41402abc4b2a76b9719d911017c592")
t.eq(ngx.encode_base64(ngx.sha1_bin "hello"), "qvTGHdzF6KLavt4PO0gs2a6pQ00=")
t.eq(
  ngx.encode_base64(ngx.hmac_sha1("thisisverysecretstuff", "some string we want to sign")),
  "R/pvxzHC4NLtj7S+kXFg/NePTmk="
)
t.eq(ngx.hmac_sha1(("k"):rep(65), "x") == ngx.hmac_sha1(ngx.sha1_bin(("k"):rep(65)), "x"), true)
t.eq(ngx.crc32_long "123456789", 0xcbf43926)

-- base64
t.eq(ngx.decode_base64mime "aGV\nsbG8= x", "hello")
t.eq(ngx.decode_base64mime "a", nil)
t.fails("string argument only", ngx.decode_base64mime, nil)

-- results larger than the scratch
local long = ("a b"):rep(100000)
t.eq(ngx.unescape_uri(ngx.escape_uri(long)), long)
t.eq(ngx.decode_base64(ngx.encode_base64(long)), long)
t.eq(ngx.decode_args(ngx.encode_args { k = long, l = { long, "x" } }).l[1], long)
t.eq(#ngx.quote_sql_str(("'"):rep(100000)), 200002)
t.eq(ngx.escape_uri "plain-text", "plain-text")

-- clocks
local before = ngx.now()
t.ok(math.abs(before - os.time()) < 3)
t.eq(ngx.time(), math.floor(before))
abi.W.now_ms = 1290079655123
t.eq(ngx.now(), 1290079655.123)
t.eq(ngx.utctime(), "2010-11-18 11:27:35")
t.eq(ngx.localtime(), os.date("%Y-%m-%d %H:%M:%S", 1290079655))
t.eq(ngx.today(), os.date("%Y-%m-%d", 1290079655))
abi.W.now_ms = 1290079656000
t.eq(ngx.utctime(), "2010-11-18 11:27:36")
ngx.update_time()
t.ok(math.abs(ngx.now() - os.time()) < 3)
local core_time = require "resty.core.time"
t.ok(core_time.monotonic_msec() > 0)
t.eq(core_time.monotonic_time(), core_time.monotonic_msec() / 1000)

-- regex errors in PCRE2's words
local function err_of(...)
  local _, err = ngx.re.match(...)
  return err
end
t.eq(err_of("a", "(abc"), 'pcre2_compile() failed: missing closing parenthesis in "(abc"')
t.eq(err_of("a", "a**+b"), 'pcre2_compile() failed: quantifier does not follow a repeatable item in "a**+b" at "*+b"')
t.eq((select(3, ngx.re.find("a", "(abc"))), 'pcre2_compile() failed: missing closing parenthesis in "(abc"')
t.eq((select(3, ngx.re.gsub("a", "(abc", "x"))), 'pcre2_compile() failed: missing closing parenthesis in "(abc"')
t.fails('unknown flag "q" (flags "iq")', ngx.re.match, "a", "a", "iq")

-- positions behind the subject, and such as no int32_t holds
local behind = err_of("abcd", "[a-z]", "", { pos = 6 })
t.ok(behind)
for _, pos in ipairs { 1e300, 0 / 0, 1 / 0, 2 ^ 31 - 1, 2 ^ 31, 2 ^ 31 + 1, 2 ^ 32, 2 ^ 32 + 1 } do
  for _, options in ipairs { "", "jo" } do
    local ctx = { pos = pos }
    t.eq(ngx.re.match("abcd", "[a-z]", options, ctx), nil)
    t.eq(err_of("abcd", "[a-z]", options, ctx), behind)
    t.eq((select(3, ngx.re.find("abcd", "", options, ctx))), behind)
    t.eq(tostring(ctx.pos), tostring(pos))
  end
end
for _, pos in ipairs { -1 / 0, -1e300, -1, 0, 0.5, 1.9 } do
  t.eq(ngx.re.match("abcd", "[a-z]", "", { pos = pos })[0], "a")
end
local here = debug.getinfo(1, "S").short_src
t.fails(here, function()
  local m = ngx.re.match("a", "a", "Z")
  return m
end)
t.fails(here, function()
  local m = ngx.re.gsub("a", "a", "", "Z")
  return m
end)
t.fails(here, function()
  local m = ngx.quote_sql_str()
  return m
end)
t.eq(err_of("a", "a", nil, { pos = 3 }), "pcre_exec() failed: -33")

-- JavaScript option, UTF steps over empty matches, match limit
t.eq(ngx.re.match("a", "[]", "J"), nil)
t.eq((ngx.re.gsub("你好", "", "-", "u")), "-你-好-")
local seen = 0
for _ in ngx.re.gmatch("你好", "x?", "ujo") do
  seen = seen + 1
end
t.eq(seen, 3)
abi.C.mw_regex_set_match_limit(100)
t.eq(err_of(("a"):rep(30) .. "b", "(a+)+$"), "pcre_exec() failed: -47")
abi.C.mw_regex_set_match_limit(0)

-- a replacement function that uses the same pattern
t.eq((ngx.re.gsub("a1b2", "\\d", function(m)
  return "<" .. (ngx.re.gsub(m[0] .. "7", "\\d", "[$0]", "jo")) .. ">"
end, "jo")), "a<[1][7]>b<[2][7]>")

-- the caches hold what is used and free the rest
cache.set_max_entries(4)
for _ = 1, 3 do
  for i = 1, 50 do
    t.eq(ngx.re.match("x" .. i .. "y", "x" .. i .. "y", "jo")[0], "x" .. i .. "y")
    t.eq(ngx.re.match("hot", "h(o)t", "jo")[1], "o")
  end
end
cache.set_max_entries(0)
t.eq(ngx.re.match("hot", "h(o)t", "jo")[1], "o")
cache.set_max_entries(1024)
t.fails("changing jit stack size is not allowed", require("ngx.re").opt, "jit_stack_size", 1024 * 1024)
t.fails("unrecognized option name", require("ngx.re").opt, "x", 1)

-- templates that do not compile are logged
t.eq((select(3, ngx.re.sub("a", "a", "${x}"))), "failed to compile the replacement template")
t.eq(t.logged[#t.logged], 'attempt to use named capturing variable "x" (named captures not supported yet)')

-- the hot calls compile: no trace aborts but for the compiler's choice of another loop to begin with
local jutil = require "jit.util"
-- (lj_traceerr.h: 8 LLEAVE, 9 LINNER, 10 LUNROLL)
local is_choice = { [8] = true, [9] = true, [10] = true }
local aborted
local function watch(what, _, func, pc, code)
  if what == "abort" and not is_choice[code] then
    aborted = "error " .. code .. " at " .. (jutil.funcinfo(func, pc).loc or "?")
  end
end
local function compiles(name, f)
  local starts
  local function count(what, ...)
    if what == "stop" then
      starts = starts + 1
    end
    watch(what, ...)
  end
  -- What cannot be compiled aborts each time; once it may be chance: what a trace begins with, a second that ends within it.
  for _ = 1, 3 do
    jit.flush()
    starts, aborted = 0, nil
    jit.attach(count, "trace")
    f()
    jit.attach(count)
    if starts > 0 and not aborted then
      break
    end
  end
  t.ok(starts > 0 and not aborted, name .. ": " .. tostring(aborted) .. ", traces " .. starts)
end
local n = 0
compiles("find", function()
  for _ = 1, 500 do
    local from, to = ngx.re.find("hello, 1234", "[0-9]+", "jo")
    n = n + from + to
  end
end)
compiles("match", function()
  for _ = 1, 500 do
    n = n + #ngx.re.match("hello, 1234", "(\\w)(\\d+)?", "jo")[1]
  end
end)
compiles("gsub", function()
  for _ = 1, 500 do
    n = n + #ngx.re.gsub("hello, 1234", "[0-9]", "<$0>", "jo")
  end
end)
compiles("escape", function()
  for _ = 1, 500 do
    n = n
      + #ngx.escape_uri "a b"
      + #ngx.unescape_uri "a%20b"
      + #ngx.md5 "x"
      + #ngx.encode_base64 "abc"
      + ngx.crc32_short "a"
  end
end)
compiles("time", function()
  for _ = 1, 500 do
    n = n + ngx.now() + ngx.time() + #ngx.localtime() + #ngx.http_time(0)
  end
end)
t.ok(n > 0)

-- the layers that libraries require
t.ok(require("resty.core").version)
for _, name in ipairs { "base64", "regex_is_not_here", "hash", "uri", "shdict" } do
  t.eq(pcall(require, "resty.core." .. name), name ~= "regex_is_not_here")
end
local base = require "resty.core.base"
t.eq(ffi.sizeof(base.get_string_buf(10)) >= 10, true)
local refs = {}
t.eq(base.ref_in_table(refs, "a"), 1)
t.eq(base.ref_in_table(refs, nil), -1)
