-- SPDX-License-Identifier: MIT
-- The environment as the `env` directive has it: os.getenv and the commands of os.execute and io.popen see `NAME=value`. The
-- process's own variables are left alone, since its threads and other servers in it share them. Where the command line is
-- nginx's (`hides_env`), os.getenv forgets those that are not named, except TZ; init_by_lua* still sees them, as in nginx.
local abi = require "moonwire.abi"

local W = abi.W
local INIT = tonumber(abi.C.MW_PHASE_INIT)
local find, gsub, match = string.find, string.gsub, string.match

-- `export A='x' B='y'; ` for the shell; empty when no value is given. Of a variable named twice the first counts.
local function prefix_of(values)
  local words = {}
  for name, value in pairs(values) do
    if type(value) == "string" and find(name, "^[%a_][%w_]*$") then
      words[#words + 1] = name .. "='" .. gsub(value, "'", "'\\''") .. "'"
    end
  end
  return words[1] and "export " .. table.concat(words, " ") .. "; " or ""
end

return function(host)
  local getenv, execute, popen = os.getenv, os.execute, io.popen
  local hides = host.hides_env
  if #host.env == 0 and not hides then
    return
  end

  -- By name: the value, or true for the process's own.
  local values = { TZ = true }
  for _, item in ipairs(host.env) do
    local name, value = match(item, "^([^=]*)=(.*)$")
    name = name or item
    local known = values[name]
    if (known == nil or (name == "TZ" and known == true)) and (value or getenv(item)) then
      values[name] = value or true
    end
  end

  function os.getenv(name)
    local kind = type(name)
    if kind ~= "string" and kind ~= "number" then
      error("bad argument #1 to 'getenv' (string expected, got " .. (name == nil and "no value" or kind) .. ")", 2)
    end
    local value = values[name]
    if value == nil and hides and W.phase ~= INIT then
      return nil
    end
    if value == nil or value == true then
      return getenv(name)
    end
    return value
  end

  local prefix = prefix_of(values)
  if prefix == "" then
    return
  end
  function os.execute(command)
    return execute(type(command) == "string" and prefix .. command or command)
  end
  function io.popen(command, mode)
    if type(command) == "string" then
      command = prefix .. command
    end
    return popen(command, mode)
  end
end
