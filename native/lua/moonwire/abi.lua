-- SPDX-License-Identifier: MIT
-- The one door from Lua to C++: declares mw_abi.h, names the worker, and holds `await` (park the running light thread)
-- and `check` (turn a status into Lua's error strings). Loaded first by the boot code, once per VM, which passes the
-- declarations, the worker's address and the await mark.
local ffi = require "ffi"

local cdef, worker_address, AWAIT = ...
ffi.cdef(cdef)

local C = ffi.C
local W = ffi.cast("mw_worker_t *", worker_address)
local raw_yield = coroutine.yield

local abi = { C = C, W = W, AWAIT = AWAIT }

local messages = {
  [C.MW_ERROR] = "error",
  [C.MW_NO_REQUEST] = "no request found",
  [C.MW_BAD_PHASE] = "API disabled in the current context",
  [C.MW_NO_MEMORY] = "no memory",
  [C.MW_NOT_FOUND] = "not found",
  [C.MW_TIMEOUT] = "timeout",
  [C.MW_CLOSED] = "closed",
  [C.MW_BAD_ARG] = "bad argument",
  [C.MW_EXISTS] = "exists",
  [C.MW_BUSY] = "busy",
  [C.MW_ABORTED] = "aborted",
  [C.MW_HEADER_SENT] = "response headers already sent",
}

--- Parks the running light thread until the operation it started completes.
-- @return the operation's status (an mw_status, or >= 0)
function abi.await()
  raw_yield(AWAIT)
  return W.thread.result
end

--- The error string of a negative status.
function abi.message(status)
  return messages[status] or "unknown error"
end

--- Turns a status into Lua's convention.
-- @return status when >= 0, else nil and the error string
function abi.check(status)
  if status >= 0 then
    return status
  end
  return nil, messages[status] or "unknown error"
end

--- Some log takes debug lines: those of lua-nginx-module are written, and what they speak of is not left out.
abi.is_debug = C.mw_log_level() >= 8

--- Writes a debug line. Where the level is off this is an empty function.
function abi.debug(format, ...)
  local text = format:format(...)
  C.mw_log_write(8, text, #text)
end
if not abi.is_debug then
  function abi.debug() end
end

local phase_names = {
  [C.MW_PHASE_INIT] = "init_by_lua*",
  [C.MW_PHASE_INIT_WORKER] = "init_worker_by_lua*",
  [C.MW_PHASE_SET] = "set_by_lua*",
  [C.MW_PHASE_SERVER_REWRITE] = "server_rewrite_by_lua*",
  [C.MW_PHASE_REWRITE] = "rewrite_by_lua*",
  [C.MW_PHASE_ACCESS] = "access_by_lua*",
  [C.MW_PHASE_PRECONTENT] = "precontent_by_lua*",
  [C.MW_PHASE_CONTENT] = "content_by_lua*",
  [C.MW_PHASE_HEADER_FILTER] = "header_filter_by_lua*",
  [C.MW_PHASE_BODY_FILTER] = "body_filter_by_lua*",
  [C.MW_PHASE_LOG] = "log_by_lua*",
  [C.MW_PHASE_TIMER] = "ngx.timer",
  [C.MW_PHASE_EXIT_WORKER] = "exit_worker_by_lua*",
  [C.MW_PHASE_BALANCER] = "balancer_by_lua*",
}

--- Throws lua-nginx-module's refusal, "API disabled in the context of X", at the caller's caller, or `more` frames above it.
function abi.refuse_phase(more)
  error("API disabled in the context of " .. (phase_names[W.phase] or "(unknown)"), 3 + (more or 0))
end

-- The phases in which lua-nginx-module lets a handler wait.
local WAITING = C.MW_PHASE_SERVER_REWRITE
  + C.MW_PHASE_REWRITE
  + C.MW_PHASE_ACCESS
  + C.MW_PHASE_PRECONTENT
  + C.MW_PHASE_CONTENT
  + C.MW_PHASE_TIMER
local band = require("bit").band

--- Where nothing can wait, throws lua-nginx-module's refusal as refuse_phase does: outside of light threads, and with
-- lua_strict_phases in the phases that it refuses.
function abi.check_wait(more)
  if W.thread == nil or W.is_strict_phases ~= 0 and band(W.phase, WAITING) == 0 then
    abi.refuse_phase((more or 0) + 1)
  end
end

--- Throws, at the caller's caller or `more` frames above it, what lua-nginx-module says where there is no request.
function abi.refuse_no_request(more)
  local text = W.phase == C.MW_PHASE_INIT and "no request found" or "API disabled in the current context"
  error(text, 3 + (more or 0))
end

--- The request of the running light thread; throws at the caller's caller where there is none.
function abi.request()
  local r = W.req
  if r == nil then
    abi.refuse_no_request(1)
  end
  return r
end

return abi
