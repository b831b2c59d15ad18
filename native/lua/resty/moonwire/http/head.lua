-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.head: the head of a response, read strictly: what could be taken in two ways, so that the next
-- response would begin where a server did not begin it, is an error.
local new_headers = require("resty.http_headers").new
local byte, find, gmatch, lower, match, sub =
  string.byte, string.find, string.gmatch, string.lower, string.match, string.sub
local tonumber, type = tonumber, type

local MOST_BYTES, MOST_FIELDS = 262144, 1000 -- of one head
local CR, TAB, SPACE = 13, 9, 32
local FIELD = "^([%w!#$%%&'*+%-.^_`|~]+):[ \t]*()"

local _M = {}

-- A function that returns the next line without its end, or nil and the reason; all of them have MOST_BYTES at most.
local function new_lines(sock)
  local read, left = sock:receiveuntil "\n", MOST_BYTES
  return function()
    local line, err = read(left)
    if not line then
      return nil, err
    end
    left = left - #line - 1
    if left <= 0 then
      return nil, "response head is too large"
    end
    read(1) -- takes note of the line's end
    if byte(line, -1) == CR then
      line = sub(line, 1, -2)
    end
    if find(line, "[%z\r]") then
      return nil, "bad byte in response head"
    end
    return line
  end
end

-- Status, version (1.0 or 1.1) and reason; or nil and what is wrong.
local function parse_status(line)
  local minor, rest = match(line, "^HTTP/1%.(%d)(.*)$")
  if not minor then
    return nil, "couldn't parse HTTP version from response status line: " .. line
  end
  local status, reason = match(rest, "^ +([1-9]%d%d)(.*)$")
  if not status or reason ~= "" and byte(reason) ~= SPACE then
    return nil, "couldn't parse status code from response status line: " .. line
  end
  return tonumber(status), minor == "0" and 1.0 or 1.1, sub(reason, 2)
end

local function add(headers, name, value)
  local known = headers[name]
  if known == nil then
    headers[name] = value
  elseif type(known) == "table" then
    known[#known + 1] = value
  else
    headers[name] = { known, value }
  end
end

-- Fields up to the empty line. Returns the table, and how many they are; or nil and the reason.
local function read_fields(lines)
  local headers, count = new_headers(), 0
  while true do
    local line, err = lines()
    if not line then
      return nil, err
    elseif line == "" then
      return headers, count
    end
    local name, first = match(line, FIELD)
    if not name then
      return nil, "bad response header: " .. line
    end
    count = count + 1
    if count > MOST_FIELDS then
      return nil, "too many response headers"
    end
    local last = #line
    while last >= first and (byte(line, last) == SPACE or byte(line, last) == TAB) do
      last = last - 1
    end
    add(headers, name, sub(line, first, last))
  end
end

--- Reads a head. Returns { status, version, reason, headers }, or nil and the reason.
function _M.read(sock)
  local lines = new_lines(sock)
  local line, err = lines()
  if not line then
    return nil, err
  end
  local status, version, reason = parse_status(line)
  if not status then
    return nil, version
  end
  local headers
  headers, err = read_fields(lines)
  if not headers then
    return nil, err
  end
  return { status = status, version = version, reason = reason, headers = headers }
end

--- Reads the trailer section of a chunked body. Returns its fields, or nil when there are none, and the reason on failure.
function _M.read_trailers(sock)
  local headers, count = read_fields(new_lines(sock))
  if not headers then
    return nil, count
  end
  return count > 0 and headers or nil
end

--- Whether the list in a field, one line or several, has a word (given in lower case).
function _M.has_word(value, word)
  if value == nil then
    return false
  elseif type(value) == "table" then
    for i = 1, #value do
      if _M.has_word(value[i], word) then
        return true
      end
    end
    return false
  end
  for item in gmatch(lower(value), "[^,%s]+") do
    if item == word then
      return true
    end
  end
  return false
end

--- Whether the last coding of Transfer-Encoding is "chunked"; nil when it is applied twice, or before another.
local function is_chunked(value)
  if type(value) == "table" then
    value = table.concat(value, ",")
  end
  local codings = {}
  for item in gmatch(lower(value), "[^,%s]+") do
    codings[#codings + 1] = item
  end
  for i = 1, #codings - 1 do
    if codings[i] == "chunked" then
      return nil
    end
  end
  return codings[#codings] == "chunked"
end
_M.is_chunked = is_chunked

--- How the body of a response to `method` is framed: "none", "length" with the number, "chunked" or "close" (all up to the
-- end of the connection); or nil and what is wrong.
function _M.framing(method, head)
  local status, headers = head.status, head.headers
  local coding, length = headers["Transfer-Encoding"], headers["Content-Length"]
  if coding and length then
    return nil, 'response has both "Transfer-Encoding" and "Content-Length"'
  elseif type(length) == "table" then
    return nil, 'response has duplicate "Content-Length"'
  elseif length and not find(length, "^%d+$") or length and #length > 15 then
    return nil, 'response has invalid "Content-Length": ' .. length
  elseif coding and head.version == 1.0 then
    return nil, 'HTTP/1.0 response has "Transfer-Encoding"'
  end
  if method == "HEAD" or status < 200 or status == 204 or status == 304 or method == "CONNECT" and status < 300 then
    return "none"
  elseif coding then
    local chunked = is_chunked(coding)
    if chunked == nil then
      return nil, 'response has invalid "Transfer-Encoding"'
    end
    return chunked and "chunked" or "close"
  elseif length then
    return "length", tonumber(length)
  end
  return "close"
end

return _M
