-- SPDX-License-Identifier: MIT
-- resty.dns.resolver: queries to DNS servers over UDP, and over TCP when a reply was truncated. An object belongs to the
-- request that made it.
local message = require "resty.moonwire.dns.message"
local names = require "resty.moonwire.dns.name"
local random_bytes = require("resty.random").bytes
local byte, char, concat = string.byte, string.char, table.concat
local now, update_time, log = ngx.now, ngx.update_time, ngx.log
local setmetatable, type, max = setmetatable, type, math.max

local _M = {
  _VERSION = "0.23",
  TYPE_A = 1,
  TYPE_NS = 2,
  TYPE_CNAME = 5,
  TYPE_SOA = 6,
  TYPE_PTR = 12,
  TYPE_MX = 15,
  TYPE_TXT = 16,
  TYPE_AAAA = 28,
  TYPE_SRV = 33,
  TYPE_SPF = 99,
  CLASS_IN = 1,
  SECTION_AN = 1,
  SECTION_NS = 2,
  SECTION_AR = 3,
  compress_ipv6_addr = names.compress_ipv6_addr,
  expand_ipv6_addr = names.expand_ipv6_addr,
  arpa_str = names.arpa_str,
}
local metatable = { __index = _M }

local MOST_REPLIES = 128 -- read for one query, when others than its own come
local MOST_BYTES = 65535

