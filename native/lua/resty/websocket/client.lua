-- SPDX-License-Identifier: MIT
-- resty.websocket.client: a WebSocket to a server, over a cosocket. An object belongs to the request that made it.
local peer = require "resty.moonwire.websocket.peer"
local random_bytes = require("resty.random").bytes
local concat, find, gmatch, lower, match, sub =
  table.concat, string.find, string.gmatch, string.lower, string.match, string.sub
local encode_base64, sha1_bin = ngx.encode_base64, ngx.sha1_bin
local setmetatable, tostring, type = setmetatable, tostring, type

local _M = { _VERSION = "0.13" }
local metatable = { __index = _M }

local MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
local MOST_HEAD = 65536 -- bytes of the server's answer to the handshake

peer.add_methods(_M, false)

--- An object without a connection, or nil and the reason. opts: max_payload_len (65535 unless said), max_recv_len,
-- max_send_len, send_unmasked, timeout (ms).
function _M.new(_, opts)
  local sock, err = ngx.socket.tcp()
  if not sock then
    return nil, err
  end
  return setmetatable(peer.new_fields(sock, opts, not (opts and opts.send_unmasked)), metatable)
end

-- { is_tls, host, port (none for a unix socket), path }, or nil.
local function parse_uri(uri)
  if find(uri, "[%c ]") then
    return nil
  end
  local scheme, rest = match(uri, "^(wss?)://(.*)$")
  if not scheme then
    return nil
  end
  local host, path = match(rest, "^(unix:[^:]+):(.*)$")
  local port
  if not host then
    host, path = match(rest, "^(%[[^%]/]+%])(.*)$")
    if not host then
      host, path = match(rest, "^([^:/?]+)(.*)$")
    end
    if not host then
      return nil
    end
    local digits, behind = match(path, "^:(%d+)(.*)$")
    port, path = digits or scheme == "wss" and 443 or 80, behind or path
  end
  if sub(path, 1, 1) ~= "/" then
    if path ~= "" and sub(path, 1, 1) ~= "?" then
      return nil
    end
    path = "/" .. path
  end
  return { is_tls = scheme == "wss", host = host, port = port, path = path }
end

-- What is wrong with the options, nil when nothing is.
local function check_options(opts)
  if opts.server_name ~= nil and type(opts.server_name) ~= "string" then
    return "SSL server_name must be a string"
  elseif opts.headers and type(opts.headers) ~= "table" then
    return "custom headers must be a table"
  elseif opts.host ~= nil and type(opts.host) ~= "string" then
    return "custom host header must be a string"
  elseif opts.key ~= nil and type(opts.key) ~= "string" then
    return "custom Sec-WebSocket-Key must be a string"
  elseif opts.client_cert and not opts.client_priv_key then
    return "client_priv_key must be provided with client_cert"
  end
end

