-- SPDX-License-Identifier: MIT
-- Query strings both ways, for ngx.decode_args / encode_args and for the argument functions of ngx.req.
-- Pure functions on the calling VM; they never park.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local buffer = require "moonwire.buffer"
local string_buffer = require "string.buffer"
local unroll = require "moonwire.unroll"

local C, W = abi.C, abi.W
local ffi_new, ffi_string = ffi.new, ffi.string
local get_buffer = buffer.get
local type, pairs, error, tonumber, tostring = type, pairs, error, tonumber, tostring

local BATCH = 64
local NO_MEMORY = C.MW_NO_MEMORY
local COMPONENT = 2
local AMPERSAND = 38

local batch = ffi_new("mw_arg[?]", BATCH)
local rest_ptr = ffi_new("size_t[1]")
local char_ptr = ffi.typeof "const char *"
local out = string_buffer.new()

local args = {}

--- A limit as lua-nginx-module takes it, an int: the whole part of `max`; 0, none, for less than 1, NaN and what is too large.
function args.limit(max)
  return max >= 1 and max < 2147483648 and max - max % 1 or 0
end

--- Puts argument `i` of the batch into `result`.
local function add(result, _, i)
  local arg = batch[i]
  if arg.key_size == 0 then
    return
  end
  local key = ffi_string(arg.key, arg.key_size)
  local value = true
  if arg.value ~= nil then
    value = ffi_string(arg.value, arg.value_size)
  end
  local old = result[key]
  if old == nil then
    result[key] = value
  elseif type(old) == "table" then
    old[#old + 1] = value
  else
    result[key] = { old, value }
  end
end

--- Adds the next batch of arguments behind `offset`, of which `count` have been added; where the batch ends, and the new count.
local function add_batch(result, base, len, text, offset, count, max)
  local want = BATCH
  if max > 0 and max - count < want then
    want = max - count
  end
  local n = C.mw_escape_parse_args(base + offset, len - offset, text + offset, batch, want, rest_ptr)
  unroll(n, add, result)
  return offset + tonumber(rest_ptr[0]), count + n
end

--- Splits a query string into a table: a key seen again collects its values in a list, one without `=` is true.
-- @param src a string, or a pointer with `len`
-- @param max arguments at most, see args.limit; 0: all
-- @param into table to fill (optional)
-- @return the table, and "truncated" when arguments were left out
function args.parse(src, len, max, into)
  max = args.limit(max)
  local result = into or {}
  if len == 0 then
    return result
  end
  local text = get_buffer(len)
  local base = ffi.cast(char_ptr, src)
  local offset, count = add_batch(result, base, len, text, 0, 0, max)
  if offset < len and count ~= max then
    repeat
      offset, count = add_batch(result, base, len, text, offset, count, max)
    until offset >= len or count == max
  end
  if max > 0 and count == max and (offset < len or base[len - 1] == AMPERSAND) then
    abi.debug("lua hit query args limit %d", max)
    return result, "truncated"
  end
  return result
end

local function put_escaped(s)
  local len = #s
  local n = C.mw_escape_uri(s, len, COMPONENT, W.buf, W.buf_size)
  if n < 0 then
    if n == NO_MEMORY then
      error("no memory", 4)
    end
    out:put(s)
    return
  end
  local buf, size = W.buf, W.buf_size
  if n > size then
    buf, size = get_buffer(n)
    C.mw_escape_uri(s, len, COMPONENT, buf, size)
  end
  out:putcdata(buf, n)
end

local function put_pair(key, value, value_type, is_first)
  if value_type == "boolean" then
    if not value then
      return is_first
    end
    if not is_first then
      out:put("&")
    end
    put_escaped(key)
    return false
  end
  if value_type == "number" then
    value = tostring(value)
  elseif value_type ~= "string" then
    error("attempt to use " .. value_type .. " as query arg value", 4)
  end
  if not is_first then
    out:put("&")
  end
  put_escaped(key)
  out:put("=")
  put_escaped(value)
  return false
end

--- The query string of a table: true stands for a key alone, false for nothing, a list for the key repeated.
-- Errors (a key that is not a string, a value of a wrong type) are thrown at the caller's caller.
function args.encode(t)
  out:reset()
  local is_first = true
  for key, value in pairs(t) do
    if type(key) ~= "string" then
      error('attempt to use a non-string key in the "args" option table', 3)
    end
    local value_type = type(value)
    if value_type == "table" then
      for _, item in pairs(value) do
        is_first = put_pair(key, item, type(item), is_first)
      end
    else
      is_first = put_pair(key, value, value_type, is_first)
    end
  end
  return out:get()
end

return args
