-- SPDX-License-Identifier: MIT
-- resty.websocket.server: the current request becomes a WebSocket. An object belongs to the request that made it.
local peer = require "resty.moonwire.websocket.peer"
local find, lower, match = string.find, string.lower, string.match
local setmetatable, tostring, type = setmetatable, tostring, type
local decode_base64, encode_base64, sha1_bin = ngx.decode_base64, ngx.encode_base64, ngx.sha1_bin

local _M = { _VERSION = "0.13" }
local metatable = { __index = _M }

local MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

peer.add_methods(_M, true)

local function first(value)
  return type(value) == "table" and value[1] or value
end

-- The key of a request that is a handshake, and the subprotocols it offers; or nil and what is wrong with it.
local function check_request()
  if ngx.headers_sent then
    return nil, "response header already sent"
  end
  ngx.req.read_body()
  if ngx.req.http_version() ~= 1.1 or ngx.req.get_method() ~= "GET" then
    return nil, ngx.req.http_version() ~= 1.1 and "bad http version" or "bad request method"
  end
  local headers = ngx.req.get_headers(0)
  local upgrade, connection = first(headers.upgrade), first(headers.connection)
  if not upgrade or lower(upgrade) ~= "websocket" then
    return nil, 'bad "upgrade" request header: ' .. tostring(upgrade)
  elseif not connection or not find(lower(connection), "upgrade", 1, true) then
    return nil, 'bad "connection" request header'
  end
  local key, version = first(headers["sec-websocket-key"]), first(headers["sec-websocket-version"])
  if not key or #(decode_base64(key) or "") ~= 16 then
    return nil, 'bad "sec-websocket-key" request header'
  elseif version ~= "13" then
    return nil, 'bad "sec-websocket-version" request header'
  end
  return key, first(headers["sec-websocket-protocol"])
end

--- Answers the handshake. opts: max_payload_len (65535 unless said), max_recv_len, max_send_len, send_masked, timeout (ms). Of the
-- subprotocols offered the first is taken, unless the caller has set the response's Sec-WebSocket-Protocol.
-- @return an object, or nil and what is wrong with the request
function _M.new(_, opts)
  local key, offered = check_request()
  if not key then
    return nil, offered
  end
  local header = ngx.header
  if offered and not header["Sec-WebSocket-Protocol"] then
    header["Sec-WebSocket-Protocol"] = match(offered, "^%s*([^,%s]+)")
  end
  header["Upgrade"] = "websocket"
  header["Sec-WebSocket-Accept"] = encode_base64(sha1_bin(key .. MAGIC))
  header["Content-Type"] = nil
  ngx.status = 101
  local ok, err = ngx.send_headers()
  if not ok then
    return nil, "failed to send response header: " .. (err or "unknown")
  end
  ok, err = ngx.flush(true)
  if not ok then
    return nil, "failed to flush response header: " .. (err or "unknown")
  end
  local sock
  sock, err = ngx.req.socket(true)
  if not sock then
    return nil, err
  end
  return setmetatable(peer.new_fields(sock, opts, opts and opts.send_masked), metatable)
end

return _M
