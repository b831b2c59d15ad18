-- SPDX-License-Identifier: MIT
-- User coroutines over light threads. A wait inside a user coroutine comes out of the raw resume as the await mark; resume
-- yields it on to the scheduler and, woken, goes back in with what the scheduler gave. So a wait works at any depth.
local abi = require "moonwire.abi"

local C, AWAIT = abi.C, abi.AWAIT
local raw_create, raw_resume, raw_yield = coroutine.create, coroutine.resume, coroutine.yield
local raw_running, raw_status = coroutine.running, coroutine.status
local error, type, setmetatable = error, type, setmetatable

-- Coroutines that user code made, and those of them that are inside a wait.
local made = setmetatable({}, { __mode = "k" })
local waiting = setmetatable({}, { __mode = "k" })

local resume

local function settle(co, ok, mark, ...)
  if mark == AWAIT and ok then
    waiting[co] = true
    return resume(co, AWAIT, raw_yield(AWAIT))
  end
  return ok, mark, ...
end

-- `token` is AWAIT when the scheduler's values go back into a wait, and then not passed on.
function resume(co, token, ...)
  if token == AWAIT then
    waiting[co] = nil
    return settle(co, raw_resume(co, ...))
  end
  return settle(co, raw_resume(co, token, ...))
end

local function public_resume(co, ...)
  if type(co) ~= "thread" then
    error("bad argument #1 to 'resume' (coroutine expected)", 2)
  end
  if waiting[co] then
    return false, "cannot resume running coroutine"
  end
  if not made[co] then
    return false, raw_status(co) == "dead" and "cannot resume dead coroutine" or "cannot resume non-suspended coroutine"
  end
  return settle(co, raw_resume(co, ...))
end

local function create(f)
  if type(f) ~= "function" then
    error("bad argument #1 to 'create' (Lua function expected)", 2)
  end
  local co = raw_create(f)
  made[co] = true
  return co
end

local function unwrap(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

return function(_, host)
  local is_light = host.thread.is_light

  coroutine.create = create
  coroutine.resume = public_resume

  function coroutine.wrap(f)
    local co = create(f)
    return function(...)
      return unwrap(public_resume(co, ...))
    end
  end

  --- Inside a user coroutine: back to its resumer. In a light thread itself: behind everything that is ready.
  function coroutine.yield(...)
    local co = raw_running()
    if co and made[co] then
      return raw_yield(...)
    end
    if co and is_light(co) then
      C.mw_thread_yield()
      raw_yield(AWAIT)
      return
    end
    return raw_yield(...)
  end

  function coroutine.status(co)
    if waiting[co] then
      return "normal"
    end
    return raw_status(co)
  end
end
