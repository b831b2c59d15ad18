-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.response: reads a response as far as its body, for an object of resty.http. An exchange is the source
-- of a body (see resty.moonwire.http.body); while one is being read the connection cannot be pooled.
local body_readers = require "resty.moonwire.http.body"
local head = require "resty.moonwire.http.head"
local request = require "resty.moonwire.http.request"
local getmetatable, setmetatable, pairs, rawget = getmetatable, setmetatable, pairs, rawget
local upper, concat, log = string.upper, table.concat, ngx.log

local _M = {}

local MOST_INTERIM = 32 -- responses with a 1xx status before the one that counts

local exchange = {}
exchange.__index = exchange

--- The body has been read.
function exchange:finish()
  local http = self.http
  if http.exchange == self then
    http.exchange, http.pending = nil, http.pending - 1
  end
end

--- The body cannot be read.
function exchange:fail(err)
  self.err = err
  if self.http.exchange == self then
    self.http:close()
  end
  self.err = err
  return nil, err
end

-- Reads heads up to the one that counts, and sends the body when the server asks for it.
local function read_head(self, params)
  local sock, waits = self.sock, request.expects_continue(params.headers)
  for _ = 1, MOST_INTERIM do
    local response, err = head.read(sock)
    if not response then
      return nil, err
    end
    local status = response.status
    if status >= 200 or status == 101 then
      self.keepalive = self.keepalive and not waits -- a server may still wait for the body that was not sent
      return response
    elseif status == 100 and waits then
      local ok
      ok, err = request.send_body(sock, params.headers, params.body)
      if not ok then
        return nil, err
      end
      waits = false
    end
  end
  return nil, "too many interim responses"
end

-- Whether the connection outlives the exchange.
local function is_persistent(params, response, framing)
  local connection = response.headers["Connection"]
  if framing == "close" or response.status == 101 or upper(params.method) == "CONNECT" and response.status < 300 then
    return false
  elseif head.has_word(connection, "close") or head.has_word(params.headers["Connection"], "close") then
    return false
  end
  return response.version == 1.1 or head.has_word(connection, "keep-alive")
end

local function read_body(res)
  local reader = res.body_reader
  if not reader then
    return nil, "no body to be read"
  end
  local first, err = reader()
  if err then
    return nil, err, ""
  elseif not first then
    return ""
  end
  local parts, n = { first }, 1
  while true do
    local piece
    piece, err = reader()
    if err then
      return nil, err, concat(parts)
    elseif not piece then
      return n == 1 and first or concat(parts)
    end
    n = n + 1
    parts[n] = piece
  end
end

-- Has the trailers show among the headers, where those have no field of the name.
local function read_trailers(res)
  local trailers = res.trailer_reader()
  if not trailers then
    return nil, "no trailers"
  end
  getmetatable(res.headers).fallback = trailers
end

--- Reads the head of the response to a request sent on `self`, an object of resty.http.
-- @return the response, or nil and the reason: nobody knows what comes next on the connection then
function _M.read(self, params)
  if self.exchange then
    return nil, "the response before was not read"
  end
  local response, err = read_head(self, params)
  if not response then
    return nil, err
  end
  local framing, length = head.framing(upper(params.method), response)
  if not framing then
    return nil, length
  end
  self.keepalive = self.keepalive and is_persistent(params, response, framing)
  local source = setmetatable({ http = self, sock = self.sock }, exchange)
  self.exchange = source
  local reader
  if framing == "chunked" then
    reader = body_readers.chunked(source)
  elseif framing == "length" then
    reader = body_readers.length(source, length)
  elseif framing == "close" then
    reader = body_readers.until_close(source)
  else
    reader = body_readers.none
  end
  if framing == "none" or length == 0 then
    source:finish()
  end
  return {
    status = response.status,
    reason = response.reason,
    headers = response.headers,
    has_body = framing ~= "none",
    body_reader = reader,
    read_body = read_body,
    trailer_reader = function()
      return source.trailers
    end,
    read_trailers = read_trailers,
  }
end

-- Reads the head when a field is asked for that is not there yet.
local function read_pipelined(res, name)
  local http, params = getmetatable(res).http, res.params
  setmetatable(res, nil)
  local response, err = http:read_response(params)
  if not response then
    log(ngx.ERR, err)
    return nil
  end
  for field, value in pairs(response) do
    res[field] = value
  end
  return rawget(res, name)
end

--- A response that will be read when one of its fields is first asked for.
function _M.new_pipelined(http, params)
  return setmetatable({ params = params }, { http = http, __index = read_pipelined })
end

return _M
