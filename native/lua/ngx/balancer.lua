-- SPDX-License-Identifier: MIT
-- ngx.balancer: the server of each attempt, chosen by balancer_by_lua*.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C = abi.C
local type, tonumber, error = type, tonumber, error

local balancer = { version = require("resty.core.base").version }
local status_out = ffi.new "int32_t[1]"

--- Throws at the caller's caller where no balancer runs.
local function check(rc)
  if rc == C.MW_BAD_PHASE then
    error("API disabled in the current context", 3)
  end
  return rc
end

local function bad_argument(n, name, expected, value)
  error("bad argument #" .. n .. " to '" .. name .. "' (" .. expected .. " expected, got " .. type(value) .. ")", 3)
end

--- Sends this attempt to a literal address ("1.2.3.4", "[::1]", "unix:/path").
function balancer.set_current_peer(address, port)
  if type(address) ~= "string" then
    bad_argument(1, "set_current_peer", "string", address)
  end
  local number = port == nil and 0 or tonumber(port)
  if not number then
    bad_argument(2, "set_current_peer", "number", port)
  end
  if check(C.mw_balancer_set_peer(abi.request(), address, #address, number)) ~= C.MW_OK then
    return nil, "no host allowed"
  end
  return true
end

--- Allows `count` more attempts. True, and "reduced tries due to limit" where proxy_next_upstream_tries allows fewer.
function balancer.set_more_tries(count)
  local allowed = check(C.mw_balancer_more_tries(abi.request(), count))
  if allowed < count then
    return true, "reduced tries due to limit"
  end
  return true
end

--- "next" or "failed" and the status of the attempt before; nil where there was none.
function balancer.get_last_failure()
  local state = check(C.mw_balancer_last_failure(abi.request(), status_out))
  if state == 0 then
    return nil
  end
  return state == 2 and "next" or "failed", status_out[0]
end

local function milliseconds(value, name)
  if value == nil then
    return 0
  end
  if type(value) ~= "number" or value <= 0 then
    return nil, "bad " .. name .. " timeout"
  end
  return value * 1000
end

--- Timeouts of this request in seconds; nil leaves one as it is.
function balancer.set_timeouts(connect, send, read)
  local connect_ms, send_ms, read_ms, err
  connect_ms, err = milliseconds(connect, "connect")
  if not err then
    send_ms, err = milliseconds(send, "send")
  end
  if not err then
    read_ms, err = milliseconds(read, "read")
  end
  if err then
    return nil, err
  end
  check(C.mw_balancer_set_timeouts(abi.request(), connect_ms, send_ms, read_ms))
  return true
end

--- Keeps the connection of this attempt for others to the same server.
function balancer.enable_keepalive(idle_timeout, max_requests)
  idle_timeout = idle_timeout == nil and 60 or idle_timeout
  max_requests = max_requests == nil and 100 or max_requests
  if type(idle_timeout) ~= "number" or idle_timeout < 0 then
    bad_argument(1, "enable_keepalive", "number", idle_timeout)
  end
  if type(max_requests) ~= "number" or max_requests < 0 then
    bad_argument(2, "enable_keepalive", "number", max_requests)
  end
  if check(C.mw_balancer_keep(abi.request(), idle_timeout * 1000, max_requests)) ~= C.MW_OK then
    return nil, "no current peer set"
  end
  return true
end

--- Builds the request anew, for what was changed of it since the attempt before.
function balancer.recreate_request()
  check(C.mw_balancer_new_request(abi.request()))
  return true
end

--- The local address of this attempt.
function balancer.bind_to_local_addr(address)
  if type(address) ~= "string" then
    bad_argument(1, "bind_to_local_addr", "string", address)
  end
  if check(C.mw_balancer_bind(abi.request(), address, #address)) ~= C.MW_OK then
    return nil, "invalid addr"
  end
  return true
end

--- TLS towards upstreams is not there yet: it can only be switched off.
function balancer.set_upstream_tls(on)
  if on then
    return nil, "TLS towards upstreams is not supported"
  end
  return true
end

return balancer
