-- SPDX-License-Identifier: MIT
-- ngx.log and print: joins its arguments as lua-nginx-module does and writes "[lua] FILE:LINE: FUNC(): TEXT". A level that is
-- off costs one comparison.
local abi = require "moonwire.abi"

local C = abi.C
local type, tostring, error, select, getmetatable = type, tostring, error, select, getmetatable
local concat, getinfo = table.concat, debug.getinfo
local match = string.match

local function text_of(value, position, name)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "nil" or kind == "boolean" or kind == "number" then
    return tostring(value)
  elseif kind == "userdata" and value == ngx.null then
    return "null"
  elseif kind == "table" then
    local metatable = getmetatable(value)
    if metatable and metatable.__tostring then
      return tostring(value)
    end
  end
  error("bad argument #" .. position .. " to '" .. name .. "' (expected table to have __tostring metamethod)", 4)
end

--- Source position of the caller at `level`, as the log shows it.
local function position(level)
  local info = getinfo(level + 1, "Sln")
  if not info then
    return ""
  end
  local file = match(info.short_src, "([^/]*)$")
  local text = "[lua] " .. file .. ":" .. (info.currentline > 0 and info.currentline or 0) .. ": "
  if info.name then
    text = text .. info.name .. "(): "
  end
  return text
end

local function join(name, from, ...)
  local n = select("#", ...)
  if n == 1 then
    return text_of((...), from, name)
  end
  local parts = {}
  for i = 1, n do
    parts[i] = text_of((select(i, ...)), from + i - 1, name)
  end
  return concat(parts)
end

return function(ngx, host)
  local current = C.mw_log_level()

  function ngx.log(level, ...)
    if type(level) ~= "number" then
      error("bad argument #1 to 'log' (number expected, got " .. type(level) .. ")", 2)
    end
    if level < 0 or level > 8 then
      error("bad log level: " .. level, 2)
    end
    if level > current then
      return
    end
    local text = position(2) .. join("log", 2, ...)
    C.mw_log_write(level, text, #text)
  end

  if host.is_cli then
    return -- `print` writes to standard output there
  end
  function print(...)
    if ngx.NOTICE > current then
      return
    end
    local n = select("#", ...)
    local parts = {}
    for i = 1, n do
      parts[i] = text_of((select(i, ...)), i, "print")
    end
    local text = position(2) .. concat(parts)
    C.mw_log_write(ngx.NOTICE, text, #text)
  end
end
