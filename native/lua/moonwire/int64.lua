-- SPDX-License-Identifier: MIT
-- 64-bit integers between TypeScript and Lua: script/value_lua.cpp calls these, since LuaJIT's C API knows no cdata.
-- Loaded before a LuaVm's first call, once per VM; pure functions that never park.
local ffi = require "ffi"

local ffi_copy, istype = ffi.copy, ffi.istype
local tostring, byte = tostring, string.byte
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"
local signed, unsigned = ffi.new "int64_t[1]", ffi.new "uint64_t[1]"
local LETTER_C = 99

--- The cdata of eight bytes.
local function make(bytes, is_unsigned)
  local from = is_unsigned and unsigned or signed
  ffi_copy(from, bytes, 8)
  return from[0]
end

--- 1 for an int64_t, 2 for a uint64_t, 0 for any other cdata.
local function kind(x)
  local is_signed = istype(int64, x)
  if not is_signed and not istype(uint64, x) then
    return 0
  end
  if byte(tostring(x)) == LETTER_C then
    return 0
  end -- the type itself: "ctype<int64_t>"
  return is_signed and 1 or 2
end

return { make, kind }
