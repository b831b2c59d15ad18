-- SPDX-License-Identifier: MIT
-- resty.moonwire.dns.message: queries written, replies read. Every length of a reply is checked against what there is.
local bit = require "bit"
local names = require "resty.moonwire.dns.name"
local band, rshift = bit.band, bit.rshift
local byte, char, format, sub = string.byte, string.char, string.format, string.sub
local concat = table.concat
local decode = names.decode

local _M = {}

local A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, SPF = 1, 2, 5, 6, 12, 15, 16, 28, 33, 99
local ERRORS = { "format error", "server failure", "name error", "not implemented", "refused" }
local SOA_NUMBERS = { "serial", "refresh", "retry", "expire", "minimum" }

local function put16(n)
  return char(band(rshift(n, 8), 0xff), band(n, 0xff))
end

-- Callers have seen that the bytes are there.
local function get16(message, at)
  local high, low = byte(message, at, at + 1)
  return high * 256 + low
end

local function get32(message, at)
  return get16(message, at) * 65536 + get16(message, at + 2)
end

--- The text of a query, or nil and the reason.
function _M.build(id, name, qtype, is_recursive)
  local encoded, err = names.encode(name)
  if not encoded then
    return nil, err
  end
  return concat {
    put16(id),
    is_recursive and "\1\0" or "\0\0",
    "\0\1\0\0\0\0\0\0",
    encoded,
    put16(qtype),
    "\0\1",
  }
end

-- record data ---------------------------------------------------------------------------------------------------------

-- Sets a field to the name at `at`, which has to end where the data ends. Returns true, or nil and the reason.
local function name_field(answer, field, what, message, at, last)
  local name, stop = decode(message, at)
  if not name then
    return nil, stop
  elseif stop ~= last + 1 then
    return nil, format("bad %s record length: %d ~= %d", what, stop - at, last + 1 - at)
  end
  answer[field] = name
  return true
end

-- A field with the strings of the data: one as it is, several in a list.
local function strings_field(answer, field, message, at, last)
  local strings, n = {}, 0
  while at <= last do
    local stop = at + byte(message, at)
    if stop > last then
      stop = last
    end
    n = n + 1
    strings[n] = sub(message, at + 1, stop)
    at = stop + 1
  end
  answer[field] = n > 1 and strings or strings[1] or ""
  return true
end

local ADDRESS_SIZES = { [A] = 4, [AAAA] = 16 }

-- Readers of data by type: they fill `answer` from message[at .. last]; true, or nil and the reason.
local readers = {
  [A] = function(answer, message, at, last)
    answer.address = format("%d.%d.%d.%d", byte(message, at, last))
    return true
  end,
  [AAAA] = function(answer, message, at)
    local groups = {}
    for i = 0, 7 do
      groups[i + 1] = format("%x", get16(message, at + 2 * i))
    end
    answer.address = concat(groups, ":")
    return true
  end,
  [CNAME] = function(answer, ...)
    return name_field(answer, "cname", "cname", ...)
  end,
  [NS] = function(answer, ...)
    return name_field(answer, "nsdname", "cname", ...)
  end,
  [PTR] = function(answer, ...)
    return name_field(answer, "ptrdname", "cname", ...)
  end,
  [MX] = function(answer, message, at, last)
    if last - at < 2 then
      return nil, "bad MX record value length: " .. last - at + 1
    end
    answer.preference = get16(message, at)
    return name_field(answer, "exchange", "cname", message, at + 2, last)
  end,
  [SRV] = function(answer, message, at, last)
    if last - at < 6 then
      return nil, "bad SRV record value length: " .. last - at + 1
    end
    answer.priority, answer.weight = get16(message, at), get16(message, at + 2)
    answer.port = get16(message, at + 4)
    return name_field(answer, "target", "srv", message, at + 6, last)
  end,
  [TXT] = function(answer, ...)
    return strings_field(answer, "txt", ...)
  end,
  [SPF] = function(answer, ...)
    return strings_field(answer, "spf", ...)
  end,
  [SOA] = function(answer, message, at, last)
    local first = at
    answer.mname, at = decode(message, at)
    if not answer.mname then
      return nil, at
    end
    answer.rname, at = decode(message, at)
    if not answer.rname then
      return nil, at
    elseif at + 19 ~= last then
      return nil, "bad SOA record value length: " .. last - first + 1
    end
    for i = 1, #SOA_NUMBERS do
      answer[SOA_NUMBERS[i]] = get32(message, at + 4 * (i - 1))
    end
    return true
  end,
}

