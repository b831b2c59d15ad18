-- SPDX-License-Identifier: MIT
-- resty.core.regex for code that requires it: ngx.re is there already; what is told of its caches and buffers.
local cache = require "moonwire.regex_cache"

return {
  version = require("resty.core.base").version,
  --- No effect: the replacement buffer grows by itself.
  set_buf_grow_ratio = function() end,
  is_regex_cache_empty = function()
    return not cache.has_cached()
  end,
}