-- The text of the handshake, or nil when a value would end a line.
local function handshake(target, opts, key)
  local protocols = opts.protocols
  if type(protocols) == "table" then
    protocols = concat(protocols, ",")
  end
  local lines = { "GET " .. target.path .. " HTTP/1.1", "Upgrade: websocket" }
  local function add(line)
    lines[#lines + 1] = line
  end
  add("Host: " .. (opts.host or (target.port and target.host .. ":" .. target.port or "unix_sock")))
  add("Sec-WebSocket-Key: " .. key)
  if protocols then
    add("Sec-WebSocket-Protocol: " .. protocols)
  end
  add "Sec-WebSocket-Version: 13"
  if opts.origin then
    add("Origin: " .. opts.origin)
  end
  add "Connection: Upgrade"
  for _, line in ipairs(opts.headers or {}) do
    add(line)
  end
  for i = 1, #lines do
    if find(lines[i], "[%z\r\n]") then
      return nil
    end
  end
  return concat(lines, "\r\n") .. "\r\n\r\n"
end

-- What is wrong with the head of the server's answer, nil when nothing is.
local function check_answer(head, key)
  if not find(head, "^HTTP/1%.1 101[ \r]") then
    return "bad HTTP response status line: " .. match(head, "^[^\r\n]*")
  end
  local fields = {}
  for name, value in gmatch(head .. "\r\n", "\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    name = lower(name)
    fields[name] = (fields[name] and fields[name] .. "," or "") .. value
  end
  if not find(lower(fields.upgrade or ""), "websocket", 1, true) then
    return 'bad "upgrade" response header'
  elseif not find(lower(fields.connection or ""), "upgrade", 1, true) then
    return 'bad "connection" response header'
  elseif match(fields["sec-websocket-accept"] or "", "^%S*") ~= encode_base64(sha1_bin(key .. MAGIC)) then
    return 'bad "sec-websocket-accept" response header'
  end
end

-- The head of the server's answer; or nil, the reason, and the head where there is one.
local function shake_hands(sock, target, opts)
  local key = opts.key or encode_base64(random_bytes(16))
  local text = handshake(target, opts, key)
  if not text then
    return nil, "bad value in the handshake request"
  end
  local ok, err = sock:send(text)
  if not ok then
    return nil, "failed to send the handshake request: " .. err
  end
  local read = sock:receiveuntil "\r\n\r\n"
  local head
  head, err = read(MOST_HEAD)
  if not head then
    return nil, "failed to receive response header: " .. err
  elseif #head == MOST_HEAD then
    return nil, "response header is too large"
  end
  read(1) -- takes note of its end
  err = check_answer(head, key)
  if err then
    return nil, err, head
  end
  return head
end

-- TLS as the options say. Returns true, or nil and the reason.
local function start_tls(sock, target, opts)
  if opts.client_cert then
    local ok, err = sock:setclientcert(opts.client_cert, opts.client_priv_key)
    if not ok then
      return nil, "failed to set TLS client certificate: " .. err
    end
  end
  local ok, err = sock:sslhandshake(false, opts.server_name or opts.host or target.host, opts.ssl_verify)
  if not ok then
    return nil, "ssl handshake failed: " .. err
  end
  return true
end

--- Connects to "ws://host:port/path", wss://, or "ws://unix:/socket:/path", with a pooled connection when there is one. opts:
-- protocols, origin, headers (lines), host, key, pool, pool_size, backlog, ssl_verify, server_name, client_cert, client_priv_key.
-- @return 1, nil and the head of the server's answer ("connection reused"); or nil, the reason, and the head where one came
function _M.connect(self, uri, opts)
  local sock = self.sock
  if not sock then
    return nil, "not initialized"
  end
  opts = opts or {}
  local target = parse_uri(uri)
  local err = not target and "bad websocket uri" or check_options(opts)
  if err then
    return nil, err
  end
  self.fatal, self.closed = nil, nil
  local pool = { pool = opts.pool, pool_size = opts.pool_size, backlog = opts.backlog }
  local ok
  if target.port then
    ok, err = sock:connect(target.host, target.port, pool)
  else
    ok, err = sock:connect(target.host, pool)
  end
  if not ok then
    return nil, "failed to connect: " .. err
  end
  local reused
  reused, err = sock:getreusedtimes()
  if not reused then
    return nil, "failed to get reused times: " .. tostring(err)
  elseif reused > 0 then
    return 1, nil, "connection reused"
  end
  local head
  ok, err = true, nil
  if target.is_tls then
    ok, err = start_tls(sock, target, opts)
  end
  local answer
  if ok then
    head, err, answer = shake_hands(sock, target, opts)
  end
  if not head then
    sock:close()
    return nil, err, answer
  end
  return 1, nil, head
end

--- Closes the connection, after a close frame when none was sent.
function _M.close(self)
  if not self.sock then
    return nil, "not initialized"
  elseif self.fatal then
    self.sock:close()
    return nil, "fatal error already happened"
  end
  if not self.closed then
    local bytes, err = self:send_close()
    if not bytes then
      return nil, "failed to send close frame: " .. err
    end
  end
  return self.sock:close()
end

--- Pools the connection for `timeout` ms, in a pool of `size`.
function _M.set_keepalive(self, ...)
  if not self.sock then
    return nil, "not initialized"
  elseif self.fatal or self.closed then
    self.sock:close()
    return nil, "closed"
  end
  return self.sock:setkeepalive(...)
end

return _M