--- A UDP socket to each server; an object, or nil and the reason. opts: nameservers (a list of hosts or { host, port }),
-- timeout (ms, of each try), retrans, no_recurse, no_random.
function _M.new(_, opts)
  local list = opts and opts.nameservers
  if not opts then
    return nil, "no options table specified"
  elseif not list or #list == 0 then
    return nil, "no nameservers specified"
  end
  local timeout = opts.timeout or 2000
  local socks, servers = {}, {}
  for i = 1, #list do
    local server = list[i]
    local host, port = server, 53
    if type(server) == "table" then
      host, port = server[1], server[2] or 53
    end
    local sock, err = ngx.socket.udp()
    if not sock then
      return nil, "failed to create udp socket: " .. err
    end
    local ok
    ok, err = sock:setpeername(host, port)
    if not ok then
      return nil, "failed to set peer name: " .. err
    end
    sock:settimeout(timeout)
    socks[i], servers[i] = sock, { host, port }
  end
  local tcp_sock, err = ngx.socket.tcp()
  if not tcp_sock then
    return nil, "failed to create tcp socket: " .. err
  end
  tcp_sock:settimeout(timeout)
  return setmetatable({
    cur = opts.no_random and 1 or math.random(#servers),
    socks = socks,
    tcp_sock = tcp_sock,
    servers = servers,
    timeout = timeout,
    retrans = opts.retrans or 5,
    no_recurse = opts.no_recurse,
  }, metatable)
end

--- Closes the sockets; the object is of no use afterwards.
function _M.destroy(self)
  for _, sock in ipairs(self.socks or {}) do
    sock:close()
  end
  if self.tcp_sock then
    self.tcp_sock:close()
  end
  self.socks, self.tcp_sock, self.servers, self.cur = nil, nil, nil, nil
end

--- Timeout in milliseconds of each try.
function _M.set_timeout(self, timeout)
  if not self.socks then
    return nil, "not initialized"
  end
  self.timeout = timeout
  for i = 1, #self.socks do
    self.socks[i]:settimeout(timeout)
  end
  self.tcp_sock:settimeout(timeout)
end

-- The socket of the next server in turn, and the server.
local function next_server(self)
  local i = self.cur
  self.cur = i % #self.servers + 1
  return self.socks[i], self.servers[i]
end

-- What is asked: id, name, qtype and the text of the query; or nil and the reason.
local function new_query(self, name, opts)
  local id = self._id
  if not id then
    local high, low = byte(random_bytes(2), 1, 2)
    id = high * 256 + low
  end
  local qtype = opts and opts.qtype or _M.TYPE_A
  local text, err = message.build(id, name, qtype, not self.no_recurse)
  if not text then
    return nil, err
  end
  return { id = id, name = name, qtype = qtype, text = text, opts = opts }
end

local function parse(query, text)
  return message.parse(text, query.id, query.name, query.qtype, query.opts)
end

-- A query over TCP: connection, length and reply. Returns the reply, or nil and what failed.
local function exchange_tcp(sock, server, text)
  local ok, err = sock:connect(server[1], server[2])
  if not ok then
    return nil, "failed to connect to TCP server ", err
  end
  local size, reply
  ok, err = sock:send(char(math.floor(#text / 256), #text % 256) .. text)
  if not ok then
    return nil, "failed to send query to TCP server ", err
  end
  size, err = sock:receive(2)
  if not size then
    return nil, "failed to receive the reply length field from TCP server ", err
  end
  local high, low = byte(size, 1, 2)
  reply, err = sock:receive(high * 256 + low)
  if not reply then
    return nil, "failed to receive the reply message body from TCP server ", err
  end
  return reply
end

local function ask_tcp(self, query, server)
  local sock = self.tcp_sock
  local reply, failed, err = exchange_tcp(sock, server, query.text)
  sock:close()
  local answers
  if reply then
    failed = "failed to parse the reply from the TCP server "
    answers, err = parse(query, reply)
  end
  if not answers then
    return nil, failed .. concat(server, ":") .. ": " .. err
  end
  return answers
end

-- Reads up to the reply to the query, or until the timeout of one try is over.
local function receive_udp(self, sock, query)
  update_time()
  local give_up_at = now() + self.timeout / 1000
  local err = "timeout"
  for i = 1, MOST_REPLIES do
    if i > 1 then
      sock:settimeout(max(1, (give_up_at - now()) * 1000))
    end
    local reply, answers
    reply, err = sock:receive(MOST_BYTES)
    if not reply then
      return nil, "receive", err
    end
    answers, err = parse(query, reply)
    if answers or err ~= "id mismatch" and err ~= "question mismatch" then
      return answers, "parse", err
    end
    update_time()
  end
  return nil, "parse", err
end

-- One try: the answers, or nil and the reason.
local function ask_udp(self, query)
  local sock, server = next_server(self)
  local ok, err = sock:send(query.text)
  if not ok then
    return nil, "failed to send request to UDP server " .. concat(server, ":") .. ": " .. err
  end
  local answers, step
  answers, step, err = receive_udp(self, sock, query)
  sock:settimeout(self.timeout)
  if answers then
    return answers
  elseif step == "receive" then
    return nil, "failed to receive reply from UDP server " .. concat(server, ":") .. ": " .. err
  elseif err == "truncated" then
    log(ngx.DEBUG, "query the TCP server due to reply truncation")
    return ask_tcp(self, query, server)
  end
  return nil, err
end

--- Asks for records of a name. opts: qtype (TYPE_A unless said), authority_section, additional_section. `tries`: a table that
-- gets the reason of each failed try.
-- @return a list of records (with errcode and errstr when the server reports an error), nil and `tries`; or nil, the reason
-- and `tries`
function _M.query(self, name, opts, tries)
  if not self.socks then
    return nil, "not initialized"
  end
  local query, err = new_query(self, name, opts)
  if not query then
    return nil, err
  end
  if tries then
    tries[1] = nil
  end
  local answers
  for i = 1, self.retrans do
    answers, err = ask_udp(self, query)
    if answers then
      return answers, nil, tries
    end
    if tries then
      tries[i], tries[i + 1] = err, nil
    end
  end
  return nil, err, tries
end

--- As query, over TCP.
function _M.tcp_query(self, name, opts)
  if not self.socks then
    return nil, "not initialized"
  end
  local query, err = new_query(self, name, opts)
  if not query then
    return nil, err
  end
  local _, server = next_server(self)
  return ask_tcp(self, query, server)
end

--- Asks for the name (PTR) of an address.
function _M.reverse_query(self, address)
  return self:query(_M.arpa_str(address), { qtype = _M.TYPE_PTR })
end

return _M
