-- SPDX-License-Identifier: MIT
-- What cosockets of every kind ask of their arguments, with lua-nginx-module's words. A socket is a table, so that modules may
-- keep fields in it; slot 1 holds the native object. That of a TCP socket may end with its request, and serve another then:
-- slot 2 holds its generation, 3 to 5 the timeouts for the one that takes its place.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C, W = abi.C, abi.W
local ffi_gc = ffi.gc
local type, tostring, error, pairs, concat = type, tostring, error, pairs, table.concat
local getinfo = debug.getinfo

local cosocket = {}

--- Gives a TCP socket a native object, which is closed, and returns that.
local function attach(self)
  local s = C.mw_sock_new()
  local generation = s.generation
  if generation == 0 then
    ffi_gc(s, C.mw_sock_free)
  end
  self[1], self[2] = s, generation ~= 0 and generation
  return s
end
cosocket.attach = attach

--- The native object of `self`.
local function current(self)
  local s, generation = self[1], self[2]
  if generation and s.generation ~= generation then
    s = attach(self)
    C.mw_sock_set_timeouts(s, self[3], self[4], self[5])
  end
  return s
end
cosocket.current = current

--- The native object of a method's `self`; throws at the method's caller where code cannot wait.
function cosocket.handle(self, method)
  if W.thread == nil then
    abi.refuse_phase(1)
  end
  if type(self) ~= "table" or not self[1] then
    error("bad argument #1 to '" .. method .. "' (table expected, got " .. type(self) .. ")", 3)
  end
  return current(self)
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
