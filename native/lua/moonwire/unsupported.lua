-- SPDX-License-Identifier: MIT
-- What cannot cross between VMs, in lua-nginx-module's words.
local type, pairs = type, pairs

local names = {
  ["function"] = "LUA_TFUNCTION",
  thread = "LUA_TTHREAD",
  cdata = "LUA_TCDATA",
  userdata = "LUA_TUSERDATA",
}

local function find(value, seen)
  local kind = type(value)
  if kind == "table" then
    if seen[value] then
      return nil
    end
    seen[value] = true
    for key, item in pairs(value) do
      local name = find(key, seen) or find(item, seen)
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
  local name = find(value, {})
  return name and "unsupported Lua type: " .. name .. " in " .. where
end
