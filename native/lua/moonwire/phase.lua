-- SPDX-License-Identifier: MIT
-- ngx.get_phase, ngx.is_subrequest, and the name by which each phase is told.
local abi = require "moonwire.abi"
local fields = require "moonwire.fields"

local C, W = abi.C, abi.W

local names = {
  [C.MW_PHASE_INIT] = "init",
  [C.MW_PHASE_INIT_WORKER] = "init_worker",
  [C.MW_PHASE_SET] = "set",
  [C.MW_PHASE_SERVER_REWRITE] = "server_rewrite",
  [C.MW_PHASE_REWRITE] = "rewrite",
  [C.MW_PHASE_ACCESS] = "access",
  [C.MW_PHASE_PRECONTENT] = "precontent",
  [C.MW_PHASE_CONTENT] = "content",
  [C.MW_PHASE_HEADER_FILTER] = "header_filter",
  [C.MW_PHASE_BODY_FILTER] = "body_filter",
  [C.MW_PHASE_LOG] = "log",
  [C.MW_PHASE_TIMER] = "timer",
  [C.MW_PHASE_EXIT_WORKER] = "exit_worker",
  [C.MW_PHASE_BALANCER] = "balancer",
}

return function(ngx)
  --- The phase that the calling code runs in.
  function ngx.get_phase()
    return names[W.phase] or error("no request ctx found", 2)
  end

  -- lua-nginx-module's own bits, which its core libraries compare with.
  local raw = {
    [C.MW_PHASE_SET] = 0x001,
    [C.MW_PHASE_REWRITE] = 0x002,
    [C.MW_PHASE_ACCESS] = 0x004,
    [C.MW_PHASE_CONTENT] = 0x008,
    [C.MW_PHASE_LOG] = 0x010,
    [C.MW_PHASE_HEADER_FILTER] = 0x020,
    [C.MW_PHASE_BODY_FILTER] = 0x040,
    [C.MW_PHASE_TIMER] = 0x080,
    [C.MW_PHASE_INIT_WORKER] = 0x100,
    [C.MW_PHASE_BALANCER] = 0x200,
    [C.MW_PHASE_EXIT_WORKER] = 0x2000,
    [C.MW_PHASE_SERVER_REWRITE] = 0x8000,
    [C.MW_PHASE_PRECONTENT] = 0x20000,
  }

  --- The phase as lua-nginx-module's number; nil in init.
  function ngx.get_raw_phase()
    return raw[W.phase]
  end

  fields.define("is_subrequest", function()
    return abi.request().is_subrequest ~= 0
  end)
end
