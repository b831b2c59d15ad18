-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.request: what a request looks like on the wire. Nothing that would end a line, or let a body end
-- elsewhere than its head says, is sent.
local body_module = require "resty.moonwire.http.body"
local is_chunked = require("resty.moonwire.http.head").is_chunked
local is_decoded, chunk_size = body_module.is_decoded, body_module.chunk_size
local find, format, lower, sub, upper, concat =
  string.find, string.format, string.lower, string.sub, string.upper, table.concat
local min = math.min
local ipairs, next, pairs, tonumber, tostring, type = ipairs, next, pairs, tonumber, tostring, type
local encode_args = ngx.encode_args

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"
local VERSIONS = { [1.0] = " HTTP/1.0\r\n", [1.1] = " HTTP/1.1\r\n" }
local EXPECT_BODY = { POST = true, PUT = true, PATCH = true }
local OTHER_LENGTH = 'Request body has another length than its "Content-Length"'
local MOST_LINE = 4096 -- of a chunk's size or a trailer, in a body that encodes its chunks itself

local _M = {}

--- Whether the body is to wait until the server asks for it.
function _M.expects_continue(headers)
  local expect = headers["Expect"] or headers["expect"]
  return type(expect) == "string" and lower(expect) == "100-continue"
end

-- A text, or a list of such, as one string.
local function text_of(body)
  if type(body) ~= "table" then
    return tostring(body)
  end
  local parts, n = {}, 0
  for _, part in ipairs(body) do
    n = n + 1
    parts[n] = text_of(part)
  end
  return concat(parts)
end

--- The body as it is sent: nil, a function, or one string.
function _M.content(body)
  if body == nil or type(body) == "function" then
    return body
  end
  return text_of(body)
end

-- The number that Content-Length says; nil where it is none that every server reads alike.
local function length_said(value)
  if type(value) == "number" then
    value = format("%.14g", value)
  end
  return type(value) == "string" and #value <= 15 and find(value, "^%d+$") and tonumber(value) or nil
end

-- Frames what a function gives: chunks, or as many bytes as were declared.
local function frame_function(headers, body, version)
  local coding, declared = headers["Transfer-Encoding"], headers["Content-Length"]
  if not coding and not declared and is_decoded[body] then
    headers["Transfer-Encoding"], coding = "chunked", "chunked"
  end
  if coding then
    if not is_chunked(coding) then
      return nil, 'Request has invalid "Transfer-Encoding"'
    elseif tonumber(version) == 1.0 then
      return nil, 'HTTP/1.0 request has "Transfer-Encoding"'
    end
    headers["Content-Length"] = nil
    return true
  elseif not declared then
    return nil, "Request body is a function but a length or chunked encoding is not specified"
  end
  local length = length_said(declared)
  if not length then
    return nil, 'Request has invalid "Content-Length"'
  end
  headers["Content-Length"] = format("%.0f", length)
  return true
end

-- Frames a request without a body, whatever fields of another one were taken over.
local function frame_nothing(headers, method)
  local coding, declared = headers["Transfer-Encoding"], headers["Content-Length"]
  local is_zero = length_said(declared) == 0
  headers["Transfer-Encoding"], headers["Content-Length"] = nil, is_zero and "0" or nil
  if is_zero or not EXPECT_BODY[method] then
    return true
  elseif coding then
    headers["Content-Length"] = "0"
    return true
  elseif declared then
    return nil, OTHER_LENGTH
  end
  return nil,
    "Request body is nil but "
      .. method
      .. ' method expects a body. Use an empty string "" if you want to send an empty body.'
end

--- Sees that the head says where the body, of content(), ends, by RFC 9112 section 6: Transfer-Encoding is for functions alone.
--- Returns true, or nil and why that cannot be.
function _M.frame(headers, method, body, version)
  if body == nil then
    return frame_nothing(headers, method)
  elseif type(body) == "function" then
    return frame_function(headers, body, version)
  end
  local declared = headers["Content-Length"]
  if declared and not headers["Transfer-Encoding"] and tonumber(declared) ~= #body then
    return nil, OTHER_LENGTH
  end
  headers["Transfer-Encoding"], headers["Content-Length"] = nil, #body
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

-- Follows a body that encodes its chunks itself. Returns a function to be called with one text after the other: it returns
-- whether the body ends with that, or nil where it is no chunked body, or goes on behind its end.
local function new_follower()
  local expected, line, left = "size", "", 0

  -- The state behind a whole line, its CR LF included; nil where that cannot stand there.
  local function behind(text)
    if expected == "size" then
      left = chunk_size(sub(text, 1, -3))
      return left and (left > 0 and "data" or "trailer")
    elseif expected == "end of data" then
      return text == "\r\n" and "size" or nil
    end
    return text == "\r\n" and "nothing" or "trailer"
  end

  return function(text)
    local at = 1
    while at <= #text do
      if expected == "data" then
        local taken = min(left, #text - at + 1)
        at, left = at + taken, left - taken
        expected = left > 0 and "data" or "end of data"
      elseif expected == "nothing" then
        return nil
      else
        local to = find(text, "\n", at, true)
        line, at = line .. sub(text, at, to or -1), (to or #text) + 1
        if #line > MOST_LINE or to and not find(line, "^[^\r\n]*\r\n$") then
          return nil
        elseif to then
          expected, line = behind(line), ""
          if not expected then
            return nil
          end
        end
      end
    end
    return expected == "nothing"
  end
end

-- Follows a body of `length` bytes, as new_follower.
local function new_counter(length)
  return function(text)
    length = length - #text
    if length < 0 then
      return nil
    end
    return length == 0
  end
end

-- The pieces of a function as it gives them. What would lead out of the body is not sent.
local function send_pieces(sock, read, follow, wrong)
  local is_whole = follow ""
  while true do
    local piece, err, partial = read()
    if piece == nil and err ~= nil then
      return nil, err, partial
    elseif piece == nil then
      break
    end
    piece = text_of(piece)
    is_whole = follow(piece)
    if is_whole == nil then
      return nil, wrong
    end
    local ok
    ok, err = sock:send(piece)
    if not ok then
      return nil, err
    end
  end
  if not is_whole then
    return nil, wrong
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
  if length then
    return send_pieces(sock, body, new_counter(tonumber(length)), OTHER_LENGTH)
  elseif is_decoded[body] then
    return send_decoded(sock, body)
  end
  return send_pieces(sock, body, new_follower(), "Request body is not chunked as it should be")
end

return _M
