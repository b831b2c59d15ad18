-- SPDX-License-Identifier: MIT
-- resty.http: a client of HTTP/1.1 and 1.0 over a cosocket, with bodies that are streamed both ways. This is the connection's
-- side of it; resty.http_connect opens it, resty.moonwire.http.* writes requests and reads responses.
-- An object belongs to the request that made it. `pending` counts the responses that have not been read to their end, and
-- `exchange` is the one being read: a connection with either is closed, never pooled.
local connect = require "resty.http_connect"
local head = require "resty.moonwire.http.head"
local new_headers = require("resty.http_headers").new
local proxy = require "resty.moonwire.http.proxy"
local request = require "resty.moonwire.http.request"
local response = require "resty.moonwire.http.response"
local uri_module = require "resty.moonwire.http.uri"

local tcp, log = ngx.socket.tcp, ngx.log
local pairs, pcall, setmetatable, type = pairs, pcall, setmetatable, type
local upper, sub = string.upper, string.sub

local _M = { _VERSION = "0.17.2" }
_M._USER_AGENT = "lua-resty-http/" .. _M._VERSION .. " (Lua) ngx_lua/" .. ngx.config.ngx_lua_version
local metatable = { __index = _M }

local is_debug = false

-- the connection ------------------------------------------------------------------------------------------------------

--- An object without a connection, or nil and the reason.
function _M.new(_)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ sock = sock, keepalive = true, pending = 0 }, metatable)
end

--- Whether requests are written to the error log at the level debug.
function _M.debug(on)
  is_debug = on == true
end

--- Forgets what was under way: the object has another connection, or none. Not for users.
function _M.reset(self, host, port, is_tls)
  if self.exchange then
    self.exchange.err = "closed"
    self.exchange = nil
  end
  self.host, self.port, self.ssl = host, port, is_tls
  self.http_proxy_auth, self.path_prefix = nil, nil
  self.keepalive, self.pending = true, 0
end

--- Timeout in milliseconds of each operation to come.
function _M.set_timeout(self, timeout)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:settimeout(timeout)
end

--- Timeouts in milliseconds of connects, sends and reads to come.
function _M.set_timeouts(self, connect_ms, send_ms, read_ms)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:settimeouts(connect_ms, send_ms, read_ms)
end

--- connect(host, port, opts) or ("unix:/path", opts): without TLS, without a proxy, in the cosocket's own pool.
function _M.tcp_only_connect(self, host, port, ...)
  if not self.sock then
    return nil, "not initialized"
  end
  local ok, err = self.sock:connect(host, port, ...)
  self:reset(host, type(port) == "number" and port or nil, false)
  return ok, err
end

--- Connects by a table of options (see docs/resty.md), or as tcp_only_connect.
-- @return true (or 1), nil and the TLS session; or nil and the reason
function _M.connect(self, options, ...)
  if type(options) == "table" then
    return connect(self, options)
  end
  return self:tcp_only_connect(options, ...)
end

--- TLS on a connection that was made without, as the cosocket's sslhandshake.
function _M.ssl_handshake(self, ...)
  if not self.sock then
    return nil, "not initialized"
  end
  self.ssl = true
  return self.sock:sslhandshake(...)
end

--- Connects to a proxy, and has it open a tunnel when the scheme is https.
function _M.connect_proxy(self, proxy_uri, scheme, host, port, authorization)
  local parts, err = uri_module.parse(proxy_uri, false)
  if not parts then
    return nil, err
  elseif parts[1] ~= "http" then
    return nil, "protocol " .. parts[1] .. " not supported for proxy connections"
  end
  local ok
  ok, err = self:tcp_only_connect(parts[2], parts[3])
  if not ok then
    return nil, err
  elseif scheme == "https" then
    local destination = host .. ":" .. port
    local headers = { ["Host"] = destination, ["Proxy-Authorization"] = authorization }
    local res
    res, err = self:request { method = "CONNECT", path = destination, headers = headers }
    if not res then
      return nil, err
    elseif res.status < 200 or res.status > 299 then
      return nil, "failed to establish a tunnel through a proxy: " .. res.status
    end
  end
  return ok
