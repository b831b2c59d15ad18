-- SPDX-License-Identifier: MIT
-- What cosockets of every kind ask of their arguments, with lua-nginx-module's words. A socket is a table, so that modules may
-- keep fields in it; slot 1 holds the native object.
local abi = require "moonwire.abi"

local W = abi.W
local type, tostring, error, pairs, concat = type, tostring, error, pairs, table.concat
local getinfo = debug.getinfo

local cosocket = {}

--- The native object of a method's `self`; throws at the method's caller where code cannot wait.
function cosocket.handle(self, method)
  if W.thread == nil then
    abi.refuse_phase(1)
  end
  local s = type(self) == "table" and self[1]
  if not s then
    error("bad argument #1 to '" .. method .. "' (table expected, got " .. type(self) .. ")", 3)
  end
  return s
end

--- Throws, of an argument of the method that called this, in the words of Lua's own argument errors.
function cosocket.bad_argument(index, text)
  local info = getinfo(2, "n")
  if info.namewhat ~= "method" then
    index = index + 1
  end
  error("bad argument #" .. index .. " to '" .. (info.name or "?") .. "' (" .. text .. ")", 3)
end

-- Appends the texts of an array to parts[n + 1 ...]; returns the new n, or nil and the complaint.
local function flatten(parts, n, array)
  local most = 0
  for key in pairs(array) do
    if type(key) ~= "number" or key <= 0 then
      return nil, "non-array table found"
    end
    most = key > most and key or most
  end
  for i = 1, most do
    local value = array[i]
    local kind = type(value)
    if kind == "table" then
      local err
      n, err = flatten(parts, n, value)
      if not n then
        return nil, err
      end
    elseif kind == "string" or kind == "number" then
      n = n + 1
      parts[n] = value
    else
      return nil, "bad data type " .. kind .. " found"
    end
  end
  return n
end

--- What `send` sends of its argument: a string, a number, a boolean, nil, or an array of strings and numbers, nested as it
-- may be.
-- @return the text, or nil and the complaint
function cosocket.text(data)
  local kind = type(data)
  if kind == "string" then
    return data
  elseif kind == "table" then
    local parts = {}
    local n, err = flatten(parts, 0, data)
    if not n then
      return nil, err
    end
    return concat(parts, "", 1, n)
  elseif kind == "number" or kind == "boolean" or kind == "nil" then
    return tostring(data)
  end
  return nil, "string, number, boolean, nil, or array table expected, got " .. kind
end

return cosocket
