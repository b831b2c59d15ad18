-- SPDX-License-Identifier: MIT
-- Runs the calls of the phase matrix where it is called from and writes what became of each into results.txt: "ended" when
-- the call did not return, "ok", or the error. calls.lua beside it returns the calls' sources.
local prefix = ngx.config.prefix()
local calls = dofile(prefix .. "calls.lua")

local function write(phase, i, text)
  local file = assert(io.open(prefix .. "results.txt", "a"))
  file:write(phase, "\t", i, "\t", (tostring(text):gsub("%s+", " ")), "\n")
  file:close()
end

local function run(phase, i)
  local call = assert(loadstring("local phase = ... " .. calls[i], "=call"))
  write(phase, i, "ended")
  local ok, err = pcall(call, phase)
  write(phase, i, ok and "ok" or err)
end

--- Runs call number `i`, or all of them, in `phase`.
return function(phase, i)
  if i then
    return run(phase, tonumber(i))
  end
  for n = 1, #calls do
    run(phase, n)
  end
end
