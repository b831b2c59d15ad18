-- SPDX-License-Identifier: MIT
-- The response: ngx.print, say, flush, eof, send_headers, ngx.status, ngx.header, ngx.resp, ngx.arg. A short string goes
-- through one FFI call; AGAIN means that a Lua filter has to run, or the socket to drain, first.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local fields = require "moonwire.fields"
local limit = require("moonwire.args").limit
local unroll = require "moonwire.unroll"
local bit = require "bit"

local C, W, await = abi.C, abi.W, abi.await
local ffi_string = ffi.string
local type, tostring, error, select, tonumber = type, tostring, error, select, tonumber
local getmetatable, setmetatable, lower = getmetatable, setmetatable, string.lower
local band, bor, concat, gsub = bit.band, bit.bor, table.concat, string.gsub
local OK, AGAIN, DONE, BUSY, NOT_FOUND = C.MW_OK, C.MW_AGAIN, C.MW_DONE, C.MW_BUSY, C.MW_NOT_FOUND
local TIMEOUT, ABORTED = C.MW_TIMEOUT, C.MW_ABORTED
local HEADER_ONLY = C.MW_HEADER_ONLY

local MAY_WRITE =
  bor(C.MW_PHASE_SERVER_REWRITE, C.MW_PHASE_REWRITE, C.MW_PHASE_ACCESS, C.MW_PHASE_PRECONTENT, C.MW_PHASE_CONTENT)
local MAX_HEADERS = 100

local out = ffi.new "mw_str"
local pairs_buffer = ffi.new("mw_str[?]", 2 * 256)

--- The request, when the phase lets it write; throws otherwise.
local function writer()
  local r = W.req
  if r == nil or band(W.phase, MAY_WRITE) == 0 then
    if r == nil and W.phase == C.MW_PHASE_INIT then
      error("no request found", 3)
    end
    abi.refuse_phase(1)
  end
  return r
end

-- Appends the text of `value` to parts[n + 1 ...]; returns the new n.
local function flatten(parts, n, value, position, name)
  local kind = type(value)
  if kind == "string" then
    parts[n + 1] = value
  elseif kind == "number" then
    parts[n + 1] = tostring(value + 0) -- so that -0 is "0"
  elseif kind == "boolean" or kind == "nil" then
    parts[n + 1] = tostring(value)
  elseif kind == "table" then
    local metatable = getmetatable(value)
    if metatable and metatable.__tostring then
      parts[n + 1] = tostring(value)
      return n + 1
    end
    for key in pairs(value) do
      if type(key) ~= "number" or key <= 0 then
        error("bad argument #" .. position .. " to '" .. name .. "' (non-array table found)", 4)
      end
    end
    for i = 1, #value do
      local item = value[i]
      local item_kind = type(item)
      if
        item_kind == "function"
        or item_kind == "userdata" and item ~= ngx.null
        or item_kind == "thread"
        or item_kind == "cdata"
      then
        error("bad argument #" .. position .. " to '" .. name .. "' (bad data type " .. item_kind .. " found)", 4)
      end
      n = flatten(parts, n, item, position, name)
    end
    return n
  elseif kind == "userdata" and value == ngx.null then
    parts[n + 1] = "null"
  else
    error(
      "bad argument #"
        .. position
        .. " to '"
        .. name
        .. "' (string, number, boolean, nil, ngx.null, or array table expected, but got "
        .. kind
        .. ")",
      4
    )
  end
  return n + 1
end

-- The first six without a loop, see moonwire.unroll.
local function joined(name, ...)
  local n = select("#", ...)
  if n == 0 then
    return ""
  end
  local a, b, c, d, e, f = ...
  local parts = {}
  local size = flatten(parts, 0, a, 1, name)
  if n > 1 then
    size = flatten(parts, size, b, 2, name)
  end
  if n > 2 then
    size = flatten(parts, size, c, 3, name)
  end
  if n > 3 then
    size = flatten(parts, size, d, 4, name)
  end
  if n > 4 then
    size = flatten(parts, size, e, 5, name)
  end
  if n > 5 then
    size = flatten(parts, size, f, 6, name)
  end
  for i = 7, n do
    size = flatten(parts, size, (select(i, ...)), i, name)
  end
  return concat(parts, "", 1, size)
end

local function finish(rc)
  if rc == AGAIN then
    rc = await()
  end
  if rc == OK then
    return 1
  elseif rc == DONE then
    return nil, W.req.has_raw_socket ~= 0 and "raw request socket acquired" or "seen eof"
  elseif rc == BUSY then
    return nil, "buffering"
  elseif rc == NOT_FOUND then
    return nil, "nothing to flush"
  elseif rc == HEADER_ONLY then
    return nil, "header only"
  elseif rc == TIMEOUT then
    return nil, "timeout"
  elseif rc == ABORTED then
    return nil, "client aborted"
  end
  return nil, "nginx output filter error"
end

