-- SPDX-License-Identifier: MIT
-- Calls of the escape, crypto, time and regex families with their results as lines of text. The same file runs in
-- Moonwire and in nginx with lua-nginx-module; the lines must be equal. `emit(line)` takes each line.
local emit = ...
local lines = 0

local function show(v, depth)
  depth = depth or 0
  local kind = type(v)
  if kind == "string" then
    return (
      string.format("%q", v):gsub("[%c\127-\255]", function(c)
        return string.format("\\x%02x", c:byte())
      end)
    )
  end
  if kind ~= "table" or depth > 3 then
    return tostring(v)
  end
  local keys = {}
  for k in pairs(v) do
    keys[#keys + 1] = k
  end
  table.sort(keys, function(a, b)
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  local out = {}
  for i, k in ipairs(keys) do
    out[i] = tostring(k) .. "=" .. show(v[k], depth + 1)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local function row(name, ...)
  local out = { name }
  for i = 1, select("#", ...) do
    out[i + 1] = show((select(i, ...)))
  end
  lines = lines + 1
  emit(table.concat(out, " | "))
end

-- Errors lose their position and the argument names that only a C function's frame gives.
local function try(name, f, ...)
  local result = { pcall(f, ...) }
  local n = 0
  for i in pairs(result) do
    n = math.max(n, i)
  end
  if result[1] then
    for i = 2, n do
      -- PCRE and PCRE2 number their errors differently
      result[i] = type(result[i]) == "string" and result[i]:gsub("^(pcre_exec%(%) failed:) .*", "%1") or result[i]
    end
    return row(name, unpack(result, 2, n))
  end
  local err = tostring(result[2]):gsub("^[^ ]+:%d+: ", ""):gsub("to '[%w_?]+'", "to F")
  row(name, "error", err)
end

-- A small generator of its own: both sides must see the same bytes.
local seed = 20240607
local function random(n)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return math.floor(seed / 65536) % n
end

local function random_text(size, alphabet)
  local out = {}
  for i = 1, size do
    local k = alphabet and alphabet:byte(random(#alphabet) + 1) or random(256)
    out[i] = string.char(k)
  end
  return table.concat(out)
end

local all_bytes = {}
for i = 0, 255 do
  all_bytes[i + 1] = string.char(i)
end
all_bytes = table.concat(all_bytes)

-- escape ------------------------------------------------------------------------------------------------------------
for kind = 0, 6 do
  row("escape_uri " .. kind, ngx.escape_uri(all_bytes, kind))
end
row(
  "escape_uri",
  ngx.escape_uri(all_bytes),
  ngx.escape_uri(nil),
  ngx.escape_uri(12.5),
  ngx.escape_uri(true),
  ngx.escape_uri ""
)
try("escape_uri bad", ngx.escape_uri, "a", "b")
try("escape_uri range", ngx.escape_uri, "a", 9)
try("escape_uri range", ngx.escape_uri, "a", -1)
row("escape_uri long", ngx.md5(ngx.escape_uri(all_bytes:rep(100))))
for _, s in ipairs {
  "",
  "a%20b+c",
  "%",
  "%2",
  "%zz",
  "%2g",
  "%%41",
  "%41%",
  "a%00b",
  "+%2B+",
  "%e4%BD%a0",
  "x%4",
  "%u1234",
} do
  row("unescape_uri " .. s, ngx.unescape_uri(s))
end
row("unescape_uri", ngx.unescape_uri(nil), ngx.unescape_uri(12), ngx.unescape_uri(true))
for i = 1, 60 do
  row("unescape_uri random", ngx.unescape_uri(random_text(i, "%%%+0123aAfFgG xyz&=?")))
end
row("unescape all", ngx.unescape_uri(ngx.escape_uri(all_bytes:rep(40))) == all_bytes:rep(40))

try("encode_args", ngx.encode_args, { foo = 3 })
try("encode_args", ngx.encode_args, { ["b r"] = "a&b=c d" })
try("encode_args", ngx.encode_args, { a = true })
try("encode_args", ngx.encode_args, { a = false })
try("encode_args", ngx.encode_args, { a = { "x", 1, true, "y z", false } })
try("encode_args", ngx.encode_args, { a = {} })
try("encode_args", ngx.encode_args, {})
try("encode_args", ngx.encode_args, { [1] = "x" })
try("encode_args", ngx.encode_args, { a = print })
try("encode_args", ngx.encode_args, { a = { {} } })
try("encode_args", ngx.encode_args, { a = 1e15 })
try("encode_args", ngx.encode_args)
try("encode_args", ngx.encode_args, nil)
try("encode_args", ngx.encode_args, "a")
try("encode_args", ngx.encode_args, {}, 1)
try("encode_args long", ngx.encode_args, { k = ("é"):rep(3000) })
for _, s in ipairs {
  "",
  "a=1&b=2",
  "a=1&a=2&a=3",
  "a&b&a",
  "a=",
  "=b",
  "&&a=1&&",
  "a=1=2",
  "a%20b=c+d",
  "a=1&",
  "=",
  "&",
  "a=%",
  "a%3db=1&a=b%26c",
} do
  try("decode_args " .. s, ngx.decode_args, s)
  for max = -1, 3 do
    try("decode_args " .. max .. " " .. s, ngx.decode_args, s, max)
  end
end
do
  local many = {}
  for i = 1, 250 do
    many[i] = "k" .. i .. "=" .. i
  end
  many = table.concat(many, "&")
  for _, max in ipairs { 0, 1, 63, 64, 65, 100, 128, 249, 250, 251 } do
    local args, err = ngx.decode_args(many, max)
    local n = 0
    for _ in pairs(args) do
      n = n + 1
    end
    row("decode_args many " .. max, n, err, args.k1, args.k64, args.k65, args.k250)
  end
  local _, err = ngx.decode_args(many)
  row("decode_args default", err)
end
try("decode_args", ngx.decode_args)
try("decode_args", ngx.decode_args, nil)
try("decode_args", ngx.decode_args, 12)
try("decode_args", ngx.decode_args, "a", 1, 2)
try("decode_args", ngx.decode_args, "a", "x")
for i = 1, 60 do
  try("decode_args random", ngx.decode_args, random_text(i, "%+&&==abAF20"))
end

for i = 0, 40 do
  local s = random_text(i)
  row("base64", ngx.encode_base64(s), ngx.encode_base64(s, true), ngx.decode_base64(ngx.encode_base64(s)) == s)
end
try("base64", ngx.encode_base64, nil)
try("base64", ngx.encode_base64, 12.25)
try("base64", ngx.encode_base64, "a", 1)
try("base64", ngx.encode_base64, "a", false)
row("base64 long", ngx.md5(ngx.encode_base64(all_bytes:rep(100))))
for _, s in ipairs {
  "",
  "a",
  "aG",
  "aGV",
  "aGVs",
  "aGVsb",
  "aGVsbG8=",
  "aGVs*bG8=",
  "aGVsbG8=junk",
  "=",
  "====",
  "aGVs\nbG8=",
  "aGVsbG8",
  "ab_-",
} do
  row("decode_base64 " .. s, ngx.decode_base64(s))
end
for i = 1, 40 do
  row("decode_base64 random", ngx.decode_base64(random_text(i, "ABCabc019+/+/=")))
end
try("decode_base64", ngx.decode_base64, nil)
try("decode_base64", ngx.decode_base64, 12)
local base64 = require "ngx.base64"
for i = 0, 20 do
  local s = random_text(i)
  local encoded = base64.encode_base64url(s)
  row("base64url", encoded, base64.decode_base64url(encoded) == s)
end
row("base64url", base64.encode_base64url(nil))
row("base64url", base64.decode_base64url(nil))
row("base64url", base64.decode_base64url "a+b/")
row("base64url", base64.decode_base64url "ab_-")

try("quote_sql_str", ngx.quote_sql_str, all_bytes)
try("quote_sql_str", ngx.quote_sql_str, "")
try("quote_sql_str", ngx.quote_sql_str, 12)
try("quote_sql_str", ngx.quote_sql_str)
try("quote_sql_str", ngx.quote_sql_str, nil)
try("quote_sql_str", ngx.quote_sql_str, "a", "b")
try("quote_sql_str", ngx.quote_sql_str, ("'"):rep(5000))

-- crypto ------------------------------------------------------------------------------------------------------------
for _, n in ipairs { 0, 1, 7, 8, 9, 55, 56, 63, 64, 65, 119, 1000 } do
  local s = random_text(n)
  row(
    "digest",
    ngx.md5(s),
    ngx.md5_bin(s),
    ngx.sha1_bin(s),
    ngx.crc32_short(s),
    ngx.crc32_long(s),
    ngx.hmac_sha1(s, s),
    ngx.hmac_sha1("k", s)
  )
end
row(
  "digest nil",
  ngx.md5(nil),
  ngx.md5_bin(nil),
  ngx.sha1_bin(nil),
  ngx.crc32_short(nil),
  ngx.crc32_long(nil),
  ngx.md5(12)
)
try("hmac_sha1", ngx.hmac_sha1)
try("hmac_sha1", ngx.hmac_sha1, "a")
try("hmac_sha1", ngx.hmac_sha1, "a", nil)
try("hmac_sha1", ngx.hmac_sha1, nil, "a")
try("hmac_sha1", ngx.hmac_sha1, 1, 2)

-- time --------------------------------------------------------------------------------------------------------------
for _, sec in ipairs {
  0,
  1,
  59,
  86399,
  86400,
  951782399,
  951782400,
  951868800,
  1290079655,
  1547270400,
  2145916799,
  2145916800,
  2177452800,
  4102444800,
  4107542400,
  253402300799,
  12.75,
} do
  local text = ngx.http_time(sec)
  row("time " .. sec, text, ngx.cookie_time(sec), ngx.parse_http_time(text))
end
try("http_time", ngx.http_time, "x")
try("cookie_time", ngx.cookie_time)
try("parse_http_time", ngx.parse_http_time, 12)
for _, s in ipairs {
  "Sun, 06 Nov 1994 08:49:37 GMT",
  "Sunday, 06-Nov-94 08:49:37 GMT",
  "Sun Nov  6 08:49:37 1994",
  "Sun Nov 16 08:49:37 1994",
  "Thu, 29 Feb 2000 00:00:00 GMT",
  "Thu, 29 Feb 1900 00:00:00 GMT",
  "Thu, 29 Feb 2023 00:00:00 GMT",
  "Thu, 31 Apr 2023 00:00:00 GMT",
  "Thu, 18-Nov-10 11:27:35 GMT",
  "Thu, 18-Nov-69 11:27:35 GMT",
  "Thu, 18-Nov-70 11:27:35 GMT",
  "",
  "x",
  ",",
  "Sun,",
  "Sun, 06 Nov 1994",
  "Sun, 06 Nov 1994 24:49:37 GMT",
  "Sun, 06 Nov 1994 08:60:37 GMT",
  "Sun, 06 Nov 1994 08:49:61 GMT",
  "Sun, 6 Nov 1994 08:49:37 GMT",
  "Thu, 18-Nov-10 11:27:35 GM",
  "06 Nov 1994 08:49:37 GMT",
  "Sun,06 Nov 1994 08:49:37 GMT",
} do
  row("parse_http_time " .. s, ngx.parse_http_time(s))
end

-- regex -------------------------------------------------------------------------------------------------------------
local re = ngx.re
local cases = {
  { "hello, 1234", "([0-9])[0-9]+" },
  { "hello, 1234", "([a-z]+), (?<num>\\d+)(x)?" },
  { "hello", "(x)?(h)(y)?" },
  { "hello", "xyz" },
  { "", "" },
  { "abc", "" },
  { "a,b;c", "[,;]" },
  { "HELLO", "hello", "i" },
  { "a\nb", "^b", "m" },
  { "a\nb", "a.b", "s" },
  { "hello", "hel lo # comment", "x" },
  { "xabc", "abc", "a" },
  { "你好", "(.)", "u" },
  { "你好", "(.)", "U" },
  { "hello", "(?<a>h)(?<b>e)(?<c>z)?" },
  { "hello", "(?<n>x)|(?<n>h)", "D" },
  { "hello", "(?<n>h)(?<n>e)", "D" },
  { "hello world", "hello|hello world", "d" },
  { "hello world", "(hello)", "d" },
  { "aaa", "a*?" },
  { "foobar", "foo(?=bar)" },
  { "foobar", "(?<=foo)bar" },
  { "a1b22c333", "\\d+" },
  { "one two  three", "(\\w+)\\s*" },
  { "x", "(a)|(b)|(x)" },
  { "\0a\0", "\\x00(a)" },
  { 12345, "3(4)" },
  { true, "r(u)" },
}
local option_sets = { "", "o", "jo", "j" }
for _, case in ipairs(cases) do
  for _, more in ipairs(option_sets) do
    local options = (case[3] or "") .. more
    if not (options:find "d" and options:find "j") then
      local name = "re " .. tostring(case[1]) .. " " .. case[2] .. " " .. options
      try(name .. " match", re.match, case[1], case[2], options)
      try(name .. " find", re.find, case[1], case[2], options)
      for nth = -1, 4 do
        try(name .. " find " .. nth, re.find, case[1], case[2], options, nil, nth)
      end
      for _, pos in ipairs { -1, 0, 1, 2, 4, 6 } do
        local ctx = { pos = pos }
        if pos <= #tostring(case[1]) + 1 then
          try(name .. " pos " .. pos, re.match, case[1], case[2], options, ctx)
          try(name .. " pos find", re.find, case[1], case[2], options, { pos = pos })
          row(name .. " ctx", ctx.pos)
        end
      end
      local all = {}
      local iterator, err = re.gmatch(case[1], case[2], options)
      if iterator then
        for m in iterator do
          all[#all + 1] = m
        end
      end
      row(name .. " gmatch", all, err)
      for _, replacement in ipairs { "", "<$0>", "[$1|$2]", "${1}x", "$$", "a$1b${0}$$c" } do
        try(name .. " sub " .. replacement, re.sub, case[1], case[2], replacement, options)
        if not options:find "u" or case[2] ~= "" then
          try(name .. " gsub " .. replacement, re.gsub, case[1], case[2], replacement, options)
        end
      end
      try(name .. " gsub fn", re.gsub, case[1], case[2], function(m)
        return "(" .. show(m) .. ")"
      end, options)
    end
  end
end
try("re options", re.match, "a", "a", "q")
try("re options", re.find, "a", "a", "joH")
try("re options", re.gsub, "a", "a", "b", "jo!")
try("re nil", re.match, nil, "a")
try("re nil regex", re.match, "a", nil)
for _, bad in ipairs { "$", "a$", "${1", "$a", "${abc}", "${", "${}", "$ ", "$-", "$1$", "x${1x}" } do
  try("re template " .. bad, re.sub, "hello", "(l)", bad, "jo")
end
try("re res", re.match, "hello", "(h)(x)?", "jo", nil, { 9, 9, 9, 9, keep = 1 })
try("re replace number", re.sub, "hello", "l", 12)
try("re replace nil", re.sub, "hello", "l", nil)
try("re replace returns", re.gsub, "hello", "l", function()
  return 7
end)
try("re replace nil", re.gsub, "hello", "l", function() end)
try("re replace raises", re.gsub, "hello", "l", function()
  error("oops", 0)
end)
row("re long", ngx.md5((re.gsub(("ab"):rep(20000), "a", "[$0$0]", "jo"))))
for i = 1, 80 do
  local subject = random_text(i, "aabbc1 2,")
  for _, pattern in ipairs { "[ab]+", "(a)(b)?", "\\d*", "b*", "(?:a|b)(c)?|,", "\\b" } do
    try("re random " .. pattern, re.gsub, subject, pattern, "<$0:$1>", i % 2 == 0 and "jo" or "")
  end
end
do
  local split = require("ngx.re").split
  local subjects = { "", "a", "a,b,c,d", ",a,b,", ",,,", "a,,b", "abcd", "a1b2c", "  x  y " }
  for _, subject in ipairs(subjects) do
    for _, pattern in ipairs { ",", "", "(,)", "\\s*", "[,\\d]", "(\\d)|,", "x?" } do
      for _, max in ipairs { -1, 0, 1, 2, 3, 10 } do
        try("split " .. subject .. " " .. pattern .. " " .. max, split, subject, pattern, "jo", nil, max)
      end
      local ctx = { pos = 2 }
      try("split ctx " .. subject .. " " .. pattern, split, subject, pattern, nil, ctx)
      row("split ctx", ctx.pos)
      try("split res", split, subject, pattern, "j", nil, nil, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 })
    end
  end
  try("split bad", split, "a", ",", nil, nil, nil, "x")
  try("split options", split, "a", ",", "Q")
  try("re opt", require("ngx.re").opt, "x", 1)
end
emit("lines " .. lines)
