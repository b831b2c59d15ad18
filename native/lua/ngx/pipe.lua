-- SPDX-License-Identifier: MIT
-- ngx.pipe: child processes. Each stream has a text here that was read and not given out yet; a read takes from it, or parks
-- until the child writes more. One light thread at a time may read a stream, write, or wait for the end.
local abi = require "moonwire.abi"
local lib = require("moonwire.pipe").lib

local C, W, await = abi.C, abi.W, abi.await
local type, tostring, tonumber, error = type, tostring, tonumber, error
local setmetatable, ipairs, pairs = setmetatable, ipairs, pairs
local find, sub, concat = string.find, string.sub, table.concat

local STDIN, STDOUT, STDERR, EXIT = 0, 1, 2, 3
local DEFAULT_TIMEOUT = 10000
local DEFAULT_BUFFER = 4096
local OK, TIMEOUT = C.MW_OK, C.MW_TIMEOUT

local methods = {}
local metatable = { __index = methods }

-- waiting -------------------------------------------------------------------------------------------------------------

-- Parks on a stream. True when it is ready, else nil and why.
local function wait_for(self, stream, busy)
  local parked, why = lib.park(self.process, stream, self.timeouts[stream])
  if not parked then
    return nil, why == "busy" and busy or why
  end
  local rc = await()
  if rc == OK then
    return true
  end
  return nil, rc == TIMEOUT and "timeout" or "aborted"
end

local function check(self, level)
  if type(self) ~= "table" or not self.process then
    error("not a process instance", (level or 2) + 1)
  end
  abi.check_wait((level or 2) - 1)
end

-- reading -------------------------------------------------------------------------------------------------------------

-- Reads until `cut(text)` answers how many bytes to give and how many to drop. Where the stream ends or fails first:
-- nil, why, and what there is.
local function read_until(self, stream, cut)
  if lib.is_busy(self.process, stream) then
    return nil, "pipe busy reading"
  end
  local text = self.read[stream]
  while true do
    local give, drop = cut(text)
    if give then
      self.read[stream] = sub(text, drop + 1)
      return sub(text, 1, give)
    end
    local more, why = lib.read(self.process, stream, self.buffer_size)
    if more then
      text = text .. more
      self.read[stream] = text
    elseif why == "again" then
      local ready, err = wait_for(self, stream, "pipe busy reading")
      if not ready then
        if err == "timeout" then
          self.read[stream] = ""
          return nil, err, text
        end
        return nil, err
      end
    else
      self.read[stream] = ""
      return nil, why, text
    end
  end
end

local function read_all(self, stream)
  if lib.is_busy(self.process, stream) then
    return nil, "pipe busy reading"
  end
  local parts, n = { self.read[stream] }, 1
  self.read[stream] = ""
  local has_read = false
  while true do
    local more, why = lib.read(self.process, stream, 65536)
    if more then
      n = n + 1
      parts[n], has_read = more, true
    elseif why == "again" then
      local ready, err = wait_for(self, stream, "pipe busy reading")
      if not ready then
        return nil, err, concat(parts)
      end
      has_read = true
    elseif why == "closed" and (has_read or parts[1] ~= "" or not self.ended[stream]) then
      self.ended[stream] = true
      return concat(parts)
    else
      return nil, why, concat(parts)
    end
  end
end

local function cut_line(text)
  local at = find(text, "\n", 1, true)
  if at then
    return at - 1, at
  end
end

local function count_of(value, name)
  local n = tonumber(value)
  if not n or n < 0 then
    error("bad " .. name .. " argument", 3)
  end
  return n
end

local function read_bytes(self, stream, n)
  if n == 0 then
    return ""
  end
  return read_until(self, stream, function(text)
    if #text >= n then
      return n, n
    end
  end)
end

local function read_any(self, stream, max)
  if max == 0 then
    return nil, "bad max argument"
  end
  local data, err, partial = read_until(self, stream, function(text)
    if text ~= "" then
      local n = #text < max and #text or max
      return n, n
    end
  end)
  if not data and partial and partial ~= "" then
    return partial
  end
  return data, err
end

for name, stream in pairs { stdout = STDOUT, stderr = STDERR } do
  local function stream_check(self)
    check(self, 3)
    if stream == STDERR and self.is_merged then
      error("merge_stderr is set: read stdout", 3)
    end
  end
  --- Everything until the child closes the stream.
  methods[name .. "_read_all"] = function(self)
    stream_check(self)
    return read_all(self, stream)
  end
  --- A line without its newline.
  methods[name .. "_read_line"] = function(self)
    stream_check(self)
    return read_until(self, stream, cut_line)
  end
  --- Exactly `len` bytes.
  methods[name .. "_read_bytes"] = function(self, len)
    stream_check(self)
    return read_bytes(self, stream, count_of(len, "len"))
  end
  --- What has come, at most `max` bytes of it.
  methods[name .. "_read_any"] = function(self, max)
    stream_check(self)
    return read_any(self, stream, count_of(max, "max"))
  end
end

-- writing, end --------------------------------------------------------------------------------------------------------

