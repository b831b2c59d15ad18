-- SPDX-License-Identifier: MIT
-- ngx.socket.tcp, stream, connect: cosockets. Arguments are checked here, with lua-nginx-module's words; the work is done by the
-- sock family of mw_abi.h.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local cosocket = require "moonwire.cosocket"
local no_tls = require "moonwire.no_tls"

local C, W, await = abi.C, abi.W, abi.await
local ffi_new, ffi_string = ffi.new, ffi.string
local type, tonumber, tostring, error, select, floor = type, tonumber, tostring, error, select, math.floor
local setmetatable, sub = setmetatable, string.sub
local OK, AGAIN, OTHERS, BUSY = C.MW_OK, C.MW_AGAIN, C.MW_NO_REQUEST, C.MW_BUSY
local attach, current, handle = cosocket.attach, cosocket.current, cosocket.handle
local bad_argument, text_of = cosocket.bad_argument, cosocket.text
local LINE, ALL, SIZE, ANY = C.MW_SOCK_LINE, C.MW_SOCK_ALL, C.MW_SOCK_SIZE, C.MW_SOCK_ANY

local tcp = {}
local metatable = { __index = tcp }
local MOST = 2147483647 -- of sizes and milliseconds

local function check_count(count, least, most, words)
  if count < least or count > most then
    error(words .. count, 3)
  end
end

-- What a method returns for a status; called in its last return, so that level 2 is the method's caller.
local function finish(s, rc)
  if rc == AGAIN then
    rc = await()
  end
  if rc == OK then
    return 1
  elseif rc == OTHERS then
    error("bad request", 2)
  end
  return nil, ffi_string(s.err)
end

-- connect -------------------------------------------------------------------------------------------------------------

-- An option's value, -1 without one; or nil and the complaint.
local function whole_number(opts, name, least)
  local value = opts[name]
  if value == nil then
    return -1
  end
  local number = tonumber(value)
  if not number then
    return nil, 'bad "' .. name .. '" option type: ' .. type(value)
  end
  if not (number >= least and number <= MOST) then
    return nil, 'bad "' .. name .. '" option value: ' .. value
  end
  return floor(number)
end

