-- SPDX-License-Identifier: MIT
-- resty.lock: locks across workers, entries of a shared dictionary. Who waits asks again after pauses that grow. A lock
-- that is held when its object is collected is let go.
local shared, sleep = ngx.shared, ngx.sleep
local setmetatable, getmetatable, newproxy, tostring, min = setmetatable, getmetatable, newproxy, tostring, math.min
local random = math.random

local _M = { _VERSION = "0.09" }
local metatable = { __index = _M }

local DEFAULTS = { exptime = 30, timeout = 5, step = 0.001, ratio = 2, max_step = 0.5 }

--- A lock in the dictionary of that name. opts: exptime (30 s; then a lock goes by itself), timeout (5 s to wait), step,
--- ratio and max_step (the pauses: 0.001 s, then twice as long, up to 0.5 s). Returns nil and why not.
function _M.new(_, name, opts)
  local dict = shared[name]
  if not dict then
    return nil, "dictionary not found"
  end
  local self = { dict = dict }
  for option, default in pairs(DEFAULTS) do
    self[option] = opts and opts[option] or default
  end
  self.timeout = min(self.timeout, self.exptime)
  return setmetatable(self, metatable)
end

-- What lets a lock go when nobody can any more: only while the entry is still the one that was made for it.
local function guard(dict, key, token)
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = function()
    if dict:get(key) == token then
      dict:delete(key)
    end
  end
  return proxy
end

local function hold(self, key, token)
  self.key, self.token = key, token
  self.guard = guard(self.dict, key, token)
end

--- Takes the lock of a key, waiting for it when another has it.
-- @return how long that took in seconds; or nil and "locked" (this object holds one already), "timeout" or an error
function _M.lock(self, key)
  if not key then
    return nil, "nil key"
  end
  if self.key then
    return nil, "locked"
  end
  local dict, exptime = self.dict, self.exptime
  local token = tostring(self) .. ngx.now() .. random() -- workers are threads: an address is one object's alone
  local step, elapsed = self.step, 0
  while true do
    local ok, err = dict:add(key, token, exptime)
    if ok then
      hold(self, key, token)
      return elapsed
    elseif err ~= "exists" then
      return nil, err
    end
    local pause = min(step, self.timeout - elapsed, self.max_step)
    if pause <= 0 then
      return nil, "timeout"
    end
    sleep(pause)
    elapsed = elapsed + pause
    step = step * self.ratio
  end
end

local function let_go(self)
  local key, token = self.key, self.token
  if self.guard then
    getmetatable(self.guard).__gc = nil
  end
  self.key, self.token, self.guard = nil, nil, nil
  return key, token
end

--- Lets the lock go. Returns 1, or nil and "unlocked" when it is not held (any more).
function _M.unlock(self)
  if not self.key then
    return nil, "unlocked"
  end
  local dict = self.dict
  local key, token = let_go(self)
  if dict:get(key) ~= token then
    return nil, "unlocked"
  end
  local ok, err = dict:delete(key)
  if not ok then
    return nil, err
  end
  return 1
end

--- Gives a lock that is held a new time to live, `exptime` of new() unless said.
function _M.expire(self, time)
  if not self.key then
    return nil, "unlocked"
  end
  local dict = self.dict
  if dict:get(self.key) ~= self.token then
    let_go(self)
    return nil, "unlocked"
  end
  local ok, err = dict:replace(self.key, self.token, time or self.exptime)
  if not ok then
    return nil, err
  end
  return true
end

return _M
