-- SPDX-License-Identifier: MIT
-- resty.shell: a command with its input, output and end, over ngx.pipe. Both outputs are read and the input is written at the
-- same time, so that no order in which the command does so can hold it up.
local pipe = require "ngx.pipe"

local spawn, wait, kill = ngx.thread.spawn, ngx.thread.wait, ngx.thread.kill
local concat, sub = table.concat, string.sub

local _M = { version = "0.03" }

local DEFAULT_TIMEOUT = 10000
local DEFAULT_MOST = 128 * 1024
local SIGKILL, SIGTERM = 9, 15

-- Notes the first failure, and ends the process: by SIGTERM, a millisecond later by SIGKILL.
local function fail(run, why)
  if run.why then
    return
  end
  run.why = why
  local proc = run.proc
  proc:kill(SIGTERM)
  proc:set_timeouts(nil, nil, nil, 1)
  local _, reason = proc:wait()
  if reason == "timeout" then
    proc:kill(SIGKILL)
  end
end

-- Reads a stream to its end into the list `parts`.
local function read(run, stream, parts)
  local read_any = run.proc[stream .. "_read_any"]
  local room = run.most
  while true do
    local data, err = read_any(run.proc, room + 1) -- one more tells that there is too much
    if not data then
      return err ~= "closed" and fail(run, "failed to read " .. stream .. ": " .. err) or nil
    end
    parts[#parts + 1] = sub(data, 1, room)
    if #data > room then
      return fail(run, "failed to read " .. stream .. ": too much data")
    end
    room = room - #data
  end
end

local function write(run, stdin)
  local n, err = run.proc:write(stdin)
  if not n then
    return fail(run, "failed to write to stdin: " .. err)
  end
  run.proc:shutdown "stdin"
end

--- Runs a command: a text for the shell, or a list of a program and its arguments. `timeout` (10,000 ms) bounds each wait,
--- `max_size` (128 KB) each output. Returns true where it exited with 0, else false; what it wrote to stdout and stderr; "exit"
--- and its code, or "signal" and its number. Or nil, both outputs as far as they came, and why.
function _M.run(cmd, stdin, timeout, max_size)
  local proc, err = pipe.spawn(cmd)
  if not proc then
    return nil, nil, nil, "failed to spawn: " .. (err or "")
  end
  timeout = timeout or DEFAULT_TIMEOUT
  proc:set_timeouts(timeout, timeout, timeout, timeout)
  local run = { proc = proc, most = max_size or DEFAULT_MOST }
  local out, errors, writer = {}, {}, nil
  if stdin and stdin ~= "" then
    writer = spawn(write, run, stdin)
  else
    proc:shutdown "stdin"
  end
  local reader = spawn(read, run, "stderr", errors)
  read(run, "stdout", out)
  if not run.why then
    wait(reader)
  end
  if writer and not run.why then
    wait(writer)
  end
  if not run.why then
    local ok, reason, status = proc:wait()
    if ok ~= nil then
      return ok, concat(out), concat(errors), reason, status
    end
    fail(run, "failed to wait for process: " .. reason)
  end
  kill(reader)
  if writer then
    kill(writer)
  end
  return nil, concat(out), concat(errors), run.why
end

return _M
