-- SPDX-License-Identifier: MIT
-- resty.websocket.protocol: frames of RFC 6455, read from a socket and written. Masks are applied eight bytes at a time, in a
-- buffer that the worker's calls share: nothing waits while it is in use.
local ffi = require "ffi"
local bit = require "bit"
local random_bytes = require("resty.random").bytes
local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift
local byte, char, sub = string.byte, string.char, string.sub
local copy, cast, ffi_new, ffi_string = ffi.copy, ffi.cast, ffi.new, ffi.string
local tostring, type, floor = tostring, type, math.floor

local _M = { _VERSION = "0.13", new_tab = require "table.new" }

local CLOSE, CONTROL = 0x8, 0x8 -- the opcode, and the bit of all control frames
local TYPES = {
  [0x0] = "continuation",
  [0x1] = "text",
  [0x2] = "binary",
  [0x8] = "close",
  [0x9] = "ping",
  [0xa] = "pong",
}

-- masks ---------------------------------------------------------------------------------------------------------------

local SHARED = 65536 + 32
local bytes_type, words_type = ffi.typeof "uint8_t[?]", ffi.typeof "uint64_t *"
local shared = ffi_new(bytes_type, SHARED)
local key_words, key_bytes = ffi_new "uint32_t[1]", nil

-- Room for `size` bytes, and up to seven more that xor may touch.
local function room(size)
  return size + 16 <= SHARED and shared or ffi_new(bytes_type, size + 16)
end

-- Applies a mask of four bytes to `size` bytes from `at`, a multiple of eight, in a buffer.
local function xor(buffer, at, size, key)
  copy(key_words, key, 4)
  local key32 = cast("uint64_t", key_words[0])
  local key64 = bor(lshift(key32, 32), key32)
  local words = cast(words_type, buffer + at)
  for i = 0, floor((size + 7) / 8) - 1 do
    words[i] = bxor(words[i], key64)
  end
end

