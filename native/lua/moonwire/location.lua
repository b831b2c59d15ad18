-- SPDX-License-Identifier: MIT
-- ngx.location.capture and capture_multi: subrequests whose responses come back as tables. The light thread parks until all
-- have ended.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local args_module = require "moonwire.args"
local bit = require "bit"

local C, W, await = abi.C, abi.W, abi.await
local ffi_string = ffi.string
local type, tostring, error, pairs, select = type, tostring, error, pairs, select
local find, sub_string = string.find, string.sub
local OK = C.MW_OK
local GET, POST, PUT = 2, 8, 16
local ALLOWED =
  bit.bor(C.MW_PHASE_SERVER_REWRITE, C.MW_PHASE_REWRITE, C.MW_PHASE_ACCESS, C.MW_PHASE_PRECONTENT, C.MW_PHASE_CONTENT)

local sub_ptr = ffi.new "mw_req_t *[1]"
local status_ptr = ffi.new "int32_t[1]"
local body_ptr = ffi.new "mw_str"
local unpack = unpack

local resp, ctx, var, encode -- set by the installer

--- Splits and decodes a subrequest's uri as nginx does (ngx_http_parse_unsafe_uri).
local function split_uri(uri, position, level)
  local mark = find(uri, "?", 1, true)
  local args = ""
  local path = uri
  if mark then
    args = sub_string(uri, mark + 1)
    path = sub_string(uri, 1, mark - 1)
  end
  if path == "" or find(path, "%z") or find(path, "/../", 1, true) or sub_string(path, -3) == "/.." then
    error("unsafe uri in argument #" .. position .. ": " .. uri, level + 1)
  end
  if find(path, "%", 1, true) then
    path = ngx.unescape_uri((path:gsub("%+", "%%2B")))
  end
  return path, args
end

local function set_vars(sub, vars, level)
  for name, value in pairs(vars) do
    if type(name) ~= "string" then
      error('attempt to use a non-string key in the "vars" option table', level + 1)
    end
    if type(value) ~= "string" and type(value) ~= "number" then
      error("attempt to use bad variable value type " .. type(value), level + 1)
    end
    if not var.assign(sub, name, tostring(value)) then
      error('variable "' .. name .. '" cannot be assigned a value (maybe you forgot to define it first?)', level + 1)
    end
  end
end

