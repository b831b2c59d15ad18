-- SPDX-License-Identifier: MIT
-- resty.http_headers: a table of header fields that is asked and set by names in any case, and keeps the case that a field
-- was first set with. Each has a metatable of its own, which holds the names.
local getmetatable, setmetatable, rawget, rawset, type = getmetatable, setmetatable, rawget, rawset, type
local lower = string.lower

local _M = { _VERSION = "0.17.2" }

local function find(self, name)
  if type(name) ~= "string" then
    return nil
  end
  local metatable = getmetatable(self)
  local low = lower(name)
  local known = metatable.names[low]
  local value = known and rawget(self, known)
  if value == nil and metatable.fallback then
    return metatable.fallback[name]
  end
  return value
end

local function set(self, name, value)
  local names = getmetatable(self).names
  local low = lower(name)
  local known = names[low]
  if not known then
    names[low], known = name, name
  end
  rawset(self, known, value)
end

--- An empty table of fields.
function _M.new()
  return setmetatable({}, { names = {}, __index = find, __newindex = set })
end

return _M
