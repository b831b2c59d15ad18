-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.proxy: the current request, its body and where its response goes: get_client_body_reader,
-- proxy_request, proxy_response of resty.http.
local body_readers = require "resty.moonwire.http.body"
local is_chunked = require("resty.moonwire.http.head").is_chunked
local find, gmatch, gsub, format, byte, lower =
  string.find, string.gmatch, string.gsub, string.format, string.byte, string.lower
local pairs, pcall, setmetatable, tonumber, tostring, type = pairs, pcall, setmetatable, tonumber, tostring, type

local _M = {}

-- Fields that concern one connection alone; how a response's body is framed towards the client is the server's business.
local HOP_BY_HOP = {
  ["connection"] = true,
  ["keep-alive"] = true,
  ["proxy-authenticate"] = true,
  ["proxy-authorization"] = true,
  ["proxy-connection"] = true,
  ["te"] = true,
  ["trailer"] = true,
  ["trailers"] = true,
  ["transfer-encoding"] = true,
  ["upgrade"] = true,
}

-- The names that Connection lists, in lower case.
local function named_by_connection(value)
  local names = {}
  if type(value) == "table" then
    value = table.concat(value, ",")
  end
  for name in gmatch(lower(value or ""), "[^,%s]+") do
    names[name] = true
  end
  return names
end

-- name, value of the fields that go on to the other side.
local function end_to_end(headers)
  local listed, fields = named_by_connection(headers["connection"]), {}
  for name, value in pairs(headers) do
    local low = lower(name)
    if not HOP_BY_HOP[low] and not listed[low] then
      fields[name] = value
    end
  end
  return fields
end

local function escape(char)
  return format("%%%02X", byte(char))
end

-- The source of a body that is not ours to close.
local borrowed = {}
borrowed.__index = borrowed

function borrowed.finish() end

function borrowed:fail(err)
  self.err = err
  return nil, err
end

--- A reader of the body of the current request, or of `sock` with a head's fields, in pieces of `chunk_size`.
-- @return the reader; nil when there is no body; or nil and the reason
function _M.body_reader(chunk_size, sock, headers)
  if not sock then
    local ok, err
    ok, sock, err = pcall(ngx.req.socket)
    if not ok then
      return nil, sock
    elseif not sock then
      return nil, err ~= "no body" and err or nil
    end
  end
  headers = headers or ngx.req.get_headers(0)
  local source = setmetatable({ sock = sock }, borrowed)
  local length, coding = headers["Content-Length"], headers["Transfer-Encoding"]
  if coding then
    if length or not is_chunked(coding) then
      return nil, "bad Transfer-Encoding"
    end
    return body_readers.chunked(source, chunk_size or 65536)
  elseif length then
    length = tostring(length)
    if #length > 15 or not find(length, "^%d+$") then
      return nil, "bad Content-Length"
    end
    return body_readers.length(source, tonumber(length), chunk_size or 65536)
  end
  return nil
end

--- Sends the current request, with its body as it comes in pieces of `chunk_size`. Returns what request returns.
function _M.request(http, chunk_size)
  local reader, err = http:get_client_body_reader(chunk_size)
  if err then
    return nil, err
  end
  local var = ngx.var
  local headers = end_to_end(ngx.req.get_headers(0))
  if not reader then
    headers["content-length"] = "0"
    if ngx.req.get_method() == "GET" or ngx.req.get_method() == "HEAD" then
      headers["content-length"] = nil
    end
  end
  return http:request {
    method = ngx.req.get_method(),
    path = gsub(var.uri, "[%c %%?#\127-\255]", escape),
    query = var.args,
    body = reader,
    headers = headers,
  }
end

--- Sends a response to the client, its body in pieces of `chunk_size`.
function _M.response(res, chunk_size)
  if not res then
    ngx.log(ngx.ERR, "no response provided")
    return
  end
  ngx.status = res.status
  for name, value in pairs(end_to_end(res.headers)) do
    if lower(name) ~= "content-length" then
      ngx.header[name] = value
    end
  end
  while true do
    local piece, err = res.body_reader(chunk_size)
    if piece then
      local ok
      ok, err = ngx.print(piece)
      err = not ok and err or nil
    end
    if err then
      ngx.log(ngx.ERR, err)
    end
    if err or not piece then
      return
    end
  end
end

return _M
