-- SPDX-License-Identifier: MIT
-- ngx.worker and ngx.config: which worker this is, and how it was built and started.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local W = abi.W

return function(ngx, host)
  local all_pids = host.pids and ffi.cast("int32_t *", host.pids)
  ngx.worker = {
    exiting = function()
      return W.exiting ~= 0
    end,
    pid = function()
      return W.pid
    end,
    pids = function()
      local pids = {}
      for i = 1, W.worker_count do
        local pid = all_pids and all_pids[i - 1] or W.pid
        if pid ~= 0 then -- 0: it has not started
          pids[#pids + 1] = pid
        end
      end
      return pids
    end,
    count = function()
      return W.worker_count
    end,
    -- The privileged agent has none.
    id = function()
      return W.worker_id >= 0 and W.worker_id or nil
    end,
  }

  local prefix = host.prefix
  ngx.config = {
    subsystem = "http",
    debug = false,
    nginx_version = 1029002,
    ngx_lua_version = 10029,
    prefix = function()
      return prefix
    end,
    nginx_configure = function()
      return " --with-moonwire --arch=" .. ffi.arch
    end,
  }
end
