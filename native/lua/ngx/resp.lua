-- SPDX-License-Identifier: MIT
-- ngx.resp as a module: what it has beyond the table of the same name.
local abi = require "moonwire.abi"
local set_header = require("moonwire.resp").set_header

local error, tostring = error, tostring

return {
  version = require("resty.core.base").version,
  --- Adds a header line to the response; a table adds one line for each of its items.
  add_header = function(name, value)
    local r = abi.request()
    if value == nil then
      error("invalid header value", 2)
    end
    set_header(r, tostring(name), value, true)
  end,
}
