-- SPDX-License-Identifier: MIT
-- ngx.errlog: the lines of this worker's error log that lua_capture_error_log holds, and lines without the usual prefix.
local abi = require "moonwire.abi"

local C = abi.C
local type, error = type, error
local lib = require("moonwire.errlog").lib

local OFF = 'directive "lua_capture_error_log" is not set'
local DEFAULT_MAX = 10

local _M = { version = require("resty.core.base").version }

--- Lines above this level are not captured.
function _M.set_filter_level(level)
  if level == nil then
    return nil, [[missing "level" argument]]
  elseif type(level) ~= "number" or level < 0 or level > 8 then
    return nil, "bad log level: " .. level
  end
  if not lib.set_filter(level) then
    return nil, OFF
  end
  return true
end

--- Takes up to `max` captured lines, the oldest first: level, time and text of each in a row, in `into` when given.
function _M.get_logs(max, into)
  max = max or DEFAULT_MAX
  local logs = into or {}
  if max <= 0 then
    max = DEFAULT_MAX
  end
  local n = 0
  for _ = 1, max do
    local level, time, text = lib.take()
    if level == false then
      return nil, OFF
    elseif level == nil then
      break
    end
    logs[n + 1], logs[n + 2], logs[n + 3] = level, time, text
    n = n + 3
  end
  logs[n + 1] = nil
  return logs
end

--- The level of the error log.
function _M.get_sys_filter_level()
  return C.mw_log_level()
end

--- Writes `text` as it is.
function _M.raw_log(level, text)
  if type(level) ~= "number" then
    error("bad argument #1 to 'raw_log' (must be a number)", 2)
  elseif type(text) ~= "string" then
    error("bad argument #2 to 'raw_log' (must be a string)", 2)
  elseif level < 0 or level > 8 then
    error("bad log level", 2)
  end
  C.mw_log_write(level, text, #text)
end

return _M
