-- SPDX-License-Identifier: MIT
-- resty.memcached: a client of memcached's text protocol over a cosocket. Keys are escaped on their way out and back, as
-- URIs unless `key_transform` says otherwise. An object belongs to the request that made it.
local tcp, escape_uri, unescape_uri = ngx.socket.tcp, ngx.escape_uri, ngx.unescape_uri
local type, tonumber, tostring, setmetatable, error = type, tonumber, tostring, setmetatable, error
local find, match, sub, concat = string.find, string.match, string.sub, table.concat

local MOST_BYTES = 1024 * 1024 * 1024 -- of a value: what memcached can be told to take

local _M = { _VERSION = "0.17" }
local metatable = { __index = _M }

--- An object without a connection; opts.key_transform: { escape, unescape }. Returns nil and why not.
function _M.new(_, opts)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  local escape, unescape = escape_uri, unescape_uri
  local transform = opts and opts.key_transform
  if transform then
    escape, unescape = transform[1], transform[2]
    if not escape or not unescape then
      return nil, "expecting key_transform = { escape, unescape } table"
    end
  end
  return setmetatable({ sock = sock, escape_key = escape, unescape_key = unescape }, metatable)
end

-- Sends a command; returns the socket, or nil and the reason.
local function send(self, text)
  local sock = self.sock
  if not sock then
    return nil, "not initialized"
  end
  local ok, err = sock:send(text)
  if not ok then
    return nil, err
  end
  return sock
end

-- A connection that a reply was cut off on is of no use to anybody.
local function give_up(sock, err)
  if err == "timeout" then
    sock:close()
  end
  return nil, err
end

-- The one line that answers a command, or nil and the reason.
local function ask(self, text)
  local sock, err = send(self, text)
  if not sock then
    return nil, err
  end
  local line
  line, err = sock:receive()
  if not line then
    return give_up(sock, err)
  end
  return line
end

-- 1 when the answer is `wanted`, else nil and the answer.
local function command(self, text, wanted)
  local line, err = ask(self, text)
  if line == wanted then
    return 1
  end
  return nil, line or err
end

-- retrieval -----------------------------------------------------------------------------------------------------------

-- One "VALUE ..." and its text. Returns the key as the server has it (false: no more), text, flags, cas; or nil, reason.
local function read_value(sock)
  local line, err = sock:receive()
  if not line then
    return give_up(sock, err)
  elseif line == "END" then
    return false
  end
  local key, flags, size, cas = match(line, "^VALUE (%S+) (%d+) (%d+) ?(%d*)$")
  if not key then
    return nil, line
  end
  size = tonumber(size)
  if size > MOST_BYTES then
    sock:close()
    return nil, line
  end
  local text
  text, err = sock:receive(size + 2)
  if not text then
    return give_up(sock, err)
  end
  return key, sub(text, 1, size), flags, cas
end

-- key -> { text, flags, cas } of a list of keys, or nil and the reason.
local function get_many(self, verb, keys, with_cas)
  if #keys == 0 then
    return {}
  end
  local escaped, escape, unescape = {}, self.escape_key, self.unescape_key
  for i = 1, #keys do
    escaped[i] = escape(keys[i])
  end
  local sock, err = send(self, verb .. concat(escaped, " ") .. "\r\n")
  if not sock then
    return nil, err
  end
  local values = {}
  while true do
    local key, text, flags, cas = read_value(sock)
    if key == nil then
      return nil, text
    elseif not key then
      return values
    end
    values[unescape(key)] = { text, flags, with_cas and cas or nil }
  end
end

-- Text, flags and cas of one key, nothing when it is not there; or nil, nil, nil and the reason.
local function get_one(self, verb, key)
  local sock, err = send(self, verb .. self.escape_key(key) .. "\r\n")
  if not sock then
    return nil, nil, nil, err
  end
  local found, text, flags, cas = read_value(sock)
  if found == nil then
    return nil, nil, nil, text
  elseif not found then
    return nil
  end
  local line
  line, err = sock:receive()
  if line ~= "END" then
    if not line then
      give_up(sock, err)
    end
    return nil, nil, nil, line or err
  end
  return text, flags, cas
end

--- Of a key: its text and flags, nil when there is none; nil, nil and the reason. Of a list of keys: a table of
--- key -> { text, flags }, or nil and the reason.
function _M.get(self, key)
  if type(key) == "table" then
    return get_many(self, "get ", key)
  end
  local text, flags, _, err = get_one(self, "get ", key)
  return text, flags, err
end

--- As get, with the number that cas takes behind the flags.
function _M.gets(self, key)
  if type(key) == "table" then
    return get_many(self, "gets ", key, true)
  end
  return get_one(self, "gets ", key)
end

-- storage -------------------------------------------------------------------------------------------------------------

