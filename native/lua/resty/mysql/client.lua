-- SPDX-License-Identifier: MIT
-- resty.mysql.client, which resty.mysql is: a client of MySQL and MariaDB over a cosocket, by the text protocol. An object
-- belongs to the request that made it; set_keepalive pools its connection for whoever connects next. A connection on which
-- something failed but the query itself is closed: nobody knows what would come next on it.
local new_tab = require "table.new"
local packet = require "resty.mysql.packet"
local result = require "resty.mysql.result"
local charsets = require "resty.mysql.charset"
local log_in = require "resty.mysql.auth"

local tcp = ngx.socket.tcp
local setmetatable, tostring, type, concat = setmetatable, tostring, type, table.concat
local read_head, read_columns, read_row, parse_row =
  result.read_head, result.read_columns, result.read_row, result.parse_row

local CONNECTED, COMMAND_SENT = 1, 2
local COM_QUIT, COM_QUERY = "\1", "\3"
local DEFAULT_MAX_PACKET_SIZE = 1024 * 1024

local _M = { _VERSION = "0.29" }
local metatable = { __index = _M }

--- Of each connection by its descriptor, so that it is known again when it comes from a pool: its id and the server's version.
local known = {}

--- An object without a connection, or nil and the reason.
function _M.new(_)
  local sock, err = tcp()
  if not sock then
    return nil, err
  end
  return setmetatable({ sock = sock }, metatable)
end

--- Timeout in milliseconds of each operation to come.
function _M.set_timeout(self, timeout)
  return self.sock:settimeout(timeout)
end

-- Closes a connection of which nobody knows what would come next; passes on why.
local function give_up(self, err, code, state)
  self.state = nil
  self.sock:close()
  return nil, err, code, state
end

-- connect -------------------------------------------------------------------------------------------------------------

local function open(self, opts)
  local host, path = opts.host, opts.path
  if not host and not path then
    return nil, 'neither "host" nor "path" options are specified'
  end
  local port = opts.port or 3306
  local pool = opts.pool
  if not pool then
    local where = host and host .. ":" .. port or path
    pool = concat({ self.user, self.database, where, self.use_ssl and "ssl" or nil }, ":")
  end
  local how = { pool = pool, pool_size = opts.pool_size, backlog = opts.backlog }
  local ok, err
  if host then
    ok, err = self.sock:connect(host, port, how)
  else
    ok, err = self.sock:connect("unix:" .. path, how)
  end
  if not ok then
    return nil, "failed to connect: " .. err
  end
  return 1
end

--- Connects and logs in, or takes a connection of the pool. opts: host and port or path; user, password, database, charset;
-- max_packet_size, compact_arrays, ssl, ssl_verify, pool, pool_size, backlog; found_rows and multi_statements, true unless said.
-- @return 1, or nil, the reason, the server's code and the SQL state
function _M.connect(self, opts)
  self.state = nil
  self.max_packet_size = opts.max_packet_size or DEFAULT_MAX_PACKET_SIZE
  self.compact = opts.compact_arrays
  self.user, self.password, self.database = opts.user or "", opts.password or "", opts.database or ""
  self.charset = opts.charset == nil and 0 or charsets[opts.charset]
  if not self.charset then
    return nil, "charset '" .. tostring(opts.charset) .. "' is not supported"
  end
  self.use_ssl, self.ssl_verify = opts.ssl or opts.ssl_verify, opts.ssl_verify
  self.is_unix = not opts.host
  self.found_rows, self.multi_statements = opts.found_rows ~= false, opts.multi_statements ~= false

  local ok, err = open(self, opts)
  if not ok then
    return nil, err
  end
  local sock = self.sock
  local fd = sock:getfd()
  if sock:getreusedtimes() > 0 then
    local before = known[fd] or {} -- none: others gave it to this pool
    self.thread_id, self.server_version = before.thread_id, before.server_version
  else
    self.packet_no = -1
    local code, state
    ok, err, code, state = log_in(self)
    if not ok then
      return give_up(self, err, code, state)
    end
    known[fd] = { thread_id = self.thread_id, server_version = self.server_version }
  end
  self.state = CONNECTED
  return 1
end

--- Pools the connection for `timeout` ms, in a pool of `size`. Not while a result is due.
function _M.set_keepalive(self, ...)
  if self.state ~= CONNECTED then
    return nil, "cannot be reused in the current connection state: " .. tostring(self.state)
  end
  self.state = nil
  return self.sock:setkeepalive(...)
end

--- How often the connection was used before: 0 for a new one.
function _M.get_reused_times(self)
  return self.sock:getreusedtimes()
end

--- Takes leave of the server and closes.
function _M.close(self)
  if self.state then
    self.packet_no = -1
    packet.send(self, COM_QUIT) -- whether it reaches the server or not
    self.state = nil
  end
  return self.sock:close()
end

--- The server's version, as it says itself, once connected.
function _M.server_ver(self)
  return self.server_version
end

--- The id of the connection at the server, as in KILL, once connected.
function _M.connection_id(self)
  return self.thread_id
end

-- queries -------------------------------------------------------------------------------------------------------------

--- Sends a query without waiting for what it brings.
-- @return the number of bytes sent, or nil and the reason
function _M.send_query(self, query)
  if self.state ~= CONNECTED then
    return nil, "cannot send query in the current context: " .. tostring(self.state)
  end
  if type(query) ~= "string" then
    query = tostring(query)
  end
  self.packet_no = -1
  local sent, err = packet.send(self, COM_QUERY .. query)
  if not sent then
    return give_up(self, err)
  end
  self.state = COMMAND_SENT
  return sent
end

local function read_rows(self, columns, estimate)
  local rows, n, is_compact = new_tab(estimate or 4, 0), 0, self.compact
  while true do
    local data, err, code, state = read_row(self)
    if data then
      local row = parse_row(data, columns, is_compact)
      if not row then
        return give_up(self, "malformed packet")
      end
      n = n + 1
      rows[n] = row
    elseif data == false then
      if err then
        return rows, "again"
      end
      self.state = CONNECTED
      return rows
    elseif code then
      self.state = CONNECTED
      return nil, err, code, state
    else
      return give_up(self, err)
    end
  end
end

--- The next result of what was sent: rows, or what a statement without rows did. `estimate`: about how many rows.
-- @return the result, and "again" when another follows; or nil, the reason, the server's code and the SQL state. When nothing
-- has come in time one may ask again.
function _M.read_result(self, estimate)
  if self.state ~= COMMAND_SENT then
    return nil, "cannot read result in the current context: " .. tostring(self.state)
  end
  local head, err, code, state, untouched = read_head(self)
  if not head then
    if code then
      self.state = CONNECTED
      return nil, err, code, state
    elseif untouched then
      return nil, err
    end
    return give_up(self, err)
  end
  if type(head) == "table" then
    if err then
      return head, "again"
    end
    self.state = CONNECTED
    return head
  end
  local columns
  columns, err, code, state = read_columns(self, head)
  if not columns then
    if code then
      self.state = CONNECTED
      return nil, err, code, state
    end
    return give_up(self, err)
  end
  return read_rows(self, columns, estimate)
end

--- send_query, and the first read_result.
function _M.query(self, query, estimate)
  local sent, err = self:send_query(query)
  if not sent then
    return nil, "failed to send query: " .. err
  end
  return self:read_result(estimate)
end

--- Whether rows are arrays, from the next result on.
function _M.set_compact_arrays(self, value)
  self.compact = value
end

return _M
