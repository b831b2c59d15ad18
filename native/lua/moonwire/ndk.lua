-- SPDX-License-Identifier: MIT
-- ndk.set_var: directives of the set_misc module that make one text of another, called as functions. Nothing here parks.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local buffer = require "moonwire.buffer"

local C, W = abi.C, abi.W
local ffi_string = ffi.string
local type, tostring, error, select = type, tostring, error, select

local function caller(call)
  return function(...)
    if select("#", ...) ~= 1 then
      error("expecting one argument", 2)
    end
    local text = ...
    if type(text) ~= "string" then
      text = text == nil and "" or tostring(text)
    end
    local len = #text
    local buf = buffer.get(tonumber(C.mw_set_misc_bound(call, len)))
    local n = tonumber(C.mw_set_misc_run(W.req, call, text, len, buf))
    if n < 0 then
      error("bad argument", 2)
    end
    return ffi_string(buf, n)
  end
end

local known = {}

local function lookup(_, name)
  local fn = known[name]
  if not fn then
    local text = tostring(name)
    local call = C.mw_set_misc_find(text, #text)
    if call < 0 then
      error('ndk.set_var: directive "' .. text .. '" not found or does not use ndk_set_var_value', 2)
    end
    fn = caller(call)
    known[name] = fn
  end
  return fn
end

return function()
  local ndk = { set_var = setmetatable({}, { __index = lookup }) }
  rawset(_G, "ndk", ndk)
  package.loaded.ndk = ndk
end
