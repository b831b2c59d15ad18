-- SPDX-License-Identifier: MIT
-- resty.core.request for code that requires it: the functions it would install are already there.
local abi = require "moonwire.abi"
local add_header = require("ngx.req").add_header
local set_header = require("moonwire.req").set_header

local error = error

return {
  version = require("resty.core.base").version,
  --- Sets a request header, or adds a line to it where `override` is false; a table stands for one line for each of its items.
  set_req_header = function(name, value, override)
    if not override then
      return add_header(name, value)
    end
    local r = abi.request()
    if name == nil then
      error("bad 'name' argument: string expected, got nil", 2)
    end
    set_header(r, name, value, false)
  end,
}
