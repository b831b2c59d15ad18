-- SPDX-License-Identifier: MIT
-- resty.limit.traffic: several limiters as one. Nothing is counted in any of them unless all let the request pass.
local max = math.max

local _M = { _VERSION = "0.09" }

local function uncommit(limiters, keys, last)
  for i = 1, last do
    local ok, err = limiters[i]:uncommit(keys[i])
    if not ok then
      return nil, err
    end
  end
  return true
end

--- Asks limiters[i] about keys[i] for each i; states[i], when given, gets its second value.
-- @return the longest delay; or nil and "rejected" or an error
function _M.combine(limiters, keys, states)
  local n = #limiters
  local longest = 0
  for i = 1, n do
    local delay, state = limiters[i]:incoming(keys[i], i == n)
    if not delay then
      return nil, state
    end
    if states then
      states[i] = state
    end
    longest = max(longest, delay)
  end
  for i = 1, n - 1 do
    local delay, state = limiters[i]:incoming(keys[i], true)
    if not delay then
      local ok, err = uncommit(limiters, keys, i - 1)
      if ok then
        ok, err = limiters[n]:uncommit(keys[n])
      end
      return nil, ok and state or "failed to uncommit: " .. err
    end
    if states then
      states[i] = state
    end
    longest = max(longest, delay)
  end
  return longest
end

return _M
