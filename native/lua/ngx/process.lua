-- SPDX-License-Identifier: MIT
-- ngx.process: what kind of process this is. Workers are threads: the master's process is theirs too, and the privileged agent,
-- a worker that serves nobody, has just the rights that they have.
local abi = require "moonwire.abi"

local C, W = abi.C, abi.W
local error, type = error, type

local _M = { version = require("resty.core.base").version }

--- "worker", "privileged agent", or "master" while the configuration is being loaded.
function _M.type()
  if W.phase == C.MW_PHASE_INIT then
    return "master"
  end
  return W.worker_id < 0 and "privileged agent" or "worker"
end

function _M.get_master_pid()
  return W.process_pid
end

--- In init: beside the workers runs one more, for timers, that has no listening sockets. How many connections it may open is not
--- limited by the argument.
function _M.enable_privileged_agent(connections)
  if W.phase ~= C.MW_PHASE_INIT then
    return nil, "API disabled in the current context"
  end
  if connections ~= nil and (type(connections) ~= "number" or connections < 0) then
    return nil, "bad 'connections' argument: number expected and greater than 0"
  end
  C.mw_enable_privileged_agent()
  return true
end

--- Throws: a worker does not end alone.
function _M.signal_graceful_exit()
  error("not supported: workers are threads of one process, which SIGQUIT ends", 2)
end

return _M
