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

  fields.define("is_subrequest", function()
    return abi.request().is_subrequest ~= 0
  end)
end
