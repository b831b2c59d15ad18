-- SPDX-License-Identifier: MIT
-- resty.mysql.auth: logging in, from the server's greeting to its OK. A plugin answers a scramble of the server, and goes on with
-- what the server says then. A password goes out in clear over TLS or a unix socket alone.
local packet = require "resty.mysql.packet"
local crypto = require "resty.mysql.crypto"

local byte, char, sub, rep, floor = string.byte, string.char, string.sub, string.rep, math.floor
local band, bor, bxor, tobit = bit.band, bit.bor, bit.bxor, bit.tobit
local sha1, sha256, xor = crypto.sha1, crypto.sha256, crypto.xor
local receive, send, bytes, cstring, parse_error =
  packet.receive, packet.send, packet.bytes, packet.cstring, packet.parse_error

-- Capabilities: the long password and flag, ODBC, spaces behind function names, protocol 4.1, interactive, no SIGPIPE,
-- transactions, reserved, secure connection, several results.
local FLAGS = 0x2f745
local FOUND_ROWS, WITH_DATABASE, SSL, MULTI_STATEMENTS = 0x2, 0x8, 0x800, 0x10000
local PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, LONG_AUTH = 0x200, 0x8000, 0x80000, 0x200000

local OK, MORE, SWITCH, ERR = 0x00, 0x01, 0xfe, 0xff
local FAST_DONE, FULL_NEEDED = "\3", "\4"
--- More packets than any exchange has.
local MAX_ROUNDS = 8

local MALFORMED = "malformed packet"

-- plugins -------------------------------------------------------------------------------------------------------------

local function is_private(self)
  return self.is_unix or self.use_ssl
end

-- The password with its final zero, for the server's key and with its scramble.
local function encrypted(self, scramble, key)
  if scramble == "" then
    return nil, MALFORMED
  end
  local text, err = crypto.rsa_encrypt(key, xor(self.password .. "\0", scramble))
  if not text then
    return nil, "failed to encrypt the password: " .. err
  end
  return text
end

-- The hash of MySQL before 4.1: two numbers of 31 bits.
local function old_hash(text)
  local a, b, add = 1345345333, 0x12345671, 7
  for i = 1, #text do
    local c = byte(text, i)
    if c ~= 32 and c ~= 9 then
      a = bxor(a, tobit((band(a, 63) + add) * c + bit.lshift(a, 8)))
      b = tobit(b + bxor(bit.lshift(b, 8), a))
      add = add + c
    end
  end
  return band(a, 0x7fffffff), band(b, 0x7fffffff)
end

local function old_token(password, scramble)
  local a, b = old_hash(password)
  local c, d = old_hash(sub(scramble, 1, 8))
  local max = 0x3fffffff
  local seed, other = bxor(a, c) % max, bxor(b, d) % max
  local function random()
    seed = (seed * 3 + other) % max
    other = (seed + other + 33) % max
    return seed / max * 31
  end
  local out = {}
  for i = 1, 8 do
    out[i] = floor(random()) + 64
  end
  local extra = floor(random())
  for i = 1, 8 do
    out[i] = char(bxor(out[i], extra))
  end
  return table.concat(out)
end

--- By name: `first(self, scramble)`, the answer to a scramble; `more(self, scramble, data)`, to what the server adds, "" when
--- none is due. Both return nil and the reason when there is none.
local PLUGINS = {
  mysql_native_password = {
    first = function(self, scramble)
      if self.password == "" then
        return ""
      end
      local hash = sha1(self.password)
      return xor(hash, sha1(scramble .. sha1(hash)))
    end,
  },
  mysql_old_password = {
    first = function(self, scramble)
      if self.password == "" then
        return ""
      end
      return old_token(self.password, scramble) .. "\0"
    end,
  },
  mysql_clear_password = {
    first = function(self)
      if not is_private(self) then
        return nil, "mysql_clear_password needs ssl or a unix socket"
      end
      return self.password .. "\0"
    end,
  },
  caching_sha2_password = {
    first = function(self, scramble)
      if self.password == "" then
        return ""
      end
      local hash = sha256(self.password)
      return xor(hash, sha256(sha256(hash) .. scramble))
    end,
    more = function(self, scramble, data)
      if data == FAST_DONE then
        return ""
      elseif data ~= FULL_NEEDED then
        return encrypted(self, scramble, data) -- the key that was asked for
      elseif is_private(self) then
        return self.password .. "\0"
      end
      return "\2"
    end,
  },
  sha256_password = {
    first = function(self)
      if is_private(self) or self.password == "" then
        return self.password .. "\0"
      end
      return "\1" -- asks for the server's key
    end,
    more = function(self, scramble, data)
      return encrypted(self, scramble, data)
    end,
  },
  client_ed25519 = {
    first = function(self, scramble)
      return require "resty.mysql.ed25519"(self.password, sub(scramble, 1, 32))
    end,
  },
}

local function first_answer(self, name, scramble)
  local plugin = PLUGINS[name]
  if not plugin then
    return nil, "unknown plugin: " .. name
  end
  return plugin.first(self, scramble)
end

-- the greeting --------------------------------------------------------------------------------------------------------

