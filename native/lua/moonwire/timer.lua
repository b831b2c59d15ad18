-- SPDX-License-Identifier: MIT
-- ngx.timer: callbacks that run later in light threads of their own.
local type, error, tonumber = type, error, tonumber

return function(ngx, host)
  local lib = host.timer
  local add = lib.add

  local function check(delay, callback)
    local seconds = tonumber(delay)
    if not seconds then
      error("bad argument #1 to 'at' (number expected, got " .. type(delay) .. ")", 3)
    end
    if type(callback) ~= "function" then
      error("Lua function expected", 3)
    end
    return seconds
  end

  ngx.timer = {
    pending_count = lib.pending_count,
    running_count = lib.running_count,
    --- Runs callback(premature, ...) once after `delay` seconds. Returns 1, or nil and why not.
    at = function(delay, callback, ...)
      return add(check(delay, callback), callback, false, ...)
    end,
    --- Runs callback(premature, ...) every `delay` seconds.
    every = function(delay, callback, ...)
      local seconds = check(delay, callback)
      if seconds <= 0 then
        error("delay cannot be 0", 2)
      end
      return add(seconds, callback, true, ...)
    end,
  }
end
