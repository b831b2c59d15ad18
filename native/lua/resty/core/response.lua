-- SPDX-License-Identifier: MIT
-- resty.core.response for code that requires it: the functions it would install are already there.
local abi = require "moonwire.abi"
local add_header = require("ngx.resp").add_header

local header = ngx.header

return {
  version = require("resty.core.base").version,
  --- Sets a response header, or adds a line to it where `no_override` is true. The first argument is of no account:
  --- lua-resty-core's function serves as a metatable's.
  set_resp_header = function(_, key, value, no_override)
    if no_override then
      return add_header(key, value)
    end
    abi.request() -- throws at the caller where there is none
    header[key] = value
  end,
}
