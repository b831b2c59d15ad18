-- SPDX-License-Identifier: MIT
-- ngx.resp as a module: what it has beyond the table of the same name.
local abi = require "moonwire.abi"
local set_header = require("moonwire.resp").set_header

local C = abi.C
local error, tostring, tonumber = error, tostring, tonumber

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

  --- Sets the status and, where it is given, the text behind it in the status line.
  set_status = function(status, reason)
    local r = abi.request()
    local number = tonumber(status)
    if not number then
      error("number expected", 2)
    end
    if C.mw_resp_set_status(r, number) == C.MW_OK and reason ~= nil then
      local text = tostring(reason)
      C.mw_resp_set_reason(r, text, #text)
    end
  end,

  --- If-Match, If-Modified-Since and the others do not count for this response.
  bypass_if_checks = function()
    C.mw_resp_bypass_conditions(abi.request())
  end,
}
