-- SPDX-License-Identifier: MIT
-- ngx.req.socket: the client's connection as a cosocket. Its objects have those of the TCP methods that make sense on a
-- connection that is the request's: one that reads the body, or with `raw` one that reads and writes what it likes.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local tcp = require("moonwire.socket").methods
local bit = require "bit"

local C, W = abi.C, abi.W
local error, select, setmetatable = error, select, setmetatable
local MAY_READ =
  bit.bor(C.MW_PHASE_SERVER_REWRITE, C.MW_PHASE_REWRITE, C.MW_PHASE_ACCESS, C.MW_PHASE_PRECONTENT, C.MW_PHASE_CONTENT)

local function metatable(...)
  local methods = {}
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    methods[name] = tcp[name]
  end
  methods.__index = methods
  return methods
end

local READS =
  { "receive", "receiveany", "receiveuntil", "settimeout", "settimeouts", "setoption", "getoption", "getfd" }
local body_metatable = metatable(unpack(READS))
local raw_metatable = metatable("send", unpack(READS))

local reason = ffi.new "const char *[1]"

return function(ngx)
  --- @return a socket, or nil and the reason
  function ngx.req.socket(...)
    local count = select("#", ...)
    if count > 1 then
      error("expecting 0 or 1 argument, but got " .. count, 2)
    end
    local raw = (...)
    local r = W.req
    if r == nil or bit.band(W.phase, MAY_READ) == 0 then
      if W.phase == C.MW_PHASE_INIT then
        error("no request found", 2)
      end
      abi.refuse_phase()
    elseif r.is_subrequest ~= 0 then
      error("attempt to read the request body in a subrequest", 2)
    end
    local s = C.mw_sock_of_request(r, raw and 1 or 0, reason)
    if s == nil then
      return nil, ffi.string(reason[0])
    end
    return setmetatable({ ffi.gc(s, C.mw_sock_free) }, raw and raw_metatable or body_metatable)
  end
end
