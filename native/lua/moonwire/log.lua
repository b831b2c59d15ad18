-- SPDX-License-Identifier: MIT
-- ngx.log and print: joins its arguments as lua-nginx-module does and writes "[lua] FILE:LINE: FUNC(): TEXT". A level that
-- is off costs one comparison.
local abi = require "moonwire.abi"

local C = abi.C
local type, tostring, tonumber, error, select, getmetatable = type, tostring, tonumber, error, select, getmetatable
local concat, getinfo = table.concat, debug.getinfo
local match = string.match
local null = require("cjson").null

-- Levels of `error` and getinfo below count from text_of and position_of: each is called by join or log, called by the user.
local function text_of(value, position, name)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "number" or kind == "nil" or kind == "boolean" then
    return tostring(value)
  elseif kind == "table" then
    local metatable = getmetatable(value)
    if type(metatable) == "table" and metatable.__tostring then
      return tostring(value)
    end
    error("bad argument #" .. position .. " to '" .. name .. "' (expected table to have __tostring metamethod)", 4)
  elseif value == null then
    return "null"
  end
  local why = "string, number, boolean, or nil expected, got " .. kind
  error("bad argument #" .. position .. " to '" .. name .. "' (" .. why .. ")", 4)
end

--- "FILE:LINE: FUNCTION(): " of the code that called ngx.log.
local function position_of()
  local info = getinfo(3, "Sln")
  if not info then
    return "[lua] "
  end
  local line = info.currentline > 0 and info.currentline or info.linedefined
  local text = "[lua] " .. match(info.short_src, "[^/\\]*$") .. ":" .. line .. ": "
  if info.namewhat ~= "" and info.what == "Lua" then
    text = text .. info.name .. "(): "
  end
  return text
end

local function join(name, from, ...)
  local n = select("#", ...)
  if n == 1 then
    return (text_of((...), from, name))
  end
  local parts = {}
  for i = 1, n do
    parts[i] = text_of((select(i, ...)), from + i - 1, name)
  end
  return concat(parts)
end

return function(ngx, host)
  local current = C.mw_log_level()
  local NOTICE = ngx.NOTICE

  function ngx.log(level, ...)
    if type(level) ~= "number" then
      level = tonumber(level)
        or error(
          "bad argument #1 to 'log' (number expected, got " .. (level == nil and "no value" or type(level)) .. ")",
          2
        )
    end
    if level > current then
      if level > 8 then
        error("bad argument #1 to 'log' (bad log level: " .. level .. ")", 2)
      end
      return
    end
    if level < 0 then
      error("bad argument #1 to 'log' (bad log level: " .. level .. ")", 2)
    end
    local text = position_of() .. join("log", 1, ...)
    C.mw_log_write(level, text, #text)
  end

  if host.is_cli then
    return -- `print` writes to standard output there
  end
  function print(...)
    if NOTICE > current then
      return
    end
    local text = position_of() .. join("print", 1, ...)
    C.mw_log_write(NOTICE, text, #text)
  end
end
