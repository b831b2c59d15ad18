-- SPDX-License-Identifier: MIT
-- ngx.req as a module: what it has beyond the table of the same name.
local abi = require "moonwire.abi"
local set_header = require("moonwire.req").set_header

local type, error = type, error

return {
  version = require("resty.core.base").version,
  --- Adds a header line to the request; a table adds one line for each of its items.
  add_header = function(name, value)
    local r = abi.request()
    if name == nil then
      error("bad 'name' argument: string expected, got nil", 2)
    elseif value == nil then
      error("bad 'value' argument: string or table expected, got nil", 2)
    elseif type(value) == "table" and #value == 0 then
      error("bad 'value' argument: non-empty table expected", 2)
    end
    set_header(r, name, value, true)
  end,
}
