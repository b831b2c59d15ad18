-- SPDX-License-Identifier: MIT
-- Escaping, encoding and digests of the `ngx` table. Each function takes a borrowed Lua string through FFI and makes at
-- most one new string; nothing here parks. Argument checks and messages are those of lua-nginx-module.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local args = require "moonwire.args"
local buffer = require "moonwire.buffer"

local C, W = abi.C, abi.W
local ffi_string = ffi.string
local get_buffer = buffer.get
local type, error, tostring, select, tonumber = type, error, tostring, select, tonumber
local floor = math.floor

local DONE = C.MW_DONE
local COMPONENT = 2
local MAIL_AUTH = 6
local MAX_ARGS = 100

-- nil and false read as "", anything else by tostring.
local function to_text(s)
  if not s then
    return ""
  end
  return tostring(s)
end

-- luaL_checklstring: a string, or a number's text; else the argument error at the caller's caller.
local function check_text(s, position, name)
  local t = type(s)
  if t == "string" then
    return s
  end
  if t == "number" then
    return tostring(s)
  end
  if s == nil then
    t = "nil"
  end
  error("bad argument #" .. position .. " to '" .. name .. "' (string expected, got " .. t .. ")", 3)
end

local function escape_uri(s, kind)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  if kind == nil then
    kind = COMPONENT
  elseif type(kind) ~= "number" then
    error('"type" is not a number', 0) -- no position, as in resty.core
  elseif kind < 0 or kind > MAIL_AUTH then
    error('"type" ' .. kind .. " out of range", 0)
  end
  local len = #s
  local n = C.mw_escape_uri(s, len, kind, W.buf, W.buf_size)
  if n < 0 then
    if n == DONE then
      return s
    end
    error("no memory", 2)
  end
  if n <= W.buf_size then
    return ffi_string(W.buf, n)
  end
  local buf, size = get_buffer(n)
  C.mw_escape_uri(s, len, kind, buf, size)
  return ffi_string(buf, n)
end

local function unescape_uri(s)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  local len = #s
  local buf = get_buffer(len)
  local n = C.mw_escape_unescape_uri(s, len, buf)
  if n < 0 then
    return s
  end
  return ffi_string(buf, n)
end

local function encode_args(...)
  local count = select("#", ...)
  if count ~= 1 then
    error("expecting 1 argument but seen " .. count, 2)
  end
  local t = ...
  if type(t) ~= "table" then
    local name = debug.getinfo(1, "n").name or "?"
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(t) .. ")", 2)
  end
  local query = args.encode(t) -- no tail call: an error counts the frames up to its caller
  return query
end

local function decode_args(...)
  local count = select("#", ...)
  if count ~= 1 and count ~= 2 then
    error("expecting 1 or 2 arguments but seen " .. count, 2)
  end
  local s, max = ...
  if type(s) ~= "string" then
    s = check_text(s, 1, "decode_args")
  end
  if count == 1 then
    max = MAX_ARGS
  else
    local number = tonumber(max)
    if not number then
      error("bad argument #2 to 'decode_args' (number expected, got " .. type(max) .. ")", 2)
    end
    max = floor(number)
  end
  return args.parse(s, #s, max)
end

local function encode_base64(s, no_padding)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  if no_padding and no_padding ~= true then
    error("bad no_padding: boolean expected, got " .. type(no_padding), 2)
  end
  local len = #s
  local buf = get_buffer(floor((len + 2) / 3) * 4)
  local n = C.mw_escape_base64(s, len, 0, no_padding and 0 or 1, buf)
  if n < 0 then
    error("no memory", 2)
  end
  return ffi_string(buf, n)
end

local function decode_base64(s)
  if type(s) ~= "string" then
    error("string argument only", 2)
  end
  local len = #s
  local buf = get_buffer(floor((len + 3) / 4) * 3)
  local n = C.mw_escape_unbase64(s, len, 0, buf)
  if n < 0 then
    return nil
  end
  return ffi_string(buf, n)
end

local function decode_base64mime(s)
  if type(s) ~= "string" then
    error("string argument only", 2)
  end
  local len = #s
  local buf = get_buffer(floor((len + 3) / 4) * 3)
  local n = C.mw_escape_unbase64_mime(s, len, buf)
  if n < 0 then
    return nil
  end
  return ffi_string(buf, n)
end

local function quote_sql_str(...)
  if select("#", ...) ~= 1 then
    error("expecting one argument", 2)
  end
  local s = ...
  if type(s) ~= "string" then
    s = check_text(s, 1, "quote_sql_str")
  end
  local len = #s
  local n = C.mw_escape_sql(s, len, W.buf, W.buf_size)
  if n < 0 then
    error("no memory", 2)
  end
  if n <= W.buf_size then
    return ffi_string(W.buf, n)
  end
  local buf, size = get_buffer(n)
  C.mw_escape_sql(s, len, buf, size)
  return ffi_string(buf, n)
end

local function crc32(s)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  return C.mw_crypto_crc32(s, #s)
end

local function md5(s)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  C.mw_crypto_md5_hex(s, #s, W.buf)
  return ffi_string(W.buf, 32)
end

local function md5_bin(s)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  C.mw_crypto_md5(s, #s, W.buf)
  return ffi_string(W.buf, 16)
end

local function sha1_bin(s)
  if type(s) ~= "string" then
    s = to_text(s)
  end
  C.mw_crypto_sha1(s, #s, W.buf)
  return ffi_string(W.buf, 20)
end

local function hmac_sha1(...)
  local count = select("#", ...)
  if count ~= 2 then
    error("expecting 2 arguments, but got " .. count, 2)
  end
  local key, s = ...
  if type(key) ~= "string" then
    key = check_text(key, 1, "hmac_sha1")
  end
  if type(s) ~= "string" then
    s = check_text(s, 2, "hmac_sha1")
  end
  C.mw_crypto_hmac_sha1(key, #key, s, #s, W.buf)
  return ffi_string(W.buf, 20)
end

return function(ngx)
  ngx.escape_uri = escape_uri
  ngx.unescape_uri = unescape_uri
  ngx.encode_args = encode_args
  ngx.decode_args = decode_args
  ngx.encode_base64 = encode_base64
  ngx.decode_base64 = decode_base64
  ngx.decode_base64mime = decode_base64mime
  ngx.quote_sql_str = quote_sql_str
  ngx.crc32_short = crc32
  ngx.crc32_long = crc32
  ngx.md5 = md5
  ngx.md5_bin = md5_bin
  ngx.sha1_bin = sha1_bin
  ngx.hmac_sha1 = hmac_sha1
end