-- The text of `data`, a mask of four bytes and what it was applied to.
local function unmask(data)
  local size = #data - 4
  local buffer = room(size + 8)
  copy(buffer + 4, data, #data)
  xor(buffer, 8, size, data)
  return ffi_string(buffer + 8, size)
end

local KEYS_AT_ONCE = 256 -- bytes asked of OpenSSL at a time
local next_key = KEYS_AT_ONCE

local function new_key()
  if next_key >= KEYS_AT_ONCE then
    key_bytes, next_key = random_bytes(KEYS_AT_ONCE), 0
    if not key_bytes then
      next_key = KEYS_AT_ONCE
      return nil
    end
  end
  next_key = next_key + 4
  return sub(key_bytes, next_key - 3, next_key)
end

-- reading -------------------------------------------------------------------------------------------------------------

-- The length that a frame's second byte begins; or nil and the reason.
local function read_length(sock, first)
  if first < 126 then
    return first
  elseif first == 126 then
    local data, err = sock:receive(2)
    if not data then
      return nil, "failed to receive the 2 byte payload length: " .. (err or "unknown")
    end
    local high, low = byte(data, 1, 2)
    return high * 256 + low
  end
  local data, err = sock:receive(8)
  if not data then
    return nil, "failed to receive the 8 byte payload length: " .. (err or "unknown")
  end
  local a, b, c, d, e, f, g, h = byte(data, 1, 8)
  if a + b + c + d ~= 0 or e > 127 then
    return nil, "payload len too large"
  end
  return ((e * 256 + f) * 256 + g) * 256 + h
end

-- What is wrong with a frame's opcode, length and flags; nil when nothing is.
local function check(opcode, is_last, length, most)
  if opcode >= CONTROL then
    if length > 125 then
      return "too long payload for control frame"
    elseif not is_last then
      return "fragmented control frame"
    end
  end
  if length > most then
    return "exceeding max payload len"
  end
end

-- Message, "close" and the status code.
local function read_close(payload)
  if payload == "" then
    return "", "close", nil
  elseif #payload == 1 then
    return nil, nil, "close frame with a body must carry a 2-byte status code"
  end
  local high, low = byte(payload, 1, 2)
  return sub(payload, 3), "close", high * 256 + low
end

--- Reads a frame of at most `max_payload_len` bytes; `force_masking`: it has to be masked.
-- @return payload, type and, for a part that is not the last, "again"; of a close frame message, "close" and status code; or
-- nil, nil, the reason, and whether nothing was read, so that one may read again after a timeout
function _M.recv_frame(sock, max_payload_len, force_masking)
  local data, err, partial = sock:receive(2)
  if not data then
    local text = "failed to receive the first 2 bytes: " .. (err or "unknown")
    return nil, nil, text, err == "timeout" and (partial == nil or partial == "")
  end
  local first, second = byte(data, 1, 2)
  local is_last, opcode, is_masked = first >= 0x80, band(first, 0x0f), second >= 0x80
  if band(first, 0x70) ~= 0 then
    return nil, nil, "bad RSV1, RSV2, or RSV3 bits"
  elseif not TYPES[opcode] then
    return nil, nil, opcode >= CONTROL and "reserved control frames" or "reserved non-control frames"
  elseif force_masking and not is_masked then
    return nil, nil, "frame unmasked"
  end
  local length
  length, err = read_length(sock, band(second, 0x7f))
  err = err or check(opcode, is_last, length, max_payload_len)
  if err then
    return nil, nil, err
  end
  local payload = ""
  local rest = is_masked and length + 4 or length
  if rest > 0 then
    payload, err = sock:receive(rest)
    if not payload then
      return nil, nil, "failed to read masking-len and payload: " .. (err or "unknown")
    elseif is_masked then
      payload = unmask(payload)
    end
  end
  if opcode == CLOSE then
    return read_close(payload)
  end
  return payload, TYPES[opcode], not is_last and "again" or nil
end

-- writing -------------------------------------------------------------------------------------------------------------

-- First bytes of a frame: flags, opcode and length.
local function frame_head(is_last, opcode, length, mask_bit)
  local first = is_last and bor(0x80, opcode) or opcode
  if length < 126 then
    return char(first, bor(mask_bit, length))
  elseif length < 65536 then
    return char(first, bor(mask_bit, 126), rshift(length, 8), band(length, 0xff))
  end
  local a, b = rshift(length, 24), band(rshift(length, 16), 0xff)
  return char(first, bor(mask_bit, 127), 0, 0, 0, 0, a, b, band(rshift(length, 8), 0xff), band(length, 0xff))
end

--- The text of a frame, or nil and the reason.
function _M.build_frame(fin, opcode, payload_len, payload, masking)
  if payload_len > 0x7fffffff then
    return nil, "payload too big"
  elseif not masking then
    return frame_head(fin, opcode, payload_len, 0) .. payload
  end
  local key = new_key()
  if not key then
    return nil, "no random bytes"
  end
  local head = frame_head(fin, opcode, payload_len, 0x80) .. key
  local buffer = room(16 + payload_len)
  local start = 16 - #head
  copy(buffer + start, head, #head)
  copy(buffer + 16, payload, payload_len)
  xor(buffer, 16, payload_len, key)
  return ffi_string(buffer + start, #head + payload_len)
end

--- Sends a frame. Returns the number of bytes; or nil, the reason, and whether nothing was sent.
function _M.send_frame(sock, fin, opcode, payload, max_payload_len, masking)
  if not payload then
    payload = ""
  elseif type(payload) ~= "string" then
    payload = tostring(payload)
  end
  local length = #payload
  if length > max_payload_len then
    return nil, "payload too big", true
  elseif opcode >= CONTROL and length > 125 then
    return nil, "too much payload for control frame", true
  elseif opcode >= CONTROL and not fin then
    return nil, "fragmented control frame", true
  end
  local frame, err = _M.build_frame(fin, opcode, length, payload, masking)
  if not frame then
    return nil, "failed to build frame: " .. err, true
  end
  local sent
  sent, err = sock:send(frame)
  if not sent then
    return nil, "failed to send frame: " .. err
  end
  return sent
end

return _M