local function print_output(...)
  local r = writer()
  local text = ...
  if type(text) ~= "string" or select("#", ...) > 1 then
    text = joined("print", ...)
  end
  local rc = C.mw_resp_print(r, text, #text, 0)
  if rc == OK then
    return 1
  end
  return finish(rc)
end

local function say(...)
  local r = writer()
  local text = ...
  if type(text) ~= "string" or select("#", ...) > 1 then
    text = joined("say", ...)
  end
  local rc = C.mw_resp_print(r, text, #text, 1)
  if rc == OK then
    return 1
  end
  return finish(rc)
end

-- ngx.header --------------------------------------------------------------------------------------------------------

local function header_name(key)
  if type(key) ~= "string" then
    if type(key) ~= "number" then
      error("bad header name", 3)
    end
    key = tostring(key)
  end
  return key
end

local function get_header(r, name)
  if C.mw_resp_header(r, name, #name, 0, out) ~= OK then
    return nil
  end
  local first = ffi_string(out.data, out.size)
  if C.mw_resp_header(r, name, #name, 1, out) ~= OK then
    return first
  end
  local values, n = { first }, 1
  while C.mw_resp_header(r, name, #name, n, out) == OK do
    n = n + 1
    values[n] = ffi_string(out.data, out.size)
  end
  return values
end

local function late()
  local text = "attempt to set ngx.header.HEADER after sending out response headers"
  C.mw_log_write(ngx.ERR, text, #text)
end

local function set_header(r, name, value, append)
  if value == nil then
    return C.mw_resp_clear_header(r, name, #name)
  end
  if type(value) == "table" then
    if #value == 0 then
      return append and OK or C.mw_resp_clear_header(r, name, #name)
    end
    local rc
    for i = 1, #value do
      local text = tostring(value[i])
      rc = C.mw_resp_set_header(r, name, #name, text, #text, (append or i > 1) and 1 or 0)
    end
    return rc
  end
  local text = tostring(value)
  return C.mw_resp_set_header(r, name, #name, text, #text, append and 1 or 0)
end

local header = setmetatable({}, {
  __index = function(_, key)
    return get_header(abi.request(), header_name(key))
  end,
  __newindex = function(_, key, value)
    local rc = set_header(abi.request(), header_name(key), value, false)
    if rc == C.MW_BAD_ARG then
      error("failed to set header", 2)
    elseif rc ~= OK then
      late()
    end
  end,
})

-- Access by another case, or with underscores, as ngx.req.get_headers' table.
local headers_metatable = {
  __index = function(headers, key)
    return rawget(headers, (gsub(lower(key), "_", "-")))
  end,
}

--- Puts pair `i` of `buffer` into `headers`.
local function add_header(headers, buffer, i)
  local name = ffi_string(buffer[2 * i].data, buffer[2 * i].size)
  local value = ffi_string(buffer[2 * i + 1].data, buffer[2 * i + 1].size)
  local have = headers[name]
  if have == nil then
    headers[name] = value
  elseif type(have) == "table" then
    have[#have + 1] = value
  else
    headers[name] = { have, value }
  end
end

--- Builds the table of get_headers out of pairs that `fill(r, pairs, max, raw)` writes.
local function headers_table(fill, r, max, raw)
  max = limit(max == nil and MAX_HEADERS or max)
  local n = fill(r, pairs_buffer, 256, raw and 1 or 0)
  local buffer = pairs_buffer
  if n > 256 then
    buffer = ffi.new("mw_str[?]", 2 * n)
    n = fill(r, buffer, n, raw and 1 or 0)
  end
  local truncated = max > 0 and n > max
  if truncated then
    abi.debug("lua exceeding %s header limit %d > %d", fill == C.mw_req_headers and "request" or "response", n, max)
    n = max
  end
  local headers = {}
  unroll(n, add_header, headers, buffer)
  if not raw then
    setmetatable(headers, headers_metatable)
  end
  if truncated then
    return headers, "truncated"
  end
  return headers
end

local resp = { headers_table = headers_table, writer = writer }

return setmetatable(resp, {
  __call = function(_, ngx)
    ngx.print = print_output
    ngx.say = say
    ngx.header = header

    --- Sends what there is. With `wait`, parks until the socket has taken it.
    function ngx.flush(wait)
      return finish(C.mw_resp_flush(writer(), wait and 1 or 0))
    end

    --- Ends the response; the handler may go on.
    function ngx.eof()
      return finish(C.mw_resp_eof(writer()))
    end

    function ngx.send_headers()
      return finish(C.mw_resp_send_headers(writer()))
    end

    fields.define("status", function()
      return C.mw_resp_status(abi.request())
    end, function(value)
      local status = tonumber(value)
      if not status then
        error("number expected", 3)
      end
      C.mw_resp_set_status(abi.request(), status)
    end)

    fields.define("headers_sent", function()
      return abi.request().header_sent ~= 0
    end)

    ngx.resp = {
      get_headers = function(max, raw)
        return headers_table(C.mw_resp_headers, abi.request(), max, raw)
      end,
    }

    -- body_filter's chunk and end mark; set_by_lua's arguments come with it.
    ngx.arg = setmetatable({}, {
      __index = function(_, key)
        local r = abi.request()
        if W.phase == C.MW_PHASE_SET then
          local n = tonumber(key)
          if n and C.mw_resp_set_arg(r, n, out) == 0 then
            return ffi_string(out.data, out.size)
          end
          return nil
        elseif W.phase ~= C.MW_PHASE_BODY_FILTER then
          error("API disabled in the current context", 2)
        end
        if key == 1 then
          C.mw_resp_chunk(r, out)
          return out.size == 0 and "" or ffi_string(out.data, out.size)
        elseif key == 2 then
          return C.mw_resp_chunk_eof(r) ~= 0
        end
      end,
      __newindex = function(_, key, value)
        local r = abi.request()
        if W.phase ~= C.MW_PHASE_BODY_FILTER then
          error("API disabled in the current context", 2)
        end
        if key == 1 then
          local text = value == nil and "" or type(value) == "string" and value or joined("arg", value)
          C.mw_resp_set_chunk(r, text, #text)
        elseif key == 2 then
          C.mw_resp_set_chunk_eof(r, value and 1 or 0)
        else
          error("bad index: " .. tostring(key), 2)
        end
      end,
    })
    resp.set_header = set_header
    resp.not_found = NOT_FOUND
  end,
})
