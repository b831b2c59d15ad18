-- SPDX-License-Identifier: MIT
-- ngx.base64: base64 in the URL-safe alphabet, without padding.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local get_buffer = require("moonwire.buffer").get

local C = abi.C
local ffi_string = ffi.string
local type = type
local floor = math.floor

local _M = { version = require("resty.core.base").version }

--- Encodes a string. Anything else gives nil, "must provide a string".
function _M.encode_base64url(s)
  if type(s) ~= "string" then
    return nil, "must provide a string"
  end
  local len = #s
  local buf = get_buffer(floor((len + 2) / 3) * 4)
  return ffi_string(buf, C.mw_escape_base64(s, len, 1, 0, buf))
end

--- Decodes a string, or returns nil, "invalid input".
function _M.decode_base64url(s)
  if type(s) ~= "string" then
    return nil, "must provide a string"
  end
  local len = #s
  local buf = get_buffer(floor((len + 3) / 4) * 3)
  local n = C.mw_escape_unbase64(s, len, 1, buf)
  if n < 0 then
    return nil, "invalid input"
  end
  return ffi_string(buf, n)
end

return _M
