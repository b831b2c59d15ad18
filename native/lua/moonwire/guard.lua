-- SPDX-License-Identifier: MIT
-- The write guard of the globals: code of a request that creates a global variable is warned of in the error log, once per
-- place, in lua-nginx-module's words. init and init_worker may write freely.
local abi = require "moonwire.abi"

local C, W = abi.C, abi.W
local rawset, tostring, gsub = rawset, tostring, string.gsub
local getinfo, traceback = debug.getinfo, debug.traceback

-- The writer's stack; the wrapper around a handler is left out, as in the traceback of an error.
local function frames()
  return (gsub(traceback("", 3), "in function 'handler'\n\thandler:1: in function <handler:1>.*$", "in main chunk"))
end

return function(ngx)
  local QUIET = { [tonumber(C.MW_PHASE_INIT)] = true, [tonumber(C.MW_PHASE_INIT_WORKER)] = true }
  local seen = {}
  setmetatable(_G, {
    __newindex = function(globals, key, value)
      rawset(globals, key, value)
      if QUIET[W.phase] or ngx.WARN > C.mw_log_level() then
        return
      end
      local info = getinfo(2, "Sl")
      local where = info and (info.source .. ":" .. info.currentline) or "?"
      if seen[where] then
        return
      end
      seen[where] = true
      ngx.log(
        ngx.WARN,
        "writing a global Lua variable ('",
        tostring(key),
        "') which may lead to race conditions between ",
        "concurrent requests, so prefer the use of 'local' variables",
        frames()
      )
    end,
  })
end
