-- SPDX-License-Identifier: MIT
-- ngx.req: the request's head, arguments and body, to read and to change.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local args = require "moonwire.args"
local resp = require "moonwire.resp"
local unsafe_byte = require "moonwire.unsafe"
local bit = require "bit"

local C, W, await = abi.C, abi.W, abi.await
local ffi_string, band, bor = ffi.string, bit.band, bit.bor
local type, tostring, tonumber, error = type, tostring, tonumber, error
local gsub, find, format, byte, concat = string.gsub, string.find, string.format, string.byte, table.concat
local OK, AGAIN = C.MW_OK, C.MW_AGAIN

local MAY_JUMP = bor(C.MW_PHASE_SERVER_REWRITE, C.MW_PHASE_REWRITE)
local MAX_ARGS = 100

local out = ffi.new "mw_str"
local req = {}

-- Control bytes and blanks would end the request line of an upstream server that the arguments go to.
local function percent(char)
  return format("%%%02X", byte(char))
end

local function text()
  return out.size == 0 and "" or ffi_string(out.data, out.size)
end

-- line and start ------------------------------------------------------------------------------------------------------

function req.is_internal()
  return abi.request().is_internal ~= 0
end

function req.start_time()
  return tonumber(C.mw_req_start_time(abi.request()))
end

function req.http_version()
  local r = abi.request()
  return r.http_major + r.http_minor / 10
end

function req.raw_header(no_request_line)
  C.mw_req_raw_header(abi.request(), no_request_line and 1 or 0, out)
  return text()
end

function req.get_method()
  C.mw_req_method(abi.request(), out)
  return text()
end

function req.set_method(id)
  local r = abi.request()
  if type(id) ~= "number" then
    error("bad argument #1 to 'set_method' (number expected, got " .. type(id) .. ")", 2)
  end
  if C.mw_req_set_method(r, id) ~= OK then
    error("unsupported HTTP method: " .. id, 2)
  end
end

-- uri -----------------------------------------------------------------------------------------------------------------