--- Connects to `host` and `port`, or to "unix:/path"; opts: pool, pool_size, backlog.
-- @return 1, or nil and the reason
function tcp:connect(...)
  local count = select("#", ...) + 1
  check_count(count, 2, 4, "ngx.socket connect: expecting 2, 3, or 4 arguments (including the object), but seen ")
  local s = handle(self, "connect")
  local host, port, opts = ...
  if type(host) == "number" then
    host = tostring(host)
  elseif type(host) ~= "string" then
    error("bad argument #1 to 'connect' (string expected, got " .. (host == nil and "nil" or type(host)) .. ")", 2)
  end
  local is_unix = sub(host, 1, 5) == "unix:"
  if is_unix then
    opts, port = type(port) == "table" and port or opts, -1
  elseif port == nil then
    return nil, "missing the port number"
  else
    local number = tonumber(port)
    if not number then
      return nil, "missing the port number"
    end
    port = floor(number)
    if not (port >= 0 and port <= 65535) then
      return nil, "bad port number: " .. port
    end
  end
  local pool, pool_size, backlog = nil, -1, -1
  if type(opts) == "table" then -- lua-nginx-module minds nothing else there
    local place = is_unix and 2 or 3
    local complaint
    pool_size, complaint = whole_number(opts, "pool_size", 1)
    if pool_size then
      backlog, complaint = whole_number(opts, "backlog", 0)
    end
    pool = opts.pool
    if not complaint and pool ~= nil and type(pool) ~= "string" and type(pool) ~= "number" then
      complaint = 'bad "pool" option type: ' .. type(pool)
    end
    if complaint then
      bad_argument(place, complaint)
    end
  end
  local key = pool and tostring(pool) or is_unix and host or host .. ":" .. port
  return finish(s, C.mw_sock_connect(s, host, #host, port, key, #key, pool_size, backlog))
end

--- The local address of connects to come, and its port (any by default).
-- @return true, or nil and the reason
function tcp:bind(address, ...)
  local count = select("#", ...) + 2
  if count > 3 then
    error("expecting 2 or 3 arguments, but got " .. count, 2)
  end
  local s = handle(self, "bind")
  local port = 0
  if count == 3 then
    port = tonumber((...))
    if not port then
      return nil, "expecting port to be a number but got type: " .. type((...))
    end
    port = floor(port)
    if not (port >= 0 and port <= 65535) then
      return nil, "bad port number: " .. port
    end
  end
  if type(address) == "number" then
    address = tostring(address)
  elseif type(address) ~= "string" then
    bad_argument(1, "string expected, got " .. type(address))
  end
  if C.mw_sock_bind(s, address, #address, port) ~= OK then
    return nil, ffi_string(s.err)
  end
  return true
end

-- send ----------------------------------------------------------------------------------------------------------------

--- Sends a string, a number, or an array of such, nested as it may be; returns once the kernel has all of it.
-- @return the number of bytes, or nil and the reason
function tcp:send(...)
  local count = select("#", ...) + 1
  check_count(count, 2, 2, "expecting 2 arguments (including the object), but got ")
  local s = handle(self, "send")
  local data, complaint = text_of((...))
  if not data then
    bad_argument(1, complaint)
  end
  local rc = C.mw_sock_send(s, data, #data)
  if rc == AGAIN then
    rc = await()
  end
  if rc == OK then
    return #data
  elseif rc == OTHERS then
    error("bad request", 2)
  end
  return nil, ffi_string(s.err)
end

-- receive -------------------------------------------------------------------------------------------------------------

-- As finish, for what reads.
local function received(s, rc)
  if rc == AGAIN then
    rc = await()
    s.is_owed = 0
  end
  if rc == OK then
    return ffi_string(s.data, s.size)
  elseif rc == OTHERS then
    error("bad request", 2)
  elseif rc == BUSY then -- what another light thread waits for, or has yet to copy
    return nil, "socket busy reading"
  end
  if s.data == nil then
    return nil, ffi_string(s.read_err)
  end
  return nil, ffi_string(s.read_err), ffi_string(s.data, s.size)
end

--- Reads a line ("*l", the default, without its end), all up to the end ("*a"), or a number of bytes.
-- @return the text, or nil, the reason and what was read before it
function tcp:receive(...)
  local count = select("#", ...) + 1
  check_count(count, 1, 2, "expecting 1 or 2 arguments (including the object), but got ")
  local s = handle(self, "receive")
  local pattern = ...
  if pattern == nil or pattern == "*l" or pattern == "l" then
    return received(s, C.mw_sock_receive(s, LINE, 0))
  end
  local kind = type(pattern)
  local size = (kind == "number" or kind == "string") and tonumber(pattern)
  if size then
    local n = floor(size)
    if not (n >= 0 and n <= MOST) then
      error("bad argument #1 to 'receive' (bad pattern argument)", 2)
    end
    if n == 0 then
      return ""
    end
    return received(s, C.mw_sock_receive(s, SIZE, n))
  elseif pattern == "*a" or pattern == "a" then
    return received(s, C.mw_sock_receive(s, ALL, 0))
  end
  if kind == "string" then
    error("bad argument #1 to 'receive' (bad pattern argument: " .. pattern .. ")", 2)
  end
  error("bad argument #1 to 'receive' (bad pattern argument)", 2)
end

--- Reads whatever is there, at most `max` bytes; waits when nothing is.
function tcp:receiveany(...)
  local count = select("#", ...) + 1
  if count ~= 2 then
    error("expecting 2 arguments (including the object), but got " .. count, 2)
  end
  local s = handle(self, "receiveany")
  local max = tonumber((...))
  if not (max and max >= 1 and max <= MOST) then
    bad_argument(1, "bad max argument")
  end
  max = floor(max)
  abi.debug("lua tcp socket calling receiveany() method to read at most %d bytes", max)
  abi.debug "lua tcp socket read any"
  return received(s, C.mw_sock_receive(s, ANY, max))
end

--- An iterator that reads up to `pattern`; opts.inclusive: the pattern is part of what it returns. Called with a size it
-- returns pieces of at most so many bytes, and nil after the last.
function tcp:receiveuntil(pattern, opts)
  handle(self, "receiveuntil")
  if type(pattern) ~= "string" and type(pattern) ~= "number" then
    error("bad argument #1 to 'receiveuntil' (string expected, got " .. type(pattern) .. ")", 2)
  end
  pattern = tostring(pattern)
  if pattern == "" then
    return nil, "pattern is empty"
  end
  local is_inclusive = false
  if opts ~= nil then
    if type(opts) ~= "table" then
      error("bad argument #2 to 'receiveuntil' (table expected, got " .. type(opts) .. ")", 2)
    end
    is_inclusive = opts.inclusive
    if is_inclusive ~= nil and type(is_inclusive) ~= "boolean" then
      error("bad argument #2 to 'receiveuntil' (bad \"inclusive\" option value type: " .. type(is_inclusive) .. ")", 2)
    end
  end
  local found = ffi_new "int32_t[1]"
  local is_over = false
  return function(size)
    local s = handle(self, "receiveuntil")
    if is_over then
      is_over = false
      return nil, nil, nil
    end
    local n = 0
    if size ~= nil then
      n = tonumber(size)
      if not (n and n >= 0 and n <= MOST) then
        error("bad argument #1 to '?' (bad size argument)", 2)
      end
      n = floor(n)
    end
    local rc = C.mw_sock_receive_until(s, pattern, #pattern, is_inclusive and 1 or 0, n, found)
    if rc == OTHERS then
      error("bad request", 2)
    end
    local text, err, partial = received(s, rc)
    if text and n > 0 and found[0] ~= 0 then
      is_over = true
    end
    if text then
      return text
    end
    return nil, err, partial
  end
end

-- the rest ------------------------------------------------------------------------------------------------------------

local function milliseconds(value)
  local ms = tonumber(value)
  if not (ms and ms >= 0 and ms <= MOST) then
    error("bad timeout value", 3)
  end
  return floor(ms)
end

local function set_timeouts(self, connect, send, read)
  C.mw_sock_set_timeouts(current(self), connect, send, read)
  self[3], self[4], self[5] = connect, send, read
end

--- Timeout in milliseconds of every operation to come.
function tcp:settimeout(...)
  local count = select("#", ...) + 1
  check_count(count, 2, 2, "ngx.socket settimeout: expecting 2 arguments (including the object) but seen ")
  local ms = ...
  ms = ms == nil and 0 or milliseconds(ms)
  set_timeouts(self, ms, ms, ms)
end

--- Timeouts in milliseconds of connects, sends and reads to come; nil: the configuration's.
function tcp:settimeouts(...)
  local count = select("#", ...) + 1
  check_count(count, 4, 4, "ngx.socket settimeouts: expecting 4 arguments (including the object) but seen ")
  local connect, send, read = ...
  set_timeouts(
    self,
    connect == nil and 0 or milliseconds(connect),
    send == nil and 0 or milliseconds(send),
    read == nil and 0 or milliseconds(read)
  )
end

--- Gives the connection to its pool, for `timeout` ms (0: for good); `size`: of the pool, when it is made by this.
function tcp:setkeepalive(...)
  local count = select("#", ...) + 1
  check_count(count, 1, 3, "expecting 1 to 3 arguments (including the object), but got ")
  local timeout, size = ...
  local s = handle(self, "setkeepalive")
  if timeout ~= nil and not tonumber(timeout) then
    bad_argument(1, "number expected, got " .. type(timeout))
  end
  local ms = timeout == nil and -1 or milliseconds(timeout)
  if size ~= nil then
    local number = tonumber(size)
    if not number then
      bad_argument(2, "number expected, got " .. type(size))
    elseif not (number >= 1 and number <= MOST) then
      bad_argument(2, 'bad "pool_size" option value: ' .. number)
    end
    size = floor(number)
  end
  return finish(s, C.mw_sock_keepalive(s, ms, size or -1))
end

--- How often the connection was used before this connect: 0 for a new one.
function tcp:getreusedtimes()
  local s = handle(self, "getreusedtimes")
  if C.mw_sock_fd(s) < 0 then
    return nil, "closed"
  end
  return s.reused
end

function tcp:close()
  local s = handle(self, "close")
  return finish(s, C.mw_sock_close(s))
end

--- Ends the sending half ("send").
function tcp:shutdown(direction)
  local s = handle(self, "shutdown")
  if direction ~= "send" then
    error("bad argument #1 to 'shutdown' (only \"send\" can be shut down)", 2)
  end
  return finish(s, C.mw_sock_shutdown(s))
end

--- The descriptor, or nil and the reason.
function tcp:getfd()
  local fd = C.mw_sock_fd(current(self))
  if fd < 0 then
    return nil, "closed"
  end
  return fd
end

local OPTIONS = { keepalive = 0, reuseaddr = 1, ["tcp-nodelay"] = 2, sndbuf = 3, rcvbuf = 4 }

function tcp:setoption(name, value)
  if name == nil then
    return nil, 'missing the "option" argument'
  end
  if value == nil then
    return nil, 'missing the "value" argument'
  end
  local option = OPTIONS[name]
  if not option then
    return nil, "unsupported option " .. tostring(name)
  end
  if type(value) == "boolean" then
    value = value and 1 or 0
  end
  local number = tonumber(value)
  if not number then
    return nil, "bad value"
  end
  local s = handle(self, "setoption")
  return finish(s, C.mw_sock_set_option(s, option, number))
end

function tcp:getoption(name)
  if name == nil then
    return nil, 'missing the "option" argument'
  end
  local option = OPTIONS[name]
  if not option then
    return nil, "unsupported option " .. tostring(name)
  end
  local s = handle(self, "getoption")
  local value = ffi_new "int32_t[1]"
  local rc = C.mw_sock_get_option(s, option, value)
  if rc == OK then
    return value[0]
  end
  return finish(s, rc)
end

tcp.sslhandshake = no_tls.refuse

--- Certificate and key for the handshakes to come; without both, none.
function tcp:setclientcert(cert, key)
  handle(self, "setclientcert")
  if cert == nil and key == nil then
    return true
  end
  return no_tls.refuse()
end

local function new()
  if W.is_strict_phases ~= 0 then
    abi.check_wait(1)
  end
  local self = setmetatable({ false, false, -1, -1, -1 }, metatable)
  attach(self)
  return self
end

local function install(ngx)
  ngx.socket = {
    tcp = function(...)
      local count = select("#", ...)
      if count ~= 0 then
        error("expecting zero arguments, but got " .. count, 2)
      end
      return new()
    end,
    --- A socket that is connected: tcp() and connect() in one.
    connect = function(...)
      local sock = new()
      local ok, err = sock:connect(...)
      if ok then
        return sock
      end
      return nil, err
    end,
  }
  ngx.socket.stream = ngx.socket.tcp
end

return setmetatable({ methods = tcp }, {
  __call = function(_, ngx)
    install(ngx)
  end,
})
