-- SPDX-License-Identifier: MIT
-- `moonwire run`: one script with the whole non-blocking API and without a request, as `resty` runs it. Output goes to
-- standard output, os.exit ends the process, and the script's end waits for its timers. Runs in a LuaVm's worker, which
-- lives for this script alone, so changing globals here disturbs nobody.
local abi = require "moonwire.abi"

local select, tostring, type, unpack = select, tostring, type, unpack
local stdout = io.stdout

local function text_of(v)
  if type(v) ~= "table" then
    return v == ngx.null and "null" or tostring(v)
  end
  local parts = {}
  for i = 1, #v do
    parts[i] = text_of(v[i])
  end
  return table.concat(parts)
end

local function write_all(...)
  for i = 1, select("#", ...) do
    stdout:write(text_of((select(i, ...))))
  end
end

local function redirect_output()
  stdout:setvbuf "line"
  function print(...)
    for i = 1, select("#", ...) do
      stdout:write(i > 1 and "\t" or "", tostring((select(i, ...))))
    end
    stdout:write "\n"
  end
  function ngx.print(...)
    write_all(...)
    return 1
  end
  function ngx.say(...)
    write_all(...)
    stdout:write "\n"
    return 1
  end
  function ngx.flush()
    stdout:flush()
    return 1
  end
  function ngx.eof()
    return 1
  end
end

-- The C library's exit() would wait for this very thread.
local function replace_exit()
  rawset(os, "exit", function(code)
    if code == nil or code == true then
      code = 0
    elseif code == false then
      code = 1
    end
    abi.C.mw_process_exit(code)
  end)
end

local function wait_for_timers()
  local pause = 0.001
  while ngx.timer.pending_count() + ngx.timer.running_count() > 0 do
    ngx.sleep(pause)
    pause = math.min(pause * 2, 0.05)
  end
end

--- Runs code, or the file of that name, with `args` as `...` and as the table `arg`.
return function(is_code, text, args)
  redirect_output()
  replace_exit()
  local script, err
  if is_code then
    script, err = loadstring(text, "=(command line)")
  else
    script, err = loadfile(text)
  end
  if not script then
    error(err, 0)
  end
  args[0] = is_code and "-e" or text
  rawset(_G, "arg", args)
  script(unpack(args, 1, #args))
  wait_for_timers()
  stdout:flush()
end
