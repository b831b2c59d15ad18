-- SPDX-License-Identifier: MIT
-- `moonwire run`: a script with the whole non-blocking API and without a request, as `resty` runs it. Output goes to standard
-- output, os.exit and ngx.exit end the process. Runs in a LuaVm's worker, which lives for this script alone, so changing
-- globals here disturbs nobody.
local abi = require "moonwire.abi"

local select, tostring, type, unpack = select, tostring, type, unpack
local concat = table.concat
local stdout = io.stdout

local BROKEN_PIPE = 32 -- EPIPE
local EXIT_BROKEN_PIPE = 141 -- as a shell reports SIGPIPE, which the process ignores

local function text_of(v)
  if type(v) ~= "table" then
    return v == ngx.null and "null" or tostring(v)
  end
  local parts = {}
  for i = 1, #v do
    parts[i] = text_of(v[i])
  end
  return concat(parts)
end

--- Writes to standard output; the process ends when nobody reads it any more.
local function write(text)
  local ok, err, code = stdout:write(text)
  if ok then
    return 1
  elseif code == BROKEN_PIPE then
    abi.C.mw_process_exit(EXIT_BROKEN_PIPE)
  end
  return nil, err
end

local function texts_of(...)
  local parts = { ... }
  for i = 1, select("#", ...) do
    parts[i] = text_of(parts[i])
  end
  return concat(parts)
end

local function redirect_output()
  stdout:setvbuf "line"
  function print(...)
    local parts, n = { ... }, select("#", ...)
    for i = 1, n do
      parts[i] = tostring(parts[i])
    end
    write(concat(parts, "\t", 1, n) .. "\n")
  end
  function ngx.print(...)
    return write(texts_of(...))
  end
  function ngx.say(...)
    return write(texts_of(...) .. "\n")
  end
  function ngx.flush()
    stdout:flush()
    return 1
  end
  function ngx.eof()
    return 1
  end
end

--- Ends the process. (The C library's exit() would wait for this very thread.)
local function exit(code)
  if code == nil or code == true then
    code = 0
  elseif code == false then
    code = 1
  elseif type(code) ~= "number" then
    error("bad argument #1 to 'exit' (number expected, got " .. type(code) .. ")", 2)
  end
  abi.C.mw_process_exit(code)
end

--- Compiles the chunks of -e, or the file of that name.
local function load(codes, file)
  local chunks = {}
  for i, code in ipairs(codes ~= ngx.null and codes or {}) do
    local chunk, err = loadstring(code, "=(command line)")
    chunks[i] = chunk or error(err, 0)
  end
  if #chunks > 0 then
    return chunks
  end
  local chunk, err
  if file == "-" then
    chunk, err = loadfile()
  else
    chunk, err = loadfile(file)
  end
  return { chunk or error(err, 0) }
end

local run = {}

--- Runs `codes`, or `file` where that is null, with `args` as `...` and as the table `arg`, the `libraries` loaded before.
function run.script(codes, file, libraries, args)
  redirect_output()
  rawset(os, "exit", exit)
  rawset(ngx, "exit", exit)
  local chunks = load(codes, file)
  args[0] = codes ~= ngx.null and "-e" or file
  rawset(_G, "arg", args)
  for _, name in ipairs(libraries) do
    require(name)
  end
  for _, chunk in ipairs(chunks) do
    chunk(unpack(args, 1, #args))
  end
end

--- Returns when no timer is left. The script has ended, its light threads too.
function run.finish()
  local pause = 0.001
  while ngx.timer.pending_count() + ngx.timer.running_count() > 0 do
    ngx.sleep(pause)
    pause = math.min(pause * 2, 0.05)
  end
  stdout:flush()
end

return run
