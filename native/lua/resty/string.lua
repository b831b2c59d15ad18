-- SPDX-License-Identifier: MIT
-- resty.string: bytes as hexadecimal digits, digits as a number.
local ffi = require "ffi"
local byte, match = string.byte, string.match
local band, rshift = bit.band, bit.rshift

local _M = { _VERSION = "0.16" }

local digits = ffi.new("uint8_t[16]", { byte("0123456789abcdef", 1, 16) })
local room = 128
local buffer = ffi.new("uint8_t[?]", 2 * room)

--- Two lower-case digits for each byte.
function _M.to_hex(s)
  local n = #s
  local out = n > room and ffi.new("uint8_t[?]", 2 * n) or buffer
  for i = 0, n - 1 do
    local c = byte(s, i + 1)
    out[2 * i] = digits[rshift(c, 4)]
    out[2 * i + 1] = digits[band(c, 15)]
  end
  return ffi.string(out, 2 * n)
end

--- The number of a text of decimal digits, -1 of any other.
function _M.atoi(s)
  return match(s, "^%d+$") and tonumber(s) or -1
end

return _M
