-- SPDX-License-Identifier: MIT
-- Boots a VM: declares the ABI, installs the module loader, builds the `ngx` table out of its installers, guards the globals.
-- Runs once per VM, on its thread, with the table that script/vm.cpp fills:
--   cdef worker await_mark embedded prefix cwd package_path package_cpath regex_cache_max_entries regex_match_limit is_cli
--   has_status env hides_env dicts ctxs thread timer capture
local host = ...

local ffi = require "ffi"

require("jit.opt").start("maxmcode=16384", "maxtrace=8000", "maxrecord=16000", "minstitch=3")

-- LuaJIT's own loaders first; ours must not be found under a user's module name.
local loaded = package.loaded
loaded["moonwire.abi"] = host.embedded("moonwire.abi")(host.cdef, host.worker, host.await_mark)
host.cdef = nil

--- Loads an embedded module by its name, once.
local function internal(name)
  local module = loaded[name]
  if module == nil then
    local chunk = host.embedded(name) or error("no embedded module " .. name)
    module = chunk(name, host)
    if module == nil then
      module = true
    end
    loaded[name] = module
  end
  return module
end

-- Installers `require` one another before the loader below is in place.
table.insert(package.loaders, 2, function(name)
  return host.embedded(name)
end)

ngx = {}
local installers = {
  "const",
  "fields",
  "phase",
  "worker",
  "log",
  "ctx",
  "encode",
  "ndk",
  "time",
  "regex",
  "coroutine",
  "thread",
  "timer",
  "shared",
  "var",
  "req",
  "resp",
  "flow",
  "location",
  "errlog",
  "pipe",
  "worker_thread",
  "socket",
  "udp",
  "req_socket",
}
for _, name in ipairs(installers) do
  internal("moonwire." .. name)(ngx, host)
end
loaded.ngx = ngx

require("moonwire.regex_cache").set_max_entries(host.regex_cache_max_entries)
ffi.C.mw_regex_set_match_limit(host.regex_match_limit)

table.remove(package.loaders, 2)
internal("moonwire.require")(ngx, host)
internal "moonwire.env"(host) -- LUA_PATH has been read
internal("moonwire.guard")(ngx, host)

if host.has_status then
  require "moonwire.status"
end
require "resty.core" -- there for code that looks for it in package.loaded

return internal "moonwire.fresh"
