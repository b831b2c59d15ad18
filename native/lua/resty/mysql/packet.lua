-- SPDX-License-Identifier: MIT
-- resty.mysql.packet: packets of the MySQL protocol on a cosocket, and the numbers and texts in them. A connection here is a
-- table with sock, packet_no (of the last packet) and max_packet_size. What reads takes a text and a position, and returns the
-- value and the position behind it, or nil when the text is too short.
local null = ngx.null
local byte, char, sub, find, concat = string.byte, string.char, string.sub, string.find, table.concat
local band, rshift = bit.band, bit.rshift

--- The longest payload of one packet; a longer one goes on in the next.
local FULL = 0xffffff
local ERR = 0xff

local _M = {}

-- numbers and texts ---------------------------------------------------------------------------------------------------

function _M.int2(data, pos)
  local a, b = byte(data, pos, pos + 1)
  if b then
    return a + b * 0x100, pos + 2
  end
end

local function int3(data, pos)
  local a, b, c = byte(data, pos, pos + 2)
  if c then
    return a + b * 0x100 + c * 0x10000, pos + 3
  end
end

local function int4(data, pos)
  local a, b, c, d = byte(data, pos, pos + 3)
  if d then
    return a + b * 0x100 + c * 0x10000 + d * 0x1000000, pos + 4
  end
end
_M.int4 = int4

-- As a Lua number: above 2^53 its last digits are lost.
local function int8(data, pos)
  local low, high = int4(data, pos), int4(data, pos + 4)
  if high then
    return low + high * 0x100000000, pos + 8
  end
end

local WIDE = { [252] = _M.int2, [253] = int3, [254] = int8 }

--- A length-coded number; ngx.null for the mark of NULL.
local function number(data, pos)
  local first = byte(data, pos)
  if not first then
    return nil
  elseif first < 251 then
    return first, pos + 1
  elseif first == 251 then
    return null, pos + 1
  end
  local read = WIDE[first]
  if read then
    return read(data, pos + 1)
  end
end
_M.number = number

--- A text behind its length-coded length; ngx.null for NULL.
function _M.text(data, pos)
  local n, from = number(data, pos)
  if n == null then
    return null, from
  elseif not n or n > #data - from + 1 then
    return nil
  end
  return sub(data, from, from + n - 1), from + n
end

--- A text that a zero byte ends.
function _M.cstring(data, pos)
  local last = find(data, "\0", pos, true)
  if last then
    return sub(data, pos, last - 1), last + 1
  end
end

--- A number as `size` bytes.
local function bytes(n, size)
  local out = {}
  for i = 1, size do
    out[i] = char(n % 0x100)
    n = (n - n % 0x100) / 0x100
  end
  return concat(out)
end
_M.bytes = bytes

-- packets -------------------------------------------------------------------------------------------------------------

local function header(self, size)
  local no = band(self.packet_no + 1, 0xff)
  self.packet_no = no
  return char(band(size, 0xff), band(rshift(size, 8), 0xff), rshift(size, 16), no)
end

--- Sends a payload, in as many packets as it needs.
-- @return the number of bytes, or nil and the reason
function _M.send(self, payload)
  local size = #payload
  if size < FULL then
    return self.sock:send(header(self, size) .. payload)
  end
  local parts, n, from = {}, 0, 1
  repeat -- a last packet that is not full ends it, and be it empty
    local piece = sub(payload, from, from + FULL - 1)
    parts[n + 1], parts[n + 2] = header(self, #piece), piece
    n, from = n + 2, from + FULL
  until #piece < FULL
  return self.sock:send(parts)
end

-- One packet; `so_far` bytes of its payload have come in others. The fourth result: nothing of it had come.
local function receive_one(self, so_far)
  local sock = self.sock
  local head, err, partial = sock:receive(4)
  if not head then
    return nil, "failed to receive packet header: " .. err, nil, partial == ""
  end
  local size = int3(head, 1)
  if size == 0 then
    if so_far == 0 then
      return nil, "empty packet"
    end
  elseif so_far + size > self.max_packet_size then
    return nil, "packet size too big: " .. so_far + size
  end
  local data
  data, err = sock:receive(size)
  if not data then
    return nil, "failed to read packet content: " .. err
  end
  local no = byte(head, 4)
  -- A server that ends a connection says so out of turn.
  if no ~= band(self.packet_no + 1, 0xff) and byte(data) ~= ERR then
    return nil, "packets out of order"
  end
  self.packet_no = no
  return data, nil, size
end

--- The next payload, put together where it came in several packets.
-- @return the payload; or nil, the reason, and whether nothing of it had come, so that one may ask again
function _M.receive(self)
  local data, err, size, untouched = receive_one(self, 0)
  if not data then
    return nil, err, untouched
  end
  if size < FULL then
    return data
  end
  local parts, n, total = { data }, 1, size
  repeat
    data, err, size = receive_one(self, total)
    if not data then
      return nil, err
    end
    n, total = n + 1, total + size
    parts[n] = data
  until size < FULL
  return concat(parts)
end

--- What an error packet says: its text, the server's code and the SQL state, each nil when it is not there.
function _M.parse_error(data)
  local code, pos = _M.int2(data, 2)
  if not code then
    return "malformed packet"
  end
  if byte(data, pos) == 35 and #data >= pos + 5 then -- "#" and five characters
    return sub(data, pos + 6), code, sub(data, pos + 1, pos + 5)
  end
  return sub(data, pos), code
end

return _M
