-- SPDX-License-Identifier: MIT
-- ngx.semaphore: counting semaphores between the light threads of one worker.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C, W = abi.C, abi.W
local error, type, tonumber, setmetatable = error, type, tonumber, setmetatable

local semaphore = {}
local methods = {}
local metatable = { __index = methods }

--- Makes a semaphore with `n` resources (default 0).
function semaphore.new(n)
  n = tonumber(n) or 0
  if n < 0 then
    error("no negative number", 2)
  end
  local handle = ffi.gc(C.mw_semaphore_new(n), C.mw_semaphore_free)
  return setmetatable({ handle = handle }, metatable)
end

local function handle_of(sem)
  if type(sem) ~= "table" or type(sem.handle) ~= "cdata" then
    error("not a semaphore instance", 3)
  end
  return sem.handle
end

--- Takes a resource; parks up to `timeout` seconds for one. Returns true, or nil and "timeout".
function methods.wait(sem, timeout)
  local handle = handle_of(sem)
  local seconds = tonumber(timeout)
  if not seconds or seconds < 0 then
    error("no negative number", 2)
  end
  if W.thread == nil or W.is_strict_phases ~= 0 then
    abi.check_wait()
  end
  local rc = C.mw_semaphore_wait(handle, seconds)
  if rc == C.MW_AGAIN then
    rc = abi.await()
    if rc == C.MW_TIMEOUT then
      return false, "timeout" -- as lua-resty-core: false after a wait, nil at once
    end
  end
  if rc == C.MW_OK then
    return true
  end
  return nil, abi.message(rc)
end

--- Releases `n` resources (default 1).
function methods.post(sem, n)
  local handle = handle_of(sem)
  n = n == nil and 1 or tonumber(n)
  if not n or n < 1 then
    error("positive number required", 2)
  end
  C.mw_semaphore_post(handle, n)
  return true
end

--- Resources left, or minus the number of waiters.
function methods.count(sem)
  return C.mw_semaphore_count(handle_of(sem))
end

semaphore.version = "0.1.0"
return semaphore
