-- SPDX-License-Identifier: MIT
-- Boots a VM of a thread pool (script/worker_thread_lib.cpp): the part of `ngx` that needs neither request nor event loop.
-- Returns the function that runs a task.
local host = ...

local loaded = package.loaded
loaded["moonwire.abi"] = host.embedded "moonwire.abi"(host.cdef, host.worker, host.await_mark)
table.insert(package.loaders, 2, function(name)
  return host.embedded(name)
end)

ngx = {}
for _, name in ipairs { "const", "fields", "worker", "log", "encode", "time", "regex", "shared" } do
  require("moonwire." .. name)(ngx, host)
end
loaded.ngx = ngx
table.remove(package.loaders, 2)
local function none() end
host.thread = { self = none, is_alive = none }
host.embedded "moonwire.require"()(ngx, host)
require "moonwire.env"(host)

local unsupported = require "moonwire.unsupported"
local type, pcall, select = type, pcall, select

local function finish(ok, ...)
  if not ok then
    local message = ...
    return false, type(message) == "string" and message or "unknown error"
  end
  for i = 1, select("#", ...) do
    local why = unsupported((select(i, ...)), "the return value")
    if why then
      return false, why
    end
  end
  return true, ...
end

return function(module, name, ...)
  if ngx.update_time then
    ngx.update_time()
  end
  local ok, loaded_module = pcall(require, module)
  if not ok then
    return false, loaded_module
  end
  local f = type(loaded_module) == "table" and loaded_module[name]
  if type(f) ~= "function" then
    return false, "function '" .. name .. "' not found in module '" .. module .. "'"
  end
  return finish(pcall(f, ...))
end
