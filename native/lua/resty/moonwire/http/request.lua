-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.request: what a request looks like on the wire. Nothing that would end a line, or let a body end
-- elsewhere than its head says, is sent.
local body_module = require "resty.moonwire.http.body"
local has_word = require("resty.moonwire.http.head").has_word
local is_decoded = body_module.is_decoded
local find, format, lower, sub, upper, concat =
  string.find, string.format, string.lower, string.sub, string.upper, table.concat
local ipairs, next, pairs, tonumber, tostring, type = ipairs, next, pairs, tonumber, tostring, type
local encode_args = ngx.encode_args

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"
local VERSIONS = { [1.0] = " HTTP/1.0\r\n", [1.1] = " HTTP/1.1\r\n" }
local EXPECT_BODY = { POST = true, PUT = true, PATCH = true }

local _M = {}

--- Whether the body is to wait until the server asks for it.
function _M.expects_continue(headers)
  local expect = headers["Expect"] or headers["expect"]
  return type(expect) == "string" and lower(expect) == "100-continue"
end

-- The number of bytes of a body that is no function.
local function length_of(body)
  if type(body) ~= "table" then
    return #tostring(body)
  end
  local length = 0
  for _, part in ipairs(body) do
    length = length + (type(part) == "table" and length_of(part) or #tostring(part))
  end
  return length
end

--- Sees that the head says how long the body is. Returns true, or nil and why that cannot be.
function _M.frame(headers, method, body)
  local chunked = has_word(headers["Transfer-Encoding"], "chunked")
  if is_decoded[body] and not headers["Content-Length"] and not chunked then
    headers["Transfer-Encoding"], chunked = "chunked", true
  end
  if chunked then
    headers["Content-Length"] = nil
    return true
  end
  local declared = headers["Content-Length"]
  if body == nil then
    if not declared and EXPECT_BODY[method] then
      return nil,
        "Request body is nil but "
          .. method
          .. ' method expects a body. Use an empty string "" if you want to send an empty body.'
    end
    return true
  elseif type(body) == "function" then
    if not declared then
      return nil, "Request body is a function but a length or chunked encoding is not specified"
    end
  else
    local length = length_of(body)
    if declared and tonumber(declared) ~= length then
      return nil, 'Request body has another length than its "Content-Length"'
    end
    headers["Content-Length"] = length
  end
  return true
end

local function query_of(query)
  if type(query) == "table" then
    query = next(query) and encode_args(query) or ""
  end
  if query == nil or query == "" then
    return ""
  end
  return sub(query, 1, 1) == "?" and query or "?" .. query
end

-- Appends the lines of one field; returns the new size of `out`, or nil and what is wrong.
local function put_field(out, n, name, value)
  if type(value) == "table" then
    for _, item in pairs(value) do
      local err
      n, err = put_field(out, n, name, item)
      if not n then
        return nil, err
      end
    end
    return n
  end
  value = tostring(value)
  if not find(name, TOKEN) then
    return nil, "bad request header name: " .. name
  elseif find(value, "[%z\r\n]") then
    return nil, "bad value of request header " .. name
  end
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = name, ": ", value, "\r\n"
  return n + 4
end

--- The text of a head: params has method, path, query, version; or nil and what is wrong.
function _M.head(params, headers, path_prefix)
  local method, version = upper(params.method), VERSIONS[tonumber(params.version)]
  local target = (path_prefix or "") .. params.path .. query_of(params.query)
  if not find(method, TOKEN) then
    return nil, "bad request method: " .. method
  elseif not version then
    return nil, "bad HTTP version: " .. tostring(params.version)
  elseif target == "" or find(target, "[%c ]") then
    return nil, "bad request target: " .. target
  end
  local out = { method, " ", target, version }
  local n, err = put_field(out, 4, "Host", headers["Host"])
  if not n then
    return nil, err
  end
  for name, value in pairs(headers) do
    name = tostring(name)
    if #name ~= 4 or upper(name) ~= "HOST" then
      n, err = put_field(out, n, name, value)
      if not n then
        return nil, err
      end
    end
  end
  out[n + 1] = "\r\n"
  return concat(out)
end

-- The pieces of a function, as chunks.
local function send_decoded(sock, read)
  while true do
    local piece, err = read()
    if not piece and err ~= nil then
      return nil, err
    elseif not piece then
      return sock:send "0\r\n\r\n"
    end
    if #piece > 0 then
      local ok
      ok, err = sock:send(format("%x\r\n", #piece) .. piece .. "\r\n")
      if not ok then
        return nil, err
      end
    end
  end
end

-- The pieces of a function that has to give `length` bytes (nil: it encodes its chunks itself).
local function send_pieces(sock, read, length)
  local sent = 0
  while true do
    local piece, err, partial = read()
    if piece == nil and err ~= nil then
      return nil, err, partial
    elseif piece == nil then
      break
    end
    sent = sent + length_of(piece)
    if length and sent > length then
      break
    end
    local ok
    ok, err = sock:send(piece)
    if not ok then
      return nil, err
    end
  end
  if length and sent ~= length then
    return nil, 'Request body has another length than its "Content-Length"'
  end
  return true
end

--- Sends a body. Returns true; or nil, the reason, and what came of the body's function before it.
function _M.send_body(sock, headers, body)
  if body == nil then
    return true
  elseif type(body) ~= "function" then
    return sock:send(body)
  end
  local length = headers["Content-Length"]
  if length == nil and is_decoded[body] then
    return send_decoded(sock, body)
  end
  return send_pieces(sock, body, tonumber(length))
end

return _M
