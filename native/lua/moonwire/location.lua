-- SPDX-License-Identifier: MIT
-- ngx.location.capture and capture_multi: subrequests whose responses come back as tables. The light thread waits until all
-- have ended, parked if one of them waits.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local args_module = require "moonwire.args"
local set_header = require("moonwire.req").set_header

local C, W = abi.C, abi.W
local type, tostring, error, pairs, select = type, tostring, error, pairs, select
local OK = C.MW_OK
local GET, POST, PUT = 2, 8, 16
local NO_OPTIONS = {}

local sub_ptr = ffi.new "mw_req_t *[1]"

local ctx, var -- set by the installer

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

-- Names and values are escaped as ngx.req.set_header escapes them.
local function set_headers(sub, headers, level)
  for name, value in pairs(headers) do
    if type(name) ~= "string" then
      error('attempt to use a non-string key in the "headers" option table', level + 1)
    end
    if type(value) == "table" then
      set_header(sub, name, nil, false)
      for i = 1, #value do
        set_header(sub, name, tostring(value[i]), true)
      end
    else
      set_header(sub, name, tostring(value), false)
    end
  end
end

local function bad(option, value, level)
  error("Bad " .. option .. " option value" .. (value ~= nil and " type " .. type(value) or ""), level + 1)
end

--- The `args` option as a query string.
local function encode_args(args, level)
  local kind = type(args)
  if kind == "nil" then
    return ""
  elseif kind == "table" then
    return args_module.encode(args)
  elseif kind == "number" then
    return tostring(args)
  elseif kind ~= "string" then
    error("Bad args option value", level + 1)
  end
  return args
end

--- Adds one subrequest to `capture`.
local function add(capture, uri, opts, position, level)
  local kind = type(uri)
  if kind ~= "string" then
    if kind ~= "number" then
      error("bad argument #" .. position .. " to 'capture' (string expected, got " .. kind .. ")", level + 1)
    end
    uri = tostring(uri)
  end
  if opts == nil then
    opts = NO_OPTIONS
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

  local args = encode_args(opts.args, level + 1)
  local rc = C.mw_capture_add(capture, uri, #uri, args, #args, method, sub_ptr)
  if rc == C.MW_NOT_FOUND then
    error("unsafe uri in argument #" .. position .. ": " .. uri, level + 1)
  elseif rc == C.MW_BAD_ARG then
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
end

local function refuse()
  if W.phase == C.MW_PHASE_INIT then
    error("no request found", 3)
  end
  abi.refuse_phase(1)
end

return function(ngx, host)
  ctx, var = require "moonwire.ctx", require "moonwire.var"
  local lib = host.capture
  local start, take, add_headers, is_allowed = lib.start, lib.take, lib.add_headers, lib.is_allowed

  -- The response table of the i-th subrequest, from 0, which has ended, of what take(i) returns.
  local function response(i, status, body, truncated, content_type, has_more)
    local header = { ["Content-Type"] = content_type }
    if has_more then
      add_headers(i, header)
    end
    return { status = status, header = header, body = body, truncated = truncated }
  end

  ngx.location = {}

  --- Issues a subrequest to `uri` and waits for its response: a table with status, header, body, truncated.
  --- Not a vararg function: no trace that begins behind the wait could return from one.
  function ngx.location.capture(uri, opts, surplus)
    if uri == nil or surplus ~= nil then
      error("expecting one or two arguments", 2)
    end
    local status, body, truncated, content_type, has_more
    if opts == nil and type(uri) == "string" then
      status, body, truncated, content_type, has_more = start(uri)
    elseif is_allowed() then
      local capture = C.mw_capture_new(W.req)
      add(capture, uri, opts, 1, 2)
      C.mw_capture_select(capture)
      start()
    else
      status = false
    end
    if status == nil then
      return response(0, take(0))
    elseif not status then
      refuse()
    elseif body == nil then
      error(status, 2)
    end
    return response(0, status, body, truncated, content_type, has_more)
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
    if not is_allowed() then
      refuse()
    end
    local capture = C.mw_capture_new(W.req)
    for i = 1, n do
      local item = list[i]
      if type(item) ~= "table" then
        error("The query argument #" .. i .. " is not a table, but a " .. type(item), 2)
      end
      add(capture, item[1], item[2], i, 2)
    end
    C.mw_capture_select(capture)
    start()
    local responses = {}
    for i = 1, n do
      responses[i] = response(i - 1, take(i - 1))
    end
    return unpack(responses, 1, n)
  end
end