-- Reads the server's greeting into self; returns the plugin's name and its scramble, or nil, the reason, code and state.
local function read_greeting(self)
  local data, err = receive(self)
  if not data then
    return nil, err
  end
  local version = byte(data)
  if version == ERR then
    return nil, parse_error(data)
  elseif version < 10 then
    return nil, "unsupported protocol version " .. version .. ", version 10 or higher is required"
  end
  local pos
  self.server_version, pos = cstring(data, 2)
  if not pos then
    return nil, "bad handshake initialization packet: bad server version"
  end
  self.thread_id, pos = packet.int4(data, pos)
  local low = pos and packet.int2(data, pos + 9) -- behind the scramble's first 8 bytes and a zero
  if not low then
    return nil, "1st part of scramble not found"
  end
  local scramble = sub(data, pos, pos + 7)
  pos = pos + 14 -- behind the character set and the status
  local high = packet.int2(data, pos) or 0
  self.capabilities = low + high * 0x10000
  if band(self.capabilities, PROTOCOL_41) == 0 or band(self.capabilities, SECURE_CONNECTION) == 0 then
    return nil, "unsupported server: it does not speak protocol 4.1"
  end
  local size = (byte(data, pos + 2) or 0) - 8
  pos = pos + 13 -- behind the scramble's length and 10 reserved bytes
  size = size > 13 and size or 13
  if #data < pos + size - 2 then
    return nil, "2nd part of scramble not found"
  end
  scramble = scramble .. sub(data, pos, pos + size - 2) -- its last byte is a zero
  local name = "mysql_native_password"
  if band(self.capabilities, PLUGIN_AUTH) ~= 0 then
    name = cstring(data, pos + size) or sub(data, pos + size) -- some servers left the zero out
  end
  return name, scramble
end

-- TLS, and the client's side of the greeting. Returns nil or the reason of a failure.
local function send_greeting(self, name, answer)
  local database = self.database ~= ""
  local flags = bor(
    FLAGS,
    self.multi_statements and MULTI_STATEMENTS or 0,
    self.found_rows and FOUND_ROWS or 0,
    database and WITH_DATABASE or 0,
    band(self.capabilities, PLUGIN_AUTH),
    #answer > 250 and LONG_AUTH or 0
  )
  local head = bytes(self.max_packet_size, 4) .. char(self.charset) .. rep("\0", 23)
  if self.use_ssl then
    if band(self.capabilities, SSL) == 0 then
      return "ssl disabled on server"
    end
    flags = bor(flags, SSL)
    local ok, err = send(self, bytes(flags, 4) .. head)
    if not ok then
      return "failed to send client authentication packet: " .. err
    end
    ok, err = self.sock:sslhandshake(false, nil, self.ssl_verify)
    if not ok then
      return "failed to do ssl handshake: " .. (err or "")
    end
  end
  if #answer > 250 then
    if band(self.capabilities, LONG_AUTH) == 0 then
      return "password too long"
    end
    answer = "\252" .. bytes(#answer, 2) .. answer
  else
    answer = char(#answer) .. answer
  end
  local text = bytes(flags, 4) .. head .. self.user .. "\0" .. answer
  if database then
    text = text .. self.database .. "\0"
  end
  if band(self.capabilities, PLUGIN_AUTH) ~= 0 then
    text = text .. name .. "\0"
  end
  local ok, err = send(self, text)
  if not ok then
    return "failed to send client authentication packet: " .. err
  end
end

-- the exchange --------------------------------------------------------------------------------------------------------

-- Another plugin, with a scramble of its own unless the server speaks as before 4.1.
local function read_switch(data, scramble)
  if #data == 1 then
    return "mysql_old_password", scramble
  end
  local name, pos = cstring(data, 2)
  if not name then
    return nil, MALFORMED
  end
  scramble = sub(data, pos)
  if byte(scramble, -1) == 0 then
    scramble = sub(scramble, 1, -2)
  end
  return name, scramble
end

-- What the server says until it is content. `name`: the plugin that has answered.
local function exchange(self, name, scramble)
  for _ = 1, MAX_ROUNDS do
    local data, err = receive(self)
    if not data then
      return nil, "failed to receive the result packet: " .. err
    end
    local kind = byte(data)
    local answer
    if kind == OK then
      return 1
    elseif kind == ERR then
      return nil, parse_error(data)
    elseif kind == SWITCH then
      name, scramble = read_switch(data, scramble)
      if not name then
        return nil, scramble
      end
      answer, err = first_answer(self, name, scramble)
    elseif kind == MORE and PLUGINS[name].more then
      answer, err = PLUGINS[name].more(self, scramble, sub(data, 2))
    else
      return nil, "bad packet type: " .. kind
    end
    if not answer then
      return nil, err
    end
    if answer ~= "" or kind == SWITCH then
      local ok
      ok, err = send(self, answer)
      if not ok then
        return nil, "failed to send client authentication packet: " .. err
      end
    end
  end
  return nil, "too many authentication packets"
end

--- Logs in on a new connection: self has sock, packet_no, max_packet_size, user, password, database, charset, is_unix,
--- use_ssl, ssl_verify, found_rows, multi_statements; it gets server_version, thread_id, capabilities.
-- @return 1, or nil, the reason, the server's code and the SQL state
return function(self)
  local name, scramble, code, state = read_greeting(self)
  if not name then
    return nil, scramble, code, state
  end
  local answer, err = first_answer(self, name, scramble)
  if not answer and not PLUGINS[name] then
    -- A default that we do not know: the server names another for this user.
    name = "mysql_native_password"
    answer, err = first_answer(self, name, scramble)
  end
  if not answer then
    return nil, err
  end
  err = send_greeting(self, name, answer)
  if err then
    return nil, err
  end
  return exchange(self, name, scramble)
end
