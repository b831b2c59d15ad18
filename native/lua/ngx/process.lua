-- SPDX-License-Identifier: MIT
-- ngx.process: what kind of process this is. Workers are threads: the master's process is theirs too, and there is no
-- privileged agent, since every worker has the rights of the process.
local abi = require "moonwire.abi"

local C, W = abi.C, abi.W
local error = error

local _M = { version = require("resty.core.base").version }

--- "worker", or "master" while the configuration is being loaded.
function _M.type()
  return W.phase == C.MW_PHASE_INIT and "master" or "worker"
end

function _M.get_master_pid()
  return W.pid
end

--- Answers nil and why: there is none.
function _M.enable_privileged_agent()
  if W.phase ~= C.MW_PHASE_INIT then
    return nil, "API disabled in the current context"
  end
  return nil, "privileged agent is not supported"
end

--- Throws: a worker does not end alone.
function _M.signal_graceful_exit()
  error("not supported: workers are threads of one process, which SIGQUIT ends", 2)
end

return _M
