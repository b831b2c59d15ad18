-- SPDX-License-Identifier: MIT
-- resty.core.regex for code that requires it: ngx.re is there already; what is told of its caches and buffers, and matching in
-- three steps: re_match_compile, ffi.C.ngx_http_lua_ffi_exec_regex, collect_captures.
local ffi = require "ffi"
local cache = require "moonwire.regex_cache"
local regex = require "moonwire.regex"

local find = string.find
local pairs = pairs

ffi.cdef("typedef $ ngx_http_lua_regex_t;", ffi.typeof "mw_regex_t")
ffi.cdef [[
int ngx_http_lua_ffi_exec_regex(ngx_http_lua_regex_t *re, int flags, const unsigned char *s, size_t len, int pos);
]]

local FLAGS = { o = 0x01, d = 0x02, j = 0x04, D = 0x08 }

local function flags_of(options)
  local flags = 0
  for letter, flag in pairs(FLAGS) do
    if find(options, letter, 1, true) then
      flags = flags + flag
    end
  end
  return flags
end

return {
  version = require("resty.core.base").version,
  --- No effect: the replacement buffer grows by itself.
  set_buf_grow_ratio = function() end,
  is_regex_cache_empty = function()
    return not cache.has_cached()
  end,

  --- A compiled pattern: a cdata with `captures`, `ncaptures` and `name_count`.
  -- @return it, whether it is compiled once, and the flags for the two other steps; or nil and what is wrong
  re_match_compile = function(pattern, options)
    local compiled, err = cache.get(pattern, options)
    if not compiled then
      return nil, err
    end
    local flags = flags_of(options or "")
    return compiled.handle, flags % 2 == 1, flags
  end,

  --- The captures of the match that has returned `rc`, as ngx.re.match has them.
  collect_captures = function(handle, rc, subject, flags, res)
    return regex.collect(cache.described(handle, flags), rc, subject, res)
  end,
}
