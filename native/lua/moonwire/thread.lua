-- SPDX-License-Identifier: MIT
-- ngx.thread and ngx.sleep. spawn, wait and kill are C functions: they move values between coroutines.
local abi = require "moonwire.abi"

local C, W, await = abi.C, abi.W, abi.await
local bit = require "bit"

local band = bit.band
local MAY_NOTICE = bit.bor(C.MW_PHASE_REWRITE, C.MW_PHASE_ACCESS, C.MW_PHASE_CONTENT)
local tonumber, type, error, select, ceil = tonumber, type, error, select, math.ceil

return function(ngx, host)
  local lib = host.thread
  local on_abort = lib.on_abort
  ngx.thread = { spawn = lib.spawn, wait = lib.wait, kill = lib.kill }
  local is_strict = W.is_strict_phases ~= 0
  local is_debug = abi.is_debug
  if is_strict then
    for name, f in pairs(ngx.thread) do
      ngx.thread[name] = function(...)
        abi.check_wait()
        return f(...)
      end
    end
  end

  --- Calls `f` when the client closes the connection while the handler runs (lua_check_client_abort on).
  function ngx.on_abort(f)
    if band(W.phase, MAY_NOTICE) == 0 then
      if W.phase == C.MW_PHASE_INIT then
        abi.refuse_no_request()
      end
      abi.refuse_phase()
    end
    return on_abort(f)
  end

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
    local ms = delay * 1000
    if not (ms > -1 and ms < 2 ^ 63) then -- what NaN and numbers beyond become, lua-nginx-module shows as 0
      error('invalid sleep duration "' .. (ms <= -1 and ms > -2 ^ 63 and ceil(ms) or 0) .. '"', 2)
    end
    if W.thread == nil or is_strict then
      abi.check_wait()
    end
    C.mw_thread_sleep(delay)
    await()
    if is_debug and delay < 0.001 then
      C.mw_thread_log_slept()
    end
  end
end
