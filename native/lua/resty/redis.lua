-- SPDX-License-Identifier: MIT
-- resty.redis: a client of Redis over a cosocket. Every command is a method, made when it is first asked for; a reply is
-- read with two receives at most for a text. An object belongs to the request that made it; set_keepalive pools its
-- connection for whoever connects next.
local tcp, null = ngx.socket.tcp, ngx.null
local type, tostring, tonumber, select, pairs = type, tostring, tonumber, select, pairs
local setmetatable, rawget, error = setmetatable, rawget, error
local byte, sub, concat, min = string.byte, string.sub, table.concat, math.min
local new_tab = require "table.new"

local STATUS, ERROR, INTEGER, BULK, ARRAY = 43, 45, 58, 36, 42 -- + - : $ *
local MINUS, ZERO, NINE = 45, 48, 57
local MOST_BYTES = 512 * 1024 * 1024 -- of a text: Redis' own limit
local MOST_VALUES, MOST_ROOM = 2 ^ 32, 4096 -- of an array; those that room is made for before they have come
local MOST_DEPTH = 128 -- of arrays in arrays

local _M = new_tab(0, 64)
_M._VERSION = "0.32"

-- "$<n>\r\n" of short arguments, and n of short "$<n>" lines: both are asked for over and over.
local LENGTH = setmetatable({}, {
  __index = function(self, n)
    local text = "$" .. n .. "\r\n"
    if n < 1024 then
      self[n] = text
    end
    return text
  end,
})

-- The number behind a line's first byte; nil where there is none as Redis writes it. Without patterns, which are not compiled.
local function number_of(line)
  local from, to = byte(line, 2) == MINUS and 3 or 2, #line
  if to < from or to > 21 then
    return nil
  end
  for i = from, to do
    local digit = byte(line, i)
    if digit < ZERO or digit > NINE then
      return nil
    end
  end
  return tonumber(sub(line, 2))
end

local SIZE = setmetatable({}, {
  __index = function(self, line)
    local n = number_of(line)
    if n and #line < 5 then
      self[line] = n
    end
    return n
  end,
})

-- replies -------------------------------------------------------------------------------------------------------------

-- A connection that a reply was cut off on is of no use to anybody.
local function give_up(sock, err)
  if err == "timeout" then
    sock:close()
  end
  return nil, err
end

-- What is no Redis' reply, so that nobody knows where the next one begins.
local function refuse(sock, err)
  sock:close()
  return nil, err
end

local read_reply

-- `depth`: of how many arrays this is an element.
local function read_array(sock, n, depth)
  if n < 0 then
    return null
  end
  local values = new_tab(min(n, MOST_ROOM), 0)
  for i = 1, n do
    local value, err = read_reply(sock, false, depth + 1)
    if value == nil then
      return nil, err
    end
    values[i] = value == false and { false, err } or value
  end
  return values
end

-- The reply; false and the text of an error reply; nil and why there is none. `may_wait`: a timeout before its first byte
-- leaves the connection open.
function read_reply(sock, may_wait, depth)
  local line, err, partial = sock:receive()
  if not line then
    if may_wait and partial == "" then
      return nil, err
    end
    return give_up(sock, err)
  end
  local kind = byte(line)
  if kind == BULK then
    local n = SIZE[line]
    if not n or n > MOST_BYTES then
      return refuse(sock, "bad bulk length: " .. line)
    end
    if n < 0 then
      return null
    end
    local text
    text, err = sock:receive(n + 2)
    if not text then
      return give_up(sock, err)
    end
    return sub(text, 1, n)
  elseif kind == STATUS then
    return sub(line, 2)
  elseif kind == INTEGER then
    local n = number_of(line)
    if not n then
      return refuse(sock, "bad integer: " .. line)
    end
    return n
  elseif kind == ARRAY then
    local n = number_of(line)
    depth = depth or 0
    if not n or n > MOST_VALUES then
      return refuse(sock, "bad array length: " .. line)
    elseif depth == MOST_DEPTH then
      return refuse(sock, "arrays nested too deep")
    end
    return read_array(sock, n, depth)
  elseif kind == ERROR then
    return false, sub(line, 2)
  end
  return refuse(sock, 'unknown prefix: "' .. sub(line, 1, 1) .. '"')
end

-- requests ------------------------------------------------------------------------------------------------------------