local function set_headers(sub, headers, level)
  for name, value in pairs(headers) do
    if type(name) ~= "string" then
      error('attempt to use a non-string key in the "headers" option table', level + 1)
    end
    name = tostring(name)
    if type(value) == "table" then
      for i = 1, #value do
        local text = tostring(value[i])
        C.mw_req_set_header(sub, name, #name, text, #text, i > 1 and 1 or 0)
      end
    else
      value = tostring(value)
      C.mw_req_set_header(sub, name, #name, value, #value, 0)
    end
  end
end

local function bad(option, value, level)
  error("Bad " .. option .. " option value" .. (value ~= nil and " type " .. type(value) or ""), level + 1)
end

--- The query string of the uri and of the `args` option together.
local function join_args(args, more, level)
  if more == nil then
    return args
  end
  local kind = type(more)
  if kind == "table" then
    more = encode(more)
  elseif kind == "number" then
    more = tostring(more)
  elseif kind ~= "string" then
    error("Bad args option value", level + 1)
  end
  if more == "" then
    return args
  end
  return args == "" and more or args .. "&" .. more
end

--- Adds one subrequest to `capture`; returns its handle.
local function add(capture, uri, opts, position, level)
  local kind = type(uri)
  if kind ~= "string" then
    if kind ~= "number" then
      error("bad argument #" .. position .. " to 'capture' (string expected, got " .. kind .. ")", level + 1)
    end
    uri = tostring(uri)
  end
  if opts == nil then
    local path, args = split_uri(uri, position, level + 1)
    local rc = C.mw_capture_add(capture, path, #path, args, #args, GET, sub_ptr)
    if rc ~= OK then
      error("failed to issue subrequest: -1", level + 1)
    end
    local sub = sub_ptr[0]
    C.mw_capture_set_body(sub, nil, 0, 0)
    return sub
  end
  if type(opts) ~= "table" then
    error("bad argument #2 to 'capture' (table expected, got " .. type(opts) .. ")", level + 1)
  end
  local method = opts.method
  if method == nil then
    method = GET
  elseif type(method) ~= "number" then
    error("Bad http request method", level + 1)
  end
  local body = opts.body
  if body ~= nil and type(body) ~= "string" and type(body) ~= "number" then
    error("Bad http request body", level + 1)
  end
  local child_ctx = opts.ctx
  if child_ctx ~= nil and type(child_ctx) ~= "table" then
    error("Bad ctx option value type " .. type(child_ctx) .. ", expected a Lua table", level + 1)
  end
  if opts.vars ~= nil and type(opts.vars) ~= "table" then
    error("Bad vars option value", level + 1)
  end
  if opts.headers ~= nil and type(opts.headers) ~= "table" then
    bad("headers", opts.headers, level + 1)
  end

  local path, args = split_uri(uri, position, level + 1)
  args = join_args(args, opts.args, level + 1)
  local rc = C.mw_capture_add(capture, path, #path, args, #args, method, sub_ptr)
  if rc == C.MW_BAD_ARG then
    error("unsupported HTTP method: " .. tostring(method), level + 1)
  elseif rc ~= OK then
    error("failed to issue subrequest: -1", level + 1)
  end
  local sub = sub_ptr[0]
  if body ~= nil then
    body = tostring(body)
    C.mw_capture_set_body(sub, body, #body, 0)
  else
    local forward = opts.always_forward_body or method == POST or method == PUT
    C.mw_capture_set_body(sub, nil, 0, forward and 1 or 0)
  end
  if opts.share_all_vars then
    C.mw_capture_set_vars(sub, 1)
  elseif opts.copy_all_vars then
    C.mw_capture_set_vars(sub, 0)
  end
  if opts.vars then
    set_vars(sub, opts.vars, level + 1)
  end
  if opts.headers then
    set_headers(sub, opts.headers, level + 1)
  end
  if child_ctx then
    ctx.attach(sub, child_ctx)
  end
  return sub
end

--- The response of a subrequest that has ended, as a table; frees it.
local function collect(sub)
  local truncated = C.mw_capture_result(sub, status_ptr, body_ptr) ~= 0
  local response = {
    status = status_ptr[0],
    header = resp.headers_table(C.mw_resp_headers, sub, 0, true),
    body = body_ptr.size == 0 and "" or ffi_string(body_ptr.data, body_ptr.size),
    truncated = truncated,
  }
  C.mw_capture_free(sub)
  return response
end

local function request(level)
  local r = W.req
  if r == nil and W.phase == C.MW_PHASE_INIT then
    error("no request found", level + 2)
  elseif r == nil or bit.band(W.phase, ALLOWED) == 0 then
    abi.refuse_phase(level)
  end
  return r
end

return function(ngx)
  resp, ctx, var = require "moonwire.resp", require "moonwire.ctx", require "moonwire.var"
  encode = args_module.encode
  ngx.location = {}

  --- Issues a subrequest to `uri` and waits for its response: a table with status, header, body, truncated.
  function ngx.location.capture(...)
    local n = select("#", ...)
    if n ~= 1 and n ~= 2 then
      error("expecting one or two arguments", 2)
    end
    local uri, opts = ...
    local capture = C.mw_capture_new(request(1))
    local sub = add(capture, uri, opts, 1, 2)
    C.mw_capture_run(capture)
    await()
    return collect(sub)
  end

  --- Issues several at once, `{ {uri, options}, ... }`, and returns their responses in order.
  function ngx.location.capture_multi(...)
    if select("#", ...) ~= 1 then
      error("only one argument is expected, but got " .. select("#", ...), 2)
    end
    local list = ...
    if type(list) ~= "table" then
      error("bad argument #1 to 'capture_multi' (table expected, got " .. type(list) .. ")", 2)
    end
    local n = #list
    if n == 0 then
      error("at least one subrequest should be specified", 2)
    end
    local capture = C.mw_capture_new(request(1))
    local subs, responses = {}, {}
    for i = 1, n do
      local item = list[i]
      if type(item) ~= "table" then
        error("The query argument #" .. i .. " is not a table, but a " .. type(item), 2)
      end
      subs[i] = add(capture, item[1], item[2], i, 2)
    end
    C.mw_capture_run(capture)
    await()
    for i = 1, n do
      responses[i] = collect(subs[i])
    end
    return unpack(responses, 1, n)
  end
end
