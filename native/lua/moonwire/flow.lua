-- SPDX-License-Identifier: MIT
-- Where a handler leads: ngx.exit, ngx.redirect, ngx.exec. Each ends the handler at an await that does not return.
local abi = require "moonwire.abi"
local args_module = require "moonwire.args"
local resp = require "moonwire.resp"
local unsafe_byte = require "moonwire.unsafe"

local bit = require "bit"

local C, W, await, band = abi.C, abi.W, abi.await, bit.band
local type, tonumber, tostring, error = type, tonumber, tostring, error
local find, sub = string.find, string.sub

local MAY_EXIT = bit.bor(
  C.MW_PHASE_SERVER_REWRITE,
  C.MW_PHASE_REWRITE,
  C.MW_PHASE_ACCESS,
  C.MW_PHASE_PRECONTENT,
  C.MW_PHASE_CONTENT,
  C.MW_PHASE_HEADER_FILTER,
  C.MW_PHASE_TIMER,
  C.MW_PHASE_BALANCER
)
-- Statuses that cut the connection, whatever went out before.
local CUTS = { [408] = true, [444] = true, [499] = true }
local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

--- Ends the handler with `rc`; returns only by an error, which the caller's caller is to blame for.
local function finish(rc)
  if C.mw_thread_exit(rc) == C.MW_BUSY then
    error("attempt to abort with pending subrequests", 3)
  end
  await()
end

return function(ngx)
  --- Ends the handler: status 0 goes on with the next phase, an HTTP status answers with it.
  function ngx.exit(status)
    local rc = tonumber(status)
    if not rc then
      error("bad argument #1 to 'exit' (number expected, got " .. (status == nil and "nil" or type(status)) .. ")", 2)
    end
    if W.thread == nil or band(W.phase, MAY_EXIT) == 0 then -- no thread: a finalizer while the VM closes
      abi.refuse_phase()
    end
    if rc == ngx.AGAIN or rc == ngx.DONE then
      error("bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE", 2)
    end
    local r = W.req
    if r ~= nil and r.header_sent ~= 0 and rc >= 300 and not CUTS[rc] and W.phase ~= C.MW_PHASE_HEADER_FILTER then
      local sent = C.mw_resp_status(r)
      if sent ~= rc then
        local text = "attempt to set status " .. rc .. " via ngx.exit after sending out the response status " .. sent
        C.mw_log_write(ngx.ERR, text, #text)
      end
      rc = ngx.HTTP_OK
    end
    finish(rc)
  end

  --- Answers with a redirect to `uri`; the handler ends.
  function ngx.redirect(uri, status)
    local r = resp.writer()
    if type(uri) == "number" then
      uri = tostring(uri)
    end
    if type(uri) ~= "string" then
      error("bad argument #1 to 'redirect' (string expected, got " .. type(uri) .. ")", 2)
    end
    if status == nil then
      status = 302
    elseif not REDIRECTS[status] then
      error(
        "only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and"
          .. " ngx.HTTP_TEMPORARY_REDIRECT are allowed",
        2
      )
    end
    if r.header_sent ~= 0 then
      error("attempt to call ngx.redirect after sending out the headers", 2)
    end
    local code, shown = unsafe_byte(uri)
    if code then
      error('unsafe byte "' .. code .. '" in redirect uri "' .. shown .. '"', 2)
    end
    if C.mw_thread_exit(status) == C.MW_BUSY then
      error("attempt to abort with pending subrequests", 2)
    end
    C.mw_resp_redirect(r, uri, #uri, status)
    await()
  end

  --- Goes to another location inside: a path with arguments, or "@name".
  function ngx.exec(uri, args)
    local r = resp.writer()
    if type(uri) ~= "string" then
      error("bad argument #1 to 'exec' (string expected, got " .. type(uri) .. ")", 2)
    end
    if uri == "" then
      error("The uri argument is empty", 2)
    end
    if r.header_sent ~= 0 then
      error("attempt to call ngx.exec after sending out response headers", 2)
    end
    local query = ""
    if sub(uri, 1, 1) ~= "@" then
      local mark = find(uri, "?", 1, true)
      if mark then
        query = sub(uri, mark + 1)
        uri = sub(uri, 1, mark - 1)
      end
    end
    if args ~= nil then
      local more = type(args) == "table" and args_module.encode(args) or tostring(args)
      query = query == "" and more or query .. "&" .. more
    end
    local rc = C.mw_req_exec(r, uri, #uri, query, #query)
    if rc == C.MW_BAD_ARG then
      error("unsafe uri", 2)
    elseif rc == C.MW_BUSY then
      error("attempt to abort with pending subrequests", 2)
    end
    await()
  end
end
