-- SPDX-License-Identifier: MIT
-- User coroutines over light threads. A wait inside a user coroutine comes out of the raw resume as the await mark; resume
-- yields it on to the scheduler and, woken, goes back in with what the scheduler gave. So a wait works at any depth.
-- yield and running are LuaJIT's own: a light thread's bare yield reaches the scheduler, which takes it as giving way.
local abi = require "moonwire.abi"

local AWAIT = abi.AWAIT
local raw_create, raw_resume, raw_yield, raw_status =
  coroutine.create, coroutine.resume, coroutine.yield, coroutine.status
local error, type, running, getinfo, band = error, type, coroutine.running, debug.getinfo, bit.band
local C, W = abi.C, abi.W
local POSITION_PHASES = C.MW_PHASE_INIT + C.MW_PHASE_HEADER_FILTER + C.MW_PHASE_BODY_FILTER

return function(_, host)
  -- Coroutines that resume refuses: light threads, which the scheduler enters here, and those that are inside a wait.
  local refused, failures = host.refused, host.failures
  local state_of = host.thread.state_of

  local settle

  local function status(co)
    if type(co) ~= "thread" then
      error("bad argument #1 to 'status' (coroutine expected)", 2)
    end
    local why = refused[co]
    if why == AWAIT then
      return "normal" -- its resumer waits on its behalf
    end
    local state = why and state_of(co)
    if state == "running" then
      local info = getinfo(co, 1, "f")
      return info and info.func == settle and "normal" or state -- waits on behalf of a user coroutine
    end
    return state or raw_status(co)
  end

  local resume

  function settle(co, ...)
    local ok, mark = ...
    if mark == AWAIT and ok then
      refused[co] = AWAIT
      return resume(co, raw_yield(AWAIT))
    end
    if not ok and mark == "cannot resume running coroutine" and raw_status(co) == "normal" then
      return false, "cannot resume normal coroutine"
    end
    return ...
  end

  -- The scheduler's values go back into a wait.
  function resume(co, ...)
    refused[co] = nil
    return settle(co, raw_resume(co, ...))
  end

  local function public_resume(co, ...)
    if type(co) ~= "thread" then
      error("bad argument #1 to 'resume' (coroutine expected)", 2)
    end
    if refused[co] then
      return false, "cannot resume " .. status(co) .. " coroutine"
    end
    return settle(co, raw_resume(co, ...))
  end

  -- An error comes out of a wrapped coroutine as it is, except where lua-nginx-module leaves wrap to Lua: there with the
  -- caller's position in front. The log shows the wrapped coroutine's stack too.
  local function unwrap(co, ok, ...)
    if ok then
      return ...
    end
    local message = ...
    if band(W.phase, POSITION_PHASES) ~= 0 and type(message) == "string" then
      local info = getinfo(2, "Sl")
      if info and info.currentline > 0 then
        message = info.short_src .. ":" .. info.currentline .. ": " .. message
      end
    end
    failures[running() or failures] = { co, message }
    error(message, 0)
  end

  -- A resume takes C stack, which LuaJIT does not count.
  local function check_depth()
    if C.mw_thread_is_deep() ~= 0 then
      error("stack overflow", 3)
    end
  end

  coroutine.resume = public_resume
  coroutine.status = status

  function coroutine.wrap(f)
    if type(f) ~= "function" then
      error("bad argument #1 to 'wrap' (Lua function expected)", 2)
    end
    check_depth()
    local co = raw_create(f)
    return function(...)
      return unwrap(co, public_resume(co, ...))
    end
  end

  function coroutine.create(f)
    if type(f) ~= "function" then
      error("bad argument #1 to 'create' (Lua function expected)", 2)
    end
    check_depth()
    return raw_create(f)
  end
end
