-- SPDX-License-Identifier: MIT
-- resty.moonwire.dns.name: domain names as messages hold them, and what names addresses have.
local bit = require "bit"
local band, lshift = bit.band, bit.lshift
local byte, char, find, gmatch, lower = string.byte, string.char, string.find, string.gmatch, string.lower
local match, rep, reverse, sub = string.match, string.rep, string.reverse, string.sub
local concat = table.concat

local _M = {}

local MOST = 255 -- bytes of a name, its lengths included
local MOST_POINTERS = 128 -- of a name: one for every label that it can have

--- A name as a message holds it; or nil and "bad name".
function _M.encode(name)
  if name == "." then
    return "\0"
  end
  local out, n, size = {}, 0, 1
  if sub(name, -1) ~= "." then
    name = name .. "."
  end
  for label in gmatch(name, "([^.]*)%.") do
    if label == "" or #label > 63 then
      return nil, "bad name"
    end
    out[n + 1], out[n + 2] = char(#label), label
    n, size = n + 2, size + 1 + #label
  end
  if size > MOST then
    return nil, "bad name"
  end
  out[n + 1] = "\0"
  return concat(out)
end

--- The name at `at` (from 1) of a message, and where it ends; or nil and the reason. A pointer leads to what stands before the
-- part of the name that it ends, so that following them comes to an end.
function _M.decode(message, at)
  local labels, n, size = {}, 0, 1
  local part, behind, pointers = at, nil, 0
  while true do
    local length = byte(message, at)
    if not length then
      return nil, "truncated"
    elseif length == 0 then
      return concat(labels, "."), behind or at + 1
    elseif length < 64 then
      if at + length > #message then
        return nil, "truncated"
      end
      size = size + 1 + length
      if size > MOST then
        return nil, "name is too long"
      end
      n = n + 1
      labels[n] = sub(message, at + 1, at + length)
      at = at + 1 + length
    elseif length >= 192 then
      local low = byte(message, at + 1)
      if not low then
        return nil, "truncated"
      end
      behind = behind or at + 2
      at = lshift(band(length, 0x3f), 8) + low + 1
      pointers = pointers + 1
      if at >= part or pointers > MOST_POINTERS then
        return nil, "bad name pointer"
      end
      part = at
    else
      return nil, "bad label type"
    end
  end
end

--- Whether two names are one: case does not matter, nor a dot at the end.
function _M.is_same(a, b)
  return match(lower(a), "^(.-)%.?$") == match(lower(b), "^(.-)%.?$")
end

--- The first run of zero groups of an IPv6 address as "::".
function _M.compress_ipv6_addr(address)
  if find(address, "::", 1, true) then
    return address
  end
  local text = ":" .. address .. ":"
  local from, to = find(text, ":0:", 1, true)
  if not from then
    return address
  end
  while sub(text, to, to + 2) == ":0:" do
    to = to + 2
  end
  return sub(text, 2, from - 1) .. "::" .. sub(text, to + 1, -2)
end

--- All eight groups of an IPv6 address.
function _M.expand_ipv6_addr(address)
  local before, after = match(address, "^(.-)::(.*)$")
  if not before then
    return address
  end
  local groups = 0
  for _ in gmatch(before .. ":" .. after, "[^:]+") do
    groups = groups + 1
  end
  local zeros = rep("0:", 8 - groups)
  return (before == "" and "" or before .. ":") .. (after == "" and sub(zeros, 1, -2) or zeros .. after)
end

--- The name that PTR records of an address have.
function _M.arpa_str(address)
  if find(address, ":", 1, true) then
    local nibbles = {}
    for group in gmatch(_M.expand_ipv6_addr(address), "[^:]+") do
      nibbles[#nibbles + 1] = rep("0", 4 - #group) .. group
    end
    return reverse(concat(nibbles)):gsub(".", "%0.") .. "ip6.arpa"
  end
  local a, b, c, d = match(address, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  return a and concat({ d, c, b, a, "in-addr.arpa" }, ".") or address
end

return _M
