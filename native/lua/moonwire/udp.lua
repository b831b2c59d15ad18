-- SPDX-License-Identifier: MIT
-- ngx.socket.udp: datagram cosockets. Arguments are checked here, with lua-nginx-module's words; the work is done by the udp
-- family of mw_abi.h.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local cosocket = require "moonwire.cosocket"

local C, W, await = abi.C, abi.W, abi.await
local handle, bad_argument, text_of = cosocket.handle, cosocket.bad_argument, cosocket.text
local ffi_gc, ffi_string = ffi.gc, ffi.string
local type, tonumber, tostring, error, select, floor = type, tonumber, tostring, error, select, math.floor
local setmetatable, sub = setmetatable, string.sub
local OK, AGAIN, OTHERS = C.MW_OK, C.MW_AGAIN, C.MW_NO_REQUEST
local MOST = 65536

local udp = {}
udp.__index = udp

-- What a method returns for a status other than OK; called in its last return, so that level 2 is the method's caller.
local function failed(s, rc)
  if rc == OTHERS then
    error("bad request", 2)
  end
  return nil, ffi_string(s.err)
end

--- Names the peer: `host` and `port`, or "unix:/path". Waits where the name has to be looked up.
-- @return 1, or nil and the reason
function udp:setpeername(...)
  local count = select("#", ...) + 1
  if count ~= 2 and count ~= 3 then
    error("ngx.socket.udp setpeername: expecting 2 or 3 arguments (including the object), but seen " .. count, 2)
  end
  local s = handle(self, "setpeername")
  local host, port = ...
  if type(host) ~= "string" and type(host) ~= "number" then
    bad_argument(1, "string expected, got " .. type(host))
  end
  host = tostring(host)
  local number = 0
  if count == 3 then
    number = tonumber(port)
    if not number then
      bad_argument(2, "number expected, got " .. type(port))
    end
    number = floor(number)
    if not (number >= 0 and number <= 65535) then
      return nil, "bad port number: " .. number
    end
  end
  if sub(host, 1, 5) == "unix:" then
    number = -1
  end
  local rc = C.mw_udp_set_peer(s, host, #host, number)
  if rc == AGAIN then
    rc = await()
  end
  if rc == OK then
    return 1
  end
  return failed(s, rc)
end

--- The local address of peers to come.
function udp:bind(...)
  local count = select("#", ...) + 1
  if count ~= 2 then
    error("expecting 2 arguments, but got " .. count, 2)
  end
  local s = handle(self, "bind")
  local address = ...
  if type(address) ~= "string" then
    bad_argument(1, "string expected, got " .. type(address))
  end
  local rc = C.mw_udp_bind(s, address, #address)
  if rc == OK then
    return 1
  end
  return failed(s, rc)
end

--- Sends one datagram: a string, a number, a boolean, nil, or an array of strings and numbers, nested as it may be.
-- @return 1, or nil and the reason
function udp:send(...)
  local count = select("#", ...) + 1
  if count ~= 2 then
    error("expecting 2 arguments (including the object), but got " .. count, 2)
  end
  local s = handle(self, "send")
  local text, complaint = text_of((...))
  if not text then
    bad_argument(1, complaint)
  end
  local rc = C.mw_udp_send(s, text, #text)
  if rc == OK then
    return 1
  end
  return failed(s, rc)
end

--- Receives one datagram, of which it keeps `size` bytes; all of it by default.
-- @return the bytes, or nil and the reason
function udp:receive(...)
  local count = select("#", ...) + 1
  if count ~= 1 and count ~= 2 then
    error("expecting 1 or 2 arguments (including the object), but got " .. count, 2)
  end
  local s = handle(self, "receive")
  local size = ...
  if size == nil then
    size = MOST
  else
    local number = tonumber(size)
    if not number then
      bad_argument(1, "number expected, got " .. type(size))
    end
    size = number >= 0 and number < MOST and floor(number) or MOST
  end
  abi.debug "lua udp socket calling receive() method"
  local rc = C.mw_udp_receive(s, size)
  while rc == AGAIN do
    rc = await()
    if rc == OK then
      rc = C.mw_udp_receive_woken(s)
    end
  end
  if rc == OK then
    return ffi_string(s.data, s.size)
  end
  return failed(s, rc)
end

--- Timeout in milliseconds of receives to come; 0: the configuration's.
function udp:settimeout(...)
  local count = select("#", ...) + 1
  if count ~= 2 then
    error("ngx.socket settimeout: expecting at least 2 arguments (including the object) but seen " .. count, 2)
  end
  local ms = tonumber((...)) or 0
  C.mw_udp_set_timeout(self[1], ms > 0 and ms < 2147483648 and floor(ms) or 0)
end

function udp:close(...)
  local count = select("#", ...) + 1
  if count ~= 1 then
    error("expecting 1 argument (including the object) but seen " .. count, 2)
  end
  local s = handle(self, "close")
  local rc = C.mw_udp_close(s)
  if rc == OK then
    return 1
  end
  return failed(s, rc)
end

return function(ngx)
  function ngx.socket.udp(...)
    local count = select("#", ...)
    if count ~= 0 then
      error("expecting zero arguments, but got " .. count, 2)
    end
    if W.is_strict_phases ~= 0 then
      abi.check_wait()
    end
    return setmetatable({ ffi_gc(C.mw_udp_new(), C.mw_udp_free) }, udp)
  end
end
