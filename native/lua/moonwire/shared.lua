-- SPDX-License-Identifier: MIT
-- ngx.shared: a dictionary for each lua_shared_dict of the configuration.
local ffi = require "ffi"

return function(ngx, host)
  local open = require "moonwire.shdict"
  local dicts = {}
  for _, dict in ipairs(host.dicts) do
    dicts[dict[1]] = open(ffi.cast("mw_shdict_t *", dict[2]))
  end
  ngx.shared = dicts
end