end

--- Proxies to use: http_proxy, http_proxy_authorization, https_proxy, https_proxy_authorization, no_proxy.
function _M.set_proxy_options(self, opts)
  local copy = {}
  for name, value in pairs(opts) do
    copy[name] = value
  end
  self.proxy_opts = copy
end

--- The URI of the proxy that would be used, or nil.
function _M.get_proxy_uri(self, scheme, host)
  local opts = self.proxy_opts
  if not opts or uri_module.is_excluded(opts.no_proxy, host) then
    return nil
  end
  return scheme == "https" and opts.https_proxy or scheme == "http" and opts.http_proxy or nil
end

--- Pools the connection; closes one that may not be used again, and then returns 2 and "connection must be closed".
function _M.set_keepalive(self, ...)
  if not self.sock then
    return nil, "not initialized"
  end
  local may_reuse = self.keepalive == true and self.pending == 0
  self:reset(self.host, self.port, self.ssl)
  if may_reuse then
    return self.sock:setkeepalive(...)
  end
  local ok, err = self.sock:close()
  if not ok then
    return nil, err
  end
  return 2, "connection must be closed"
end

--- How often the connection was used before: 0 for a new one.
function _M.get_reused_times(self)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:getreusedtimes()
end

function _M.close(self)
  if not self.sock then
    return nil, "not initialized"
  end
  self:reset(self.host, self.port, self.ssl)
  return self.sock:close()
end

-- A connection on which nobody knows what comes next.
local function give_up(self, err)
  self:close()
  return nil, err
end

--- Reads the head of the response to a request that send_request sent, with the params that it left.
function _M.read_response(self, params)
  local res, err = response.read(self, params)
  if not res then
    return give_up(self, err)
  end
  return res
end

-- requests ------------------------------------------------------------------------------------------------------------

-- The value of Host, or nil and why there is none.
local function default_host(self)
  local host, port = self.host, self.port
  if not host then
    return nil, "closed"
  elseif sub(host, 1, 5) == "unix:" then
    return nil, "Unable to generate a useful Host header for a unix domain socket. Please provide one."
  elseif port and port ~= (self.ssl and 443 or 80) then
    return host .. ":" .. port
  end
  return host
end

local function read_var(name)
  return ngx.var[name]
end

-- The traceparent of the request that this code handles, where it handles one.
local function trace_parent()
  local ok, value = pcall(read_var, "http_traceparent")
  return ok and value or nil
end

-- The fields to send: the caller's, and what they leave out.
local function complete_headers(self, params)
  local headers = new_headers()
  for name, value in pairs(params.headers or {}) do
    headers[name] = value
  end
  if self.http_proxy_auth and not headers["Proxy-Authorization"] then
    headers["Proxy-Authorization"] = self.http_proxy_auth
  end
  local ok, err = request.frame(headers, upper(params.method), params.body, params.version)
  if not ok then
    return nil, err
  end
  if not headers["Host"] then
    headers["Host"], err = default_host(self)
    if err then
      return nil, err
    end
  end
  if not headers["User-Agent"] then
    headers["User-Agent"] = _M._USER_AGENT
  end
  if params.version == 1.0 and not headers["Connection"] then
    headers["Connection"] = "Keep-Alive"
  end
  if not headers["traceparent"] then
    headers["traceparent"] = trace_parent()
  end
  return headers
end

--- Sends a request; params as of request. Puts what it sends into params.
-- @return true, or nil, the reason, and what came of a body's function before it
function _M.send_request(self, params)
  local sock = self.sock
  params.method, params.path, params.version = params.method or "GET", params.path or "/", params.version or 1.1
  params.body = request.content(params.body)
  local headers, err = complete_headers(self, params)
  if not headers then
    return nil, err
  end
  params.headers = headers
  local text
  text, err = request.head(params, headers, self.path_prefix)
  if not text then
    return nil, err
  end
  if is_debug then
    log(ngx.DEBUG, "\n", text)
  end
  local body, waits = params.body, request.expects_continue(headers)
  if type(body) == "string" and not waits then
    text, body = text .. body, nil
  end
  local ok, partial
  ok, err = sock:send(text)
  if ok and not waits then
    ok, err, partial = request.send_body(sock, headers, body)
  end
  if not ok then
    give_up(self, err)
    return nil, err, partial
  end
  self.pending = self.pending + 1
  return true
