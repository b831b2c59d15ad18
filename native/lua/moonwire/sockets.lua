-- SPDX-License-Identifier: MIT
-- The sockets of lib/socket.ts, by number: each call of a method there is a call here, in a light thread of its own. The
-- sockets are shared by those threads, and live until they are forgotten.
local abi = require "moonwire.abi"

local C = abi.C
local ngx_socket = ngx.socket

local sockets, readers = {}, {}

local function open(kind, id)
  local s = ngx_socket[kind]()
  C["mw_" .. (kind == "tcp" and "sock" or "udp") .. "_share"](s[1])
  sockets[id] = s
  return s
end

local api = {}

--- Calls a method of socket `id`, of kind "tcp" or "udp", which is made with its first call.
function api.call(kind, id, method, ...)
  local s = sockets[id] or open(kind, id)
  return s[method](s, ...)
end

--- Calls reader `reader` of a TCP socket: the iterator that receiveuntil returns, made with the reader's first call.
function api.read_until(id, reader, pattern, is_inclusive, size)
  local s = sockets[id] or open("tcp", id)
  local of_socket = readers[id] or {}
  readers[id] = of_socket
  local iterator = of_socket[reader] or s:receiveuntil(pattern, { inclusive = is_inclusive })
  of_socket[reader] = size and iterator -- without a size it has nothing to remember
  local text, err, partial = iterator(size)
  if not text then
    of_socket[reader] = nil
  end
  return text, err, partial
end

--- Closes a socket; what it waits for ends with "closed".
function api.destroy(kind, id)
  local s = sockets[id]
  sockets[id], readers[id] = nil, nil
  if s then
    C["mw_" .. (kind == "tcp" and "sock" or "udp") .. "_abort"](s[1])
  end
end

return api