--- Changes the path. With `jump`, locations are searched anew and the handler ends (rewrite phases only). `binary` takes any byte.
function req.set_uri(uri, jump, binary)
  local r = abi.request()
  if type(uri) ~= "string" then
    error("bad argument #1 to 'set_uri' (string expected, got " .. type(uri) .. ")", 2)
  end
  if uri == "" then
    error("attempt to use zero-length uri", 2)
  end
  if not binary then
    local code, shown = unsafe_byte(uri)
    if code then
      error('unsafe byte "' .. code .. '" in uri "' .. shown .. "\" (maybe you want to set the 'binary' argument?)", 2)
    end
  end
  if jump and band(W.phase, MAY_JUMP) == 0 then
    abi.refuse_phase()
  end
  local rc = C.mw_req_set_uri(r, uri, #uri, jump and 1 or 0)
  if rc == AGAIN then
    abi.debug('lua set uri jump to "%s"', uri)
    await()
  elseif rc ~= OK then
    error("attempt to abort with pending subrequests", 2)
  end
end

function req.set_uri_args(value)
  local r = abi.request()
  local kind = type(value)
  local query
  if kind == "table" then
    query = args.encode(value)
  elseif kind == "string" or kind == "number" then
    query = gsub(tostring(value), "[%c ]", percent)
  else
    error(
      "bad argument #1 to 'set_uri_args' (string, number, or table expected, but got "
        .. (value == nil and "nil" or kind)
        .. ")",
      2
    )
  end
  C.mw_req_set_args(r, query, #query)
end

function req.get_uri_args(max, into)
  C.mw_req_args(abi.request(), out)
  if out.size == 0 then
    return into or {}
  end
  return args.parse(out.data, tonumber(out.size), max or MAX_ARGS, into)
end

-- headers -------------------------------------------------------------------------------------------------------------

function req.get_headers(max, raw)
  return resp.headers_table(C.mw_req_headers, abi.request(), max, raw)
end

local function header_text(value)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  end
  error("bad argument #2 to 'set_header' (string, number, or array table expected, got " .. kind .. ")", 3)
end

local VALUE_ESCAPED = "[%z\1-\8\10-\31\127]"
local NAME_ESCAPED = "[%z\1-\32:\127-\255]"

--- Bytes of the class `escaped` would end the line, or the name: they are percent-encoded.
local function safe(raw, escaped)
  if find(raw, escaped) then
    raw = gsub(raw, escaped, function(c)
      return ("%%%02X"):format(c:byte())
    end)
  end
  return raw
end

local function set_header(r, name, value, append)
  if type(name) ~= "string" then
    name = tostring(name)
  end
  name = safe(name, NAME_ESCAPED)
  if value == nil or value == "" then -- an empty value means none, as in lua-nginx-module
    return not append and C.mw_req_clear_header(r, name, #name)
  end
  if type(value) == "table" then
    if not append then
      C.mw_req_clear_header(r, name, #name)
    end
    for i = 1, #value do
      local item = safe(header_text(value[i]), VALUE_ESCAPED)
      if item ~= "" then
        C.mw_req_set_header(r, name, #name, item, #item, 1)
      end
    end
    return
  end
  value = safe(header_text(value), VALUE_ESCAPED)
  C.mw_req_set_header(r, name, #name, value, #value, append and 1 or 0)
end

function req.set_header(name, value)
  set_header(abi.request(), name, value, false)
end

function req.clear_header(name)
  set_header(abi.request(), name, nil, false)
end

-- body ----------------------------------------------------------------------------------------------------------------

--- Reads the whole body into memory or its file; parks as long as it takes. A refused body ends the handler.
function req.read_body()
  local r = resp.writer()
  if r.body_read ~= 0 then
    return
  end
  local rc = C.mw_req_read_body(r)
  if rc == AGAIN then
    rc = await()
  end
  if rc == C.MW_BUSY then
    error("request body is being read", 2)
  elseif rc ~= OK then
    C.mw_thread_exit(rc == C.MW_CLOSED and -1 or rc)
    await()
  end
end

function req.discard_body()
  if C.mw_req_discard_body(abi.request()) == C.MW_BUSY then
    error("request body is being read", 2)
  end
end

--- The body as a string, or nil when it is empty or in a file; at most `max` bytes of it.
function req.get_body_data(max)
  local r = abi.request()
  if r.body_read == 0 and r.is_subrequest == 0 then
    return nil
  end
  if C.mw_req_body_data(r, out) ~= OK then
    return nil
  end
  if max and max > 0 and out.size > max then
    return ffi_string(out.data, max)
  end
  return text()
end

function req.get_body_file()
  if C.mw_req_body_file(abi.request(), out) ~= OK then
    return nil
  end
  return text()
end

function req.get_post_args(max)
  local r = abi.request()
  if C.mw_req_body_file(r, out) == OK then
    return nil, "request body in temp file not supported"
  end
  if r.body_read == 0 then
    error("no request body found; maybe you should turn on lua_need_request_body?", 2)
  end
  if C.mw_req_body_data(r, out) ~= OK then
    return {}
  end
  return args.parse(out.data, tonumber(out.size), max or MAX_ARGS)
end

local function need_body(r)
  if r.body_read == 0 then
    error("request body not read yet", 3)
  end
end

local function set_content_length(r, n)
  set_header(r, "Content-Length", n, false)
end

-- The one argument of a function that takes a string; numbers are such, as everywhere in Lua.
local function check_text(name, count, value)
  if count ~= 1 then
    error("expecting 1 arguments but seen " .. count, 3)
  end
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then
    error("bad argument #1 to '" .. name .. "' (string expected, got " .. kind .. ")", 3)
  end
  return tostring(value)
end

function req.set_body_data(...)
  local data = check_text("set_body_data", select("#", ...), ...)
  local r = abi.request()
  need_body(r)
  C.mw_req_set_body_data(r, data, #data)
  set_content_length(r, #data)
end

function req.set_body_file(path, auto_clean)
  local kind = type(path)
  if kind ~= "string" and kind ~= "number" then
    error("bad argument #1 to 'set_body_file' (string expected, got " .. kind .. ")", 2)
  end
  path = tostring(path)
  local r = abi.request()
  need_body(r)
  if C.mw_req_set_body_file(r, path, #path, auto_clean and 1 or 0) ~= OK then
    error('open() "' .. path .. '" failed', 2)
  end
end

-- A body under construction: pieces by request, from init_body to finish_body.
local pieces = setmetatable({}, { __mode = "k" })

local function building(r)
  local list = pieces[ngx.ctx]
  if not list then
    error("request_body not initialized", 3)
  end
  return list, r
end

--- Starts a new body; more than `buffer_size` bytes of it (client_body_buffer_size) will go to a file.
function req.init_body(buffer_size)
  local r = abi.request()
  need_body(r)
  buffer_size = buffer_size == nil and -1 or tonumber(buffer_size)
  if not buffer_size then
    error("bad argument #1 to 'init_body' (number expected)", 2)
  elseif buffer_size < -1 then
    error("bad buffer_size", 2)
  end
  pieces[ngx.ctx] = { room = buffer_size }
end

function req.append_body(...)
  local data = check_text("append_body", select("#", ...), ...)
  local list = building(abi.request())
  list[#list + 1] = data
end

function req.finish_body()
  local list, r = building(abi.request())
  pieces[ngx.ctx] = nil
  local data = concat(list)
  if C.mw_req_finish_body(r, data, #data, list.room) ~= OK then
    error("fail to write the request body to a file", 2)
  end
  set_content_length(r, #data)
end

return setmetatable({ set_header = set_header }, {
  __call = function(_, ngx)
    ngx.req = req
  end,
})