end

-- A copy: what is added to the params of a request stays with it.
local function copy_of(params)
  local copy = {}
  for name, value in pairs(params) do
    copy[name] = value
  end
  return copy
end

--- Sends a request and reads the head of its response: method, path, query, version, headers, body.
-- @return status, reason, headers, has_body, body_reader, read_body, read_trailers in a table; or nil and the reason
function _M.request(self, params)
  params = copy_of(params)
  local ok, err, partial = self:send_request(params)
  if not ok then
    return nil, err, partial
  end
  return self:read_response(params)
end

--- Sends several requests at once. Returns a list of responses, each to be read before the next; or nil and the reason.
function _M.request_pipeline(self, requests)
  local responses = {}
  for i = 1, #requests do
    local params = copy_of(requests[i])
    local headers = params.headers
    if headers and request.expects_continue(headers) then
      return nil, "Cannot pipeline request specifying Expect: 100-continue"
    end
    local ok, err = self:send_request(params)
    if not ok then
      return nil, err
    end
    responses[i] = response.new_pipelined(self, params)
  end
  return responses
end

--- Connects, sends a request, reads the response and its body, and pools the connection; params as of connect and request, and
-- keepalive (false: close), keepalive_timeout, keepalive_pool.
-- @return the response with `body`, or nil and the reason
function _M.request_uri(self, uri, params)
  params = copy_of(params or {})
  local parts, err = uri_module.parse(uri, false)
  if not parts then
    return nil, err
  end
  params.scheme, params.host, params.port = parts[1], parts[2], parts[3]
  params.path, params.query = params.path or parts[4], params.query or parts[5]
  params.ssl_server_name = params.ssl_server_name or params.host
  local authorization = params.headers and params.headers["Proxy-Authorization"]
  local proxy_opts = self.proxy_opts or params.proxy_opts
  if proxy_opts then
    params.proxy_opts = copy_of(proxy_opts)
    if authorization then
      params.proxy_opts.http_proxy_authorization = authorization
      params.proxy_opts.https_proxy_authorization = authorization
    end
  end
  local ok
  ok, err = self:connect(params)
  if not ok then
    return nil, err
  end
  local res
  res, err = self:request(params)
  if not res then
    self:close()
    return nil, err
  end
  res.body, err = res:read_body()
  if not res.body then
    self:close()
    return nil, err
  end
  if params.keepalive == false then
    ok, err = self:close()
  else
    ok, err = self:set_keepalive(params.keepalive_timeout, params.keepalive_pool)
  end
  if not ok then
    log(ngx.ERR, err)
  end
  return res
end

-- the rest ------------------------------------------------------------------------------------------------------------

--- { scheme, host, port, path, query }; unless `query_in_path` is false, the query stays with the path. Or nil and why not.
function _M.parse_uri(_, uri, query_in_path)
  return uri_module.parse(uri, query_in_path)
end

--- Whether fields say that the body is chunked.
function _M.transfer_encoding_is_chunked(headers)
  return head.has_word(headers["Transfer-Encoding"], "chunked")
end

--- A reader of the body of the current request, or of `sock`, in pieces of `chunk_size` unless it is called with another.
-- @return the reader; nil when there is no body; or nil and the reason
function _M.get_client_body_reader(_, chunk_size, sock, headers)
  return proxy.body_reader(chunk_size, sock, headers)
end

--- Sends the current request to the server connected to.
function _M.proxy_request(self, chunk_size)
  return proxy.request(self, chunk_size)
end

--- Sends a response to the client.
function _M.proxy_response(_, res, chunk_size)
  return proxy.response(res, chunk_size)
end

return _M
