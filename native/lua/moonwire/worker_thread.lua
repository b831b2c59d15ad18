-- SPDX-License-Identifier: MIT
-- ngx.run_worker_thread: checks the arguments, starts the task and waits for it.
local abi = require "moonwire.abi"
local unsupported = require "moonwire.unsupported"

local await = abi.await
local type, select = type, select

return function(ngx, host)
  local lib = host.worker_thread

  --- Calls `f` of `module` in a thread of `pool` with copies of the arguments. Returns true and the results, or false and why.
  function ngx.run_worker_thread(...)
    local n = select("#", ...)
    if n < 3 then
      return false, "expecting at least 3 arguments"
    end
    local pool, module, f = ...
    if type(pool) ~= "string" then
      return false, "threadpool should be a string"
    elseif type(module) ~= "string" then
      return false, "module name should be a string"
    elseif type(f) ~= "string" then
      return false, "function name should be a string"
    end
    for i = 4, n do
      local why = unsupported((select(i, ...)), "the argument")
      if why then
        return false, why
      end
    end
    abi.check_wait()
    local task, err = lib.start(...)
    if not task then
      return false, err
    end
    await()
    return lib.results(task)
  end
end
