-- SPDX-License-Identifier: MIT
-- resty.signal: signals by name, with Linux's numbers.
local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int sig);
char *strerror(int errnum);
]]

local _M = { version = "0.04" }

local numbers = { NONE = 0 }
local count = 0
for name in
  (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU "
    .. "XFSZ VTALRM PROF WINCH IO PWR SYS"
  ):gmatch "%a[%a%d]*"
do
  count = count + 1
  numbers[name] = count
end

--- The number of a signal by its name, HUP say; 0 of NONE; nil where Linux has none of that name.
function _M.signum(name)
  return numbers[name]
end

--- Sends a signal, by name or number, to a process. True, or nil and why.
function _M.kill(pid, signal)
  local number = tonumber(signal) or numbers[signal]
  if not number then
    return nil, "unknown signal name"
  end
  if ffi.C.kill(tonumber(pid), number) == 0 then
    return true
  end
  return nil, ffi.string(ffi.C.strerror(ffi.errno()))
end

return _M
