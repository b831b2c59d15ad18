-- SPDX-License-Identifier: MIT
-- resty.random: random bytes of the process's OpenSSL.
local ffi = require "ffi"

ffi.cdef [[
int RAND_bytes(unsigned char *buf, int num);
]]

local _M = { _VERSION = "0.16" }

--- `len` bytes fit for keys, or nil. The second argument of other implementations (`strong`) changes nothing here.
function _M.bytes(len)
  local buf = ffi.new("unsigned char[?]", len)
  if ffi.C.RAND_bytes(buf, len) ~= 1 then
    return nil
  end
  return ffi.string(buf, len)
end

return _M
