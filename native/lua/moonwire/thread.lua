-- SPDX-License-Identifier: MIT
-- ngx.thread and ngx.sleep. spawn, wait and kill are C functions: they move values between coroutines.
local abi = require "moonwire.abi"

local C, W, await = abi.C, abi.W, abi.await
local tonumber, type, error, select, floor = tonumber, type, error, select, math.floor

return function(ngx, host)
  local lib = host.thread
  ngx.thread = { spawn = lib.spawn, wait = lib.wait, kill = lib.kill }

  --- Parks for `seconds` (resolution 1 ms); 0 lets everything else that is ready run first.
  function ngx.sleep(...)
    local n = select("#", ...)
    if n ~= 1 then
      error("attempt to pass " .. n .. " arguments, but accepted 1", 2)
    end
    local seconds = ...
    local delay = tonumber(seconds)
    if not delay then
      error("bad argument #1 to 'sleep' (number expected, got " .. type(seconds) .. ")", 2)
    end
    if delay < 0 then
      error('invalid sleep duration "' .. floor(delay * 1000) .. '"', 2)
    end
    if W.thread == nil then
      abi.refuse_phase()
    end
    C.mw_thread_sleep(delay)
    await()
  end
end
