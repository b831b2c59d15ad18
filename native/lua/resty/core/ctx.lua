-- SPDX-License-Identifier: MIT
-- resty.core.ctx for code that requires it: ngx.ctx as functions.
local W = require("moonwire.abi").W

local _M = { version = require("resty.core.base").version }

--- ngx.ctx; where it has not been used yet, `ctx` becomes it when given.
function _M.get_ctx_table(ctx)
  if ctx and W.thread ~= nil and W.thread.ctx_slot[0] == 0 then
    ngx.ctx = ctx
    return ctx
  end
  return ngx.ctx
end

function _M.set_ctx_table(ctx)
  ngx.ctx = ctx
end

return _M