local function text_of(value, parts)
  local kind = type(value)
  if kind == "string" or kind == "number" then
    parts[#parts + 1] = tostring(value)
  elseif kind == "table" then
    for _, item in ipairs(value) do
      text_of(item, parts)
    end
  else
    error("bad data arg: string, number, or table expected, got " .. kind, 4)
  end
end

--- Writes all of `data` (a string, a number, or a list of them) to the child. Returns the number of bytes.
function methods.write(self, data)
  check(self)
  if type(data) ~= "string" then
    local parts = {}
    text_of(data, parts)
    data = concat(parts)
  end
  if lib.is_busy(self.process, STDIN) then
    return nil, "pipe busy writing"
  end
  local at = 0
  while at < #data do
    local n, why = lib.write(self.process, data, at)
    if n then
      at = at + n
    elseif why == "again" then
      local ready, err = wait_for(self, STDIN, "pipe busy writing")
      if not ready then
        return nil, err
      end
    else
      return nil, why
    end
  end
  return at
end

--- Waits for the end: true, "exit", 0 | false, "exit" or "signal", code | nil, err.
function methods.wait(self)
  check(self)
  if self.is_waited then
    return nil, "exited"
  end
  local reason, code = lib.status(self.process)
  while not reason do
    local ready, err = wait_for(self, EXIT, "pipe busy waiting")
    if not ready then
      return nil, err
    end
    reason, code = lib.status(self.process)
  end
  self.is_waited = true
  return reason == "exit" and code == 0, reason, code
end

function methods.pid(self)
  return lib.pid(self.process)
end

--- Sends a signal, by number.
function methods.kill(self, signal)
  if type(signal) ~= "number" then
    error("bad signal arg: number expected, got " .. type(signal), 2)
  end
  return lib.kill(self.process, signal)
end

local directions = { stdin = STDIN, stdout = STDOUT, stderr = STDERR }

--- Closes one of our ends; who waits on it is told "aborted".
function methods.shutdown(self, direction)
  local stream = directions[direction]
  if not stream then
    error("bad shutdown arg: " .. tostring(direction), 2)
  end
  if stream == STDERR and self.is_merged then
    return nil, "merge_stderr is set"
  end
  lib.close(self.process, stream)
  return true
end

local function check_timeout(value, name)
  if value ~= nil and (type(value) ~= "number" or value < 0) then
    error("bad " .. name .. " option", 3)
  end
  return value
end

--- Milliseconds; nil leaves one as it is.
function methods.set_timeouts(self, write, stdout, stderr, wait)
  local t = self.timeouts
  t[STDIN] = check_timeout(write, "write_timeout") or t[STDIN]
  t[STDOUT] = check_timeout(stdout, "stdout_read_timeout") or t[STDOUT]
  t[STDERR] = check_timeout(stderr, "stderr_read_timeout") or t[STDERR]
  t[EXIT] = check_timeout(wait, "wait_timeout") or t[EXIT]
end

-- spawn ---------------------------------------------------------------------------------------------------------------

local function strings_of(list, what)
  local out = {}
  for i, item in ipairs(list) do
    if type(item) ~= "string" and type(item) ~= "number" then
      error("bad " .. what .. ": string expected, got " .. type(item), 4)
    end
    out[i] = tostring(item)
  end
  return out
end

local function check_args(args)
  if type(args) == "string" then
    return { "/bin/sh", "-c", args }
  elseif type(args) ~= "table" then
    error("bad args arg: table expected, got " .. type(args), 3)
  elseif #args == 0 then
    error("bad args arg: non-empty table expected", 3)
  end
  return strings_of(args, "args arg")
end

local function check_environ(environ)
  if environ == nil then
    return nil
  elseif type(environ) ~= "table" then
    error("bad environ option: table expected, got " .. type(environ), 3)
  end
  for _, item in ipairs(environ) do
    if type(item) ~= "string" or not find(item, "=", 2, true) then
      error("bad environ option: unexpected format", 3)
    end
  end
  return strings_of(environ, "environ option")
end

local _M = { version = require("resty.core.base").version }

--- Starts a child: `args` is a list, or a text for the shell. Returns the process, or nil and why not.
function _M.spawn(args, opts)
  if W.phase == C.MW_PHASE_INIT then
    error("API disabled in the current context", 2)
  end
  local argv = check_args(args)
  opts = opts or {}
  if type(opts) ~= "table" then
    error("bad opts arg: table expected, got " .. type(opts), 2)
  end
  local buffer_size = opts.buffer_size or DEFAULT_BUFFER
  if type(buffer_size) ~= "number" or buffer_size <= 0 then
    error("bad buffer_size option", 2)
  end
  local process, err = lib.spawn(argv, check_environ(opts.environ), opts.merge_stderr)
  if not process then
    return nil, err
  end
  local self = setmetatable({
    process = process,
    is_merged = opts.merge_stderr and true or false,
    buffer_size = buffer_size,
    read = { [STDOUT] = "", [STDERR] = "" },
    ended = {},
    timeouts = {
      [STDIN] = DEFAULT_TIMEOUT,
      [STDOUT] = DEFAULT_TIMEOUT,
      [STDERR] = DEFAULT_TIMEOUT,
      [EXIT] = DEFAULT_TIMEOUT,
    },
  }, metatable)
  self:set_timeouts(opts.write_timeout, opts.stdout_read_timeout, opts.stderr_read_timeout, opts.wait_timeout)
  return self
end

return _M
