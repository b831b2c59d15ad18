-- SPDX-License-Identifier: MIT
-- What cannot cross between VMs, in lua-nginx-module's words.
local type, pairs = type, pairs

local names = {
  ["function"] = "LUA_TFUNCTION",
  thread = "LUA_TTHREAD",
  cdata = "LUA_TCDATA",
  userdata = "LUA_TUSERDATA",
}

local MAX_DEPTH = 100
local CIRCLE = "suspicious circular references, table depth exceed max depth: " .. MAX_DEPTH .. " in "

-- The name of a type in there that cannot cross, or true when the tables nest too deeply.
local function find(value, depth)
  local kind = type(value)
  if kind == "table" then
    if depth > MAX_DEPTH then
      return true
    end
    for key, item in pairs(value) do
      local name = find(key, depth + 1) or find(item, depth + 1)
      if name then
        return name
      end
    end
  elseif value ~= ngx.null then
    return names[kind]
  end
end

--- The complaint about `value`, or nil.
return function(value, where)
  local name = find(value, 1)
  if name == true then
    return CIRCLE .. where
  end
  return name and "unsupported Lua type: " .. name .. " in " .. where
end