-- The record at `at`, and where it ends; or nil and the reason.
local function read_record(message, at, section)
  local name
  name, at = decode(message, at)
  if not name then
    return nil, at
  elseif at + 9 > #message then
    return nil, "truncated"
  end
  local kind, class = get16(message, at), get16(message, at + 2)
  local ttl, size = get32(message, at + 4), get16(message, at + 8)
  local first, last = at + 10, at + 9 + size
  local wanted = ADDRESS_SIZES[kind]
  if wanted and size ~= wanted then
    return nil, "bad " .. (kind == A and "A" or "AAAA") .. " record value length: " .. size
  elseif last > #message then
    return nil, "truncated"
  end
  local answer = { section = section, name = name, type = kind, class = class }
  answer.ttl = ttl < 2 ^ 31 and ttl or 0
  local reader = readers[kind]
  if reader then
    local ok, err = reader(answer, message, first, last)
    if not ok then
      return nil, err
    end
  else
    answer.rdata = sub(message, first, last)
  end
  return answer, last + 1
end

-- Reads `count` records and adds them to `answers`, when they are wanted. Returns where they end; or nil and the reason.
local function read_section(answers, message, at, section, count, is_wanted)
  for _ = 1, count do
    local answer
    answer, at = read_record(message, at, section)
    if not answer then
      return nil, at
    end
    if is_wanted then
      answers[#answers + 1] = answer
    end
  end
  return at
end

-- replies -------------------------------------------------------------------------------------------------------------

-- Where the question of a reply ends when it is the one that was asked; or nil and the reason.
local function check_question(message, name, qtype)
  local questions = get16(message, 5)
  if questions ~= 1 then
    return nil, "bad number of questions in DNS response: " .. questions
  end
  local asked, at = decode(message, 13)
  if not asked then
    return nil, at
  elseif at + 3 > #message then
    return nil, "truncated"
  end
  local class = get16(message, at + 2)
  if class ~= 1 then
    return nil, "unknown query class " .. class .. " in DNS response"
  elseif not names.is_same(asked, name) or get16(message, at) ~= qtype then
    return nil, "question mismatch"
  end
  return at + 4
end

--- Reads the reply to a query. opts: authority_section, additional_section.
-- @return a list of records, with errcode and errstr when the server reports one; or nil and the reason: "truncated",
-- "id mismatch" and "question mismatch" (the reply belongs to no query of ours) among others
function _M.parse(message, id, name, qtype, opts)
  if #message < 12 then
    return nil, "truncated"
  end
  local found = get16(message, 1)
  if found ~= id then
    ngx.log(ngx.DEBUG, "id mismatch in the DNS reply: ", found, " ~= ", id)
    return nil, "id mismatch"
  end
  local flags = get16(message, 3)
  if band(flags, 0x8000) == 0 then
    return nil, "bad QR flag in the DNS response"
  elseif band(flags, 0x200) ~= 0 then
    return nil, "truncated"
  end
  local at, err = check_question(message, name, qtype)
  if not at then
    return nil, err
  end
  local answers, code = {}, band(flags, 0xf)
  if code ~= 0 then
    answers.errcode, answers.errstr = code, ERRORS[code] or "unknown"
  end
  local with_additional = opts and opts.additional_section
  local with_authority = opts and opts.authority_section or qtype == SOA
  at, err = read_section(answers, message, at, 1, get16(message, 7), true)
  if at and (with_authority or with_additional) then
    at, err = read_section(answers, message, at, 2, get16(message, 9), with_authority)
  end
  if at and with_additional then
    at, err = read_section(answers, message, at, 3, get16(message, 11), true)
  end
  if not at then
    return nil, err
  end
  return answers
end

return _M
