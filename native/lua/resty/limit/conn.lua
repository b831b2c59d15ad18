-- SPDX-License-Identifier: MIT
-- resty.limit.conn: requests of a key at the same time, counted in a shared dictionary. Whoever was counted in is counted
-- out by leaving, in the log phase as a rule.
local shared = ngx.shared
local setmetatable, assert, floor = setmetatable, assert, math.floor

local _M = { _VERSION = "0.09" }
local metatable = { __index = _M }

--- `most` at a time; up to `burst` more are delayed, by multiples of `delay` seconds (what a request is expected to take).
function _M.new(name, most, burst, delay)
  local dict = shared[name]
  if not dict then
    return nil, "shared dict not found"
  end
  assert(most > 0 and burst >= 0 and delay > 0)
  return setmetatable({ dict = dict, max = most, burst = burst, unit_delay = delay }, metatable)
end

--- Counts a request in, if `commit`.
-- @return the seconds to delay it and how many there are; or nil and "rejected" or an error
function _M.incoming(self, key, commit)
  local dict, most = self.dict, self.max
  self.committed = false
  local n, err
  if commit then
    n, err = dict:incr(key, 1, 0)
    if not n then
      return nil, err
    end
  else
    n = (dict:get(key) or 0) + 1
  end
  if n > most + self.burst then
    if commit then
      n, err = dict:incr(key, -1)
      if not n then
        return nil, err
      end
    end
    return nil, "rejected"
  end
  self.committed = commit and true or false
  if n > most then
    return self.unit_delay * floor((n - 1) / most), n
  end
  return 0, n
end

--- Whether the last incoming counted its request.
function _M.is_committed(self)
  return self.committed
end

--- Counts a request out; what it took in seconds betters the estimate for delays. Returns how many remain.
function _M.leaving(self, key, latency)
  local n, err = self.dict:incr(key, -1)
  if not n then
    return nil, err
  end
  if latency then
    self.unit_delay = (latency + self.unit_delay) / 2
  end
  return n
end

--- Takes back a request that incoming counted in.
function _M.uncommit(self, key)
  return self.dict:incr(key, -1)
end

function _M.set_conn(self, most)
  self.max = most
end

function _M.set_burst(self, burst)
  self.burst = burst
end

return _M
