-- SPDX-License-Identifier: MIT
-- Holds the C functions of captured lines for ngx/errlog.lua, which is loaded when somebody requires it.
local M = {}

return setmetatable(M, {
  __call = function(_, _, host)
    M.lib = host.errlog
  end,
})
