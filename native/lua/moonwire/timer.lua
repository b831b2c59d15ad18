-- SPDX-License-Identifier: MIT
-- ngx.timer: callbacks that run later in light threads of their own.
local type, error, tonumber, select = type, error, tonumber, select

return function(ngx, host)
  local lib = host.timer
  local add = lib.add

  local function check(name, n, delay, callback)
    if n < 2 then
      error("expecting at least 2 arguments but got " .. n, 3)
    end
    local seconds = tonumber(delay)
    if not seconds then
      error("bad argument #1 to '" .. name .. "' (number expected, got " .. type(delay) .. ")", 3)
    end
    if type(callback) ~= "function" then
      error("bad argument #2 to '" .. name .. "' (Lua function expected)", 3)
    end
    return seconds
  end

  ngx.timer = {
    pending_count = lib.pending_count,
    running_count = lib.running_count,
    --- Runs callback(premature, ...) once after `delay` seconds. Returns 1, or nil and why not.
    at = function(...)
      local delay, callback = ...
      local seconds = check("at", select("#", ...), delay, callback)
      return add(seconds > 0 and seconds or 0, callback, false, select(3, ...)) -- a moment that has passed is now
    end,
    --- Runs callback(premature, ...) every `delay` seconds.
    every = function(...)
      local delay, callback = ...
      local seconds = check("every", select("#", ...), delay, callback)
      if seconds < 0.001 or seconds ~= seconds then
        error("delay cannot be zero", 2)
      end
      return add(seconds, callback, true, select(3, ...))
    end,
  }
end
