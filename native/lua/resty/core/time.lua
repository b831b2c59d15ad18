-- SPDX-License-Identifier: MIT
-- resty.core.time: the cached monotonic clock.
local W = require("moonwire.abi").W

local tonumber = tonumber

return {
  version = require("resty.core.base").version,
  --- Milliseconds of the monotonic clock.
  monotonic_msec = function()
    return tonumber(W.mono_ms)
  end,
  --- Seconds of the monotonic clock.
  monotonic_time = function()
    return tonumber(W.mono_ms) / 1000
  end,
}
