-- SPDX-License-Identifier: MIT
-- resty.limit.traffic: several limiters as one. Nothing is counted in any of them unless all let the request pass.
local max = math.max

local _M = { _VERSION = "0.09" }

-- What was counted in the last limiter and in the first ones up to `last` is taken back.
local function uncommit(limiters, keys, last)
  local n = #limiters
  for i = 1, last + 1 do
    local at = i <= last and i or n
    local ok, err = limiters[at]:uncommit(keys[at])
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
  local function ask(i, commit)
    local delay, state = limiters[i]:incoming(keys[i], commit)
    if not delay then
      return nil, state
    end
    if states then
      states[i] = state
    end
    longest = max(longest, delay)
    return true
  end
  for i = 1, n do
    local ok, err = ask(i, i == n)
    if not ok then
      return nil, err
    end
  end
  for i = 1, n - 1 do
    local ok, why = ask(i, true)
    if not ok then
      local is_undone, err = uncommit(limiters, keys, i - 1)
      return nil, is_undone and why or "failed to uncommit: " .. err
    end
  end
  return longest
end

return _M
