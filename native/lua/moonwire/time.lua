-- SPDX-License-Identifier: MIT
-- The clock of the `ngx` table: reads the worker's cached clocks, formats dates once per second, reads HTTP dates.
-- Nothing here parks; only update_time makes a syscall.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C, W = abi.C, abi.W
local ffi_string = ffi.string
local type, error, tonumber = type, error, tonumber
local floor = math.floor

-- The text of the last second asked for, for the local zone and for UTC.
local local_second, local_text = -1, nil
local utc_second, utc_text = -1, nil
local today_second, today_text = -1, nil

local function now()
  return tonumber(W.now_ms) / 1000
end

local function time()
  return floor(tonumber(W.now_ms) / 1000)
end

local function localtime()
  local second = time()
  if second ~= local_second then
    local_text = ffi_string(W.buf, C.mw_time_format_date(second, 1, W.buf))
    local_second = second
  end
  return local_text
end

local function utctime()
  local second = time()
  if second ~= utc_second then
    utc_text = ffi_string(W.buf, C.mw_time_format_date(second, 0, W.buf))
    utc_second = second
  end
  return utc_text
end

local function today()
  local second = time()
  if second ~= today_second then
    C.mw_time_format_date(second, 1, W.buf)
    today_text = ffi_string(W.buf, 10)
    today_second = second
  end
  return today_text
end

local function http_time(sec)
  if type(sec) ~= "number" then
    error("number argument only", 2)
  end
  return ffi_string(W.buf, C.mw_time_format_http(sec, W.buf))
end

local function cookie_time(sec)
  if type(sec) ~= "number" then
    error("number argument only", 2)
  end
  return ffi_string(W.buf, C.mw_time_format_cookie(sec, W.buf))
end

local function parse_http_time(s)
  if type(s) ~= "string" then
    error("string argument only", 2)
  end
  local sec = tonumber(C.mw_time_parse_http(s, #s))
  if sec < 0 then
    return nil
  end
  return sec
end

return function(ngx)
  ngx.now = now
  ngx.time = time
  ngx.today = today
  ngx.localtime = localtime
  ngx.utctime = utctime
  ngx.http_time = http_time
  ngx.cookie_time = cookie_time
  ngx.parse_http_time = parse_http_time
  ngx.update_time = function()
    C.mw_time_update()
  end
end