local function word(value)
  if type(value) ~= "string" then
    value = tostring(value)
  end
  return LENGTH[#value] .. value .. "\r\n"
end

-- A command with its arguments as the server reads it; `name` comes as a word already. Nils at the end are no arguments.
local function request(name, n, ...)
  while n > 0 and select(n, ...) == nil do
    n = n - 1
  end
  if n == 1 then
    return "*2\r\n" .. name .. word((...))
  elseif n == 2 then
    local a, b = ...
    return "*3\r\n" .. name .. word(a) .. word(b)
  end
  local parts = new_tab(n + 1, 0)
  parts[1] = "*" .. n + 1 .. "\r\n" .. name
  for i = 1, n do
    parts[i + 1] = word((select(i, ...)))
  end
  return concat(parts)
end

-- Of a command of a module (register_module_prefix) the name is "prefix.command".
local function prefixed(self, command)
  local prefix = rawget(self, "_module_prefix")
  self._module_prefix = nil
  return word(prefix .. "." .. command)
end

-- Sends a command, or adds it to the pipeline. Returns the socket when there is a reply to wait for, true when there is
-- not, or nil and the reason.
local function send(self, command, name, n, ...)
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  if rawget(self, "_module_prefix") then
    name = prefixed(self, command)
  end
  local text = request(name, n, ...)
  local pipeline = rawget(self, "_reqs")
  if pipeline then
    pipeline[#pipeline + 1] = text
    return true
  end
  local ok, err = sock:send(text)
  if not ok then
    return nil, err
  end
  return sock
end

local function new_command(command)
  local name = word(command)
  return function(self, ...)
    local sock, err = send(self, command, name, select("#", ...), ...)
    if sock == true then
      return nil
    elseif not sock then
      return nil, err
    end
    return read_reply(sock)
  end
end

-- A field that nobody set is a command.
local metatable = {
  __index = function(_, command)
    local method = _M[command]
    if method == nil and type(command) == "string" then
      method = new_command(command)
      _M[command] = method
    end
    return method
  end,
}

--- Makes methods of the class for the names given; they are made without this too, when first called.
function _M.add_commands(...)
  for i = 1, select("#", ...) do
    local command = select(i, ...)
    _M[command] = new_command(command)
  end
end

--- Names a Redis module, so that `red:bf():add(...)` sends BF.ADD.
function _M.register_module_prefix(prefix)
  _M[prefix] = function(self)
    self._module_prefix = prefix
    return self
  end
end

--- HMSET with fields and values one by one, or in a table.
function _M.hmset(self, key, ...)
  local fields = ...
  if select("#", ...) ~= 1 then
    return self:_hmset(key, ...)
  end
  if type(fields) ~= "table" then
    error("bad argument #2 to 'hmset' (table expected, got " .. type(fields) .. ")", 2)
  end
  local list, n = {}, 0
  for field, value in pairs(fields) do
    list[n + 1], list[n + 2] = field, value
    n = n + 2
  end
  return self:_hmset(key, unpack(list, 1, n))
end
_M._hmset = new_command "hmset"

--- The table of a flat list of fields and values, as HGETALL replies it.
function _M.array_to_hash(_, list)
  local n = #list
  local hash = new_tab(0, n / 2)
  for i = 1, n, 2 do
    hash[list[i]] = list[i + 1]
  end
  return hash
end

-- pipelines -----------------------------------------------------------------------------------------------------------

--- From now on commands are kept, and return nothing, until commit_pipeline or cancel_pipeline. `n`: about how many.
function _M.init_pipeline(self, n)
  self._reqs = new_tab(n or 4, 0)
end

function _M.cancel_pipeline(self)
  self._reqs = nil
end

--- Sends what was kept at once.
-- @return the replies in order, of an error { false, its text }; or nil and the reason
function _M.commit_pipeline(self)
  local requests = rawget(self, "_reqs")
  if not requests then
    return nil, "no pipeline"
  end
  self._reqs = nil
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  local n = #requests
  if n == 0 then
    return {}
  end
  local ok, err = sock:send(concat(requests))
  if not ok then
    return nil, err
  end
  return read_array(sock, n, -1)
end

-- channels ------------------------------------------------------------------------------------------------------------

local MESSAGE = { message = true, pmessage = true, smessage = true }

-- The next reply that is no message; messages are kept for read_reply.
local function read_confirmation(self, sock)
  while true do
    local reply, err = read_reply(sock)
    if type(reply) ~= "table" or not MESSAGE[reply[1]] then
      return reply, err
    end
    local kept = rawget(self, "_messages") or {}
    kept[#kept + 1] = reply
    self._messages = kept
  end
end

-- Replies to (un)subscribe come one for each channel: one is returned itself, several as a list.
local function new_subscription(command, channels_of, step)
  local name = word(command)
  return function(self, ...)
    local n = select("#", ...)
    local sock, err = send(self, command, name, n, ...)
    if sock == true then
      return nil
    elseif not sock then
      return nil, err
    end
    if n == 0 then
      n = rawget(self, channels_of) or 1
    end
    local first, replies
    for i = 1, n > 1 and n or 1 do
      local reply
      reply, err = read_confirmation(self, sock)
      if not reply then
        return reply, err
      end
      if type(reply) == "table" then
        self._subscribed = reply[3] ~= 0
        self[channels_of] = (rawget(self, channels_of) or 0) + step
      end
      if i == 1 then
        first = reply
      else
        replies = replies or { first }
        replies[i] = reply
      end
    end
    if n == 0 or rawget(self, channels_of) < 0 then
      self[channels_of] = 0
    end
    return replies or first
  end
end

for prefix in pairs { [""] = true, p = true, s = true } do
  local channels_of = "_" .. prefix .. "channels"
  _M[prefix .. "subscribe"] = new_subscription(prefix .. "subscribe", channels_of, 1)
  _M[prefix .. "unsubscribe"] = new_subscription(prefix .. "unsubscribe", channels_of, -1)
end

--- The next message of the channels subscribed to. After a timeout one may ask again.
function _M.read_reply(self)
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  local kept = rawget(self, "_messages")
  if kept and kept[1] then
    return table.remove(kept, 1)
  end
  if not rawget(self, "_subscribed") then
    return nil, "not subscribed"
  end
  local reply, err = read_reply(sock, true)
  if type(reply) == "table" and reply[3] == 0 and not MESSAGE[reply[1]] then
    self._subscribed = false
  end
  if reply then
    return reply
  end
  return reply, err
end

-- the connection ------------------------------------------------------------------------------------------------------

--- An object without a connection, or nil and the reason.
function _M.new(_)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ _sock = sock, _subscribed = false }, metatable)
end

--- Timeout in milliseconds of each operation to come.
function _M.set_timeout(self, timeout)
  local sock = rawget(self, "_sock")
  if not sock then
    error("not initialized", 2)
  end
  sock:settimeout(timeout)
end

--- Timeouts in milliseconds of connects, sends and reads to come.
function _M.set_timeouts(self, connect, send_ms, read)
  local sock = rawget(self, "_sock")
  if not sock then
    error("not initialized", 2)
  end
  sock:settimeouts(connect, send_ms, read)
end

--- Connects to (host, port, opts) or ("unix:/path", opts), with a pooled connection when there is one. opts: pool,
-- pool_size, backlog, as of a cosocket; ssl, ssl_verify, server_name.
-- @return 1, or nil and the reason
function _M.connect(self, host, port, opts)
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  self._subscribed, self._messages, self._reqs = false, nil, nil
  self._channels, self._pchannels, self._schannels = nil, nil, nil
  if type(port) == "table" then
    port, opts = nil, port
  end
  local ok, err
  if port == nil and type(host) == "string" and sub(host, 1, 5) == "unix:" then
    ok, err = sock:connect(host, opts)
  else
    ok, err = sock:connect(host, port, opts)
  end
  if not ok then
    return nil, err
  end
  if opts and opts.ssl and sock:getreusedtimes() == 0 then
    ok, err = sock:sslhandshake(false, opts.server_name, opts.ssl_verify)
    if not ok then
      return nil, "failed to do ssl handshake: " .. tostring(err)
    end
  end
  return 1
end

--- Pools the connection for `timeout` ms, in a pool of `size`. Not while subscribed.
function _M.set_keepalive(self, ...)
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  if rawget(self, "_subscribed") then
    return nil, "subscribed state"
  end
  return sock:setkeepalive(...)
end

--- How often the connection was used before: 0 for a new one.
function _M.get_reused_times(self)
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  return sock:getreusedtimes()
end

function _M.close(self)
  local sock = rawget(self, "_sock")
  if not sock then
    return nil, "not initialized"
  end
  self._subscribed = false
  return sock:close()
end

return _M
