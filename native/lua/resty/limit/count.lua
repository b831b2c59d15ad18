-- SPDX-License-Identifier: MIT
-- resty.limit.count: so many requests of a key in a window of time that opens with its first; what is left of them is an
-- entry of a shared dictionary, which goes when the window closes.
local shared = ngx.shared
local setmetatable, assert = setmetatable, assert

local _M = { _VERSION = "0.09" }
local metatable = { __index = _M }

--- `limit` requests in `window` seconds. Returns nil and why not.
function _M.new(name, limit, window)
  local dict = shared[name]
  if not dict then
    return nil, "shared dict not found"
  end
  assert(limit > 0 and window > 0)
  return setmetatable({ dict = dict, limit = limit, window = window }, metatable)
end

--- Counts a request, if `commit`.
-- @return 0 and how many are left; or nil and "rejected" or an error
function _M.incoming(self, key, commit)
  local left, err
  if commit then
    left, err = self.dict:incr(key, -1, self.limit, self.window)
    if not left then
      return nil, err
    end
  else
    left = (self.dict:get(key) or self.limit) - 1
  end
  if left < 0 then
    return nil, "rejected"
  end
  return 0, left
end

--- Takes back a request that incoming counted. Returns how many are left.
function _M.uncommit(self, key)
  local left, err = self.dict:incr(key, 1)
  if not left then
    if err == "not found" then
      return self.limit
    end
    return nil, err
  end
  return left
end

return _M