-- The text of a value: a list, nested as it may be, is joined.
local function text_of(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for i = 1, #value do
    parts[i] = text_of(value[i])
  end
  return concat(parts)
end

local function store(self, verb, key, value, exptime, flags, cas)
  if value == nil then
    error("bad argument #2 to '" .. sub(verb, 1, -2) .. "' (value expected)", 3)
  elseif type(value) ~= "string" then
    value = text_of(value)
  end
  key = tostring(self.escape_key(key))
  if #key > 250 or find(key, "[%c ]") then
    return nil, "bad key" -- the server would refuse the line, then read the value as commands
  end
  local head = verb .. key .. " " .. (flags or 0) .. " " .. (exptime or 0) .. " " .. #value
  if cas then
    head = head .. " " .. cas
  end
  local ok, err = command(self, head .. "\r\n" .. value .. "\r\n", "STORED")
  if ok then
    return 1
  end
  if match(err, "^CLIENT_ERROR") or err == "ERROR" then
    self.sock:close() -- answers to parts of the value may follow
  end
  return nil, err
end

--- Stores a text, or a list of pieces of one, for `exptime` seconds (0: for good), with a number of the user's.
-- @return 1, or nil and the reason
function _M.set(self, key, value, exptime, flags)
  return store(self, "set ", key, value, exptime, flags)
end

--- Stores it if the key is not there.
function _M.add(self, key, value, exptime, flags)
  return store(self, "add ", key, value, exptime, flags)
end

--- Stores it if the key is there.
function _M.replace(self, key, value, exptime, flags)
  return store(self, "replace ", key, value, exptime, flags)
end

function _M.append(self, key, value, exptime, flags)
  return store(self, "append ", key, value, exptime, flags)
end

function _M.prepend(self, key, value, exptime, flags)
  return store(self, "prepend ", key, value, exptime, flags)
end

--- Stores it if nobody did since gets returned `cas`; else nil and "EXISTS".
function _M.cas(self, key, value, cas, exptime, flags)
  return store(self, "cas ", key, value, exptime, flags, cas)
end

function _M.delete(self, key)
  return command(self, "delete " .. self.escape_key(key) .. "\r\n", "DELETED")
end

local function count(self, verb, key, value)
  local line, err = ask(self, verb .. self.escape_key(key) .. " " .. value .. "\r\n")
  if not line then
    return nil, err
  end
  local number = match(line, "^(%d+) *$")
  if not number then
    return nil, line
  end
  return number
end

--- Adds to a number that is there; returns the new one as text.
function _M.incr(self, key, value)
  return count(self, "incr ", key, value)
end

function _M.decr(self, key, value)
  return count(self, "decr ", key, value)
end

--- Gives a key a new time to live.
function _M.touch(self, key, exptime)
  return command(self, "touch " .. self.escape_key(key) .. " " .. exptime .. "\r\n", "TOUCHED")
end

-- the server ----------------------------------------------------------------------------------------------------------

--- Drops everything, now or in `time` seconds.
function _M.flush_all(self, time)
  return command(self, time and "flush_all " .. time .. "\r\n" or "flush_all\r\n", "OK")
end

--- The lines of the server's statistics, or nil and the reason.
function _M.stats(self, args)
  local sock, err = send(self, args and "stats " .. args .. "\r\n" or "stats\r\n")
  if not sock then
    return nil, err
  end
  local lines, n = {}, 0
  while true do
    local line
    line, err = sock:receive()
    if not line then
      return give_up(sock, err)
    elseif line == "END" or line == "RESET" then
      return lines
    elseif match(line, "^%u*_?ERROR") then
      return nil, line
    end
    n = n + 1
    lines[n] = line
  end
end

function _M.version(self)
  local line, err = ask(self, "version\r\n")
  if not line then
    return nil, err
  end
  local version = match(line, "^VERSION (.+)$")
  if not version then
    return nil, line
  end
  return version
end

function _M.verbosity(self, level)
  return command(self, "verbosity " .. level .. "\r\n", "OK")
end

--- Asks the server to close the connection.
function _M.quit(self)
  local sock, err = send(self, "quit\r\n")
  if not sock then
    return nil, err
  end
  return 1
end

-- the connection ------------------------------------------------------------------------------------------------------

--- Timeout in milliseconds of each operation to come.
function _M.set_timeout(self, timeout)
  if not self.sock then
    error("not initialized", 2)
  end
  self.sock:settimeout(timeout)
  return 1
end

--- Timeouts in milliseconds of connects, sends and reads to come.
function _M.set_timeouts(self, connect, send_ms, read)
  if not self.sock then
    error("not initialized", 2)
  end
  self.sock:settimeouts(connect, send_ms, read)
  return 1
end

--- Connects to (host, port, opts) or "unix:/path", as a cosocket does.
function _M.connect(self, ...)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:connect(...)
end

--- Pools the connection for `timeout` ms, in a pool of `size`.
function _M.set_keepalive(self, ...)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:setkeepalive(...)
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
  return self.sock:close()
end

return _M
