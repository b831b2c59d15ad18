-- SPDX-License-Identifier: MIT
-- resty.limit.req: requests per second of a key, as nginx's limit_req: a leaky bucket in a shared dictionary. An entry is
-- the time at which its bucket is empty, and goes by itself when it says nothing any more.
local shared, now = ngx.shared, ngx.now
local setmetatable, assert, max = setmetatable, assert, math.max

local _M = { _VERSION = "0.09" }
local metatable = { __index = _M }

--- `rate` requests per second; up to `burst` more are to be delayed. Returns nil and why not.
function _M.new(name, rate, burst)
  local dict = shared[name]
  if not dict then
    return nil, "shared dict not found"
  end
  assert(rate > 0 and burst >= 0)
  return setmetatable({ dict = dict, rate = rate, burst = burst }, metatable)
end

--- Counts a request, if `commit`.
-- @return the seconds to delay it and the requests above the rate; or nil and "rejected" or an error
function _M.incoming(self, key, commit)
  local dict, rate, time = self.dict, self.rate, now()
  local empty_at, err = dict:get(key)
  if err and not empty_at then
    return nil, err
  end
  local excess = empty_at and max((empty_at - time) * rate + 1, 0) or 0
  if excess > self.burst then
    return nil, "rejected"
  end
  if commit then
    local ok
    ok, err = dict:set(key, time + excess / rate, (excess + 1) / rate + 0.001)
    if not ok then
      return nil, err
    end
  end
  return excess / rate, excess
end

--- Takes back a request that incoming counted. Returns true, or nil and the reason.
function _M.uncommit(self, key)
  local rate = self.rate
  local empty_at, err = self.dict:get(key)
  if not empty_at then
    return nil, err or "not found"
  end
  local time = now()
  empty_at = max(empty_at - 1 / rate, time)
  local ok
  ok, err = self.dict:set(key, empty_at, empty_at - time + 1 / rate + 0.001)
  if not ok then
    return nil, err
  end
  return true
end

function _M.set_rate(self, rate)
  self.rate = rate
end

function _M.set_burst(self, burst)
  self.burst = burst
end

return _M
