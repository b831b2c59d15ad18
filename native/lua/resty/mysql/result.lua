-- SPDX-License-Identifier: MIT
-- resty.mysql.result: the replies to a query, read from a connection as resty.mysql.packet has it. The head of a result comes
-- first; of one with rows then its columns, and its rows one by one. Nobody may read on after a failure without a code.
local new_tab = require "table.new"
local packet = require "resty.mysql.packet"

local null = ngx.null
local byte, sub = string.byte, string.sub
local tonumber, min = tonumber, math.min
local band = bit.band
local receive, int2, number, text, parse_error =
  packet.receive, packet.int2, packet.number, packet.text, packet.parse_error

local OK, LOCAL_INFILE, EOF, ERR = 0x00, 0xfb, 0xfe, 0xff
local MORE_RESULTS = 0x0008
--- More than any server has in a result.
local MAX_COLUMNS = 0xffff

local _M = {}

-- Numbers that a Lua number holds without loss, by the column's type. A BIGINT stays text.
local CONVERT = {}
for _, kind in ipairs { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x09, 0x0d, 0xf6 } do
  CONVERT[kind] = tonumber
end

local MALFORMED = "malformed packet"

local function parse_ok(data)
  local affected, insert, status, warnings
  local pos = 2
  affected, pos = number(data, pos)
  if affected then
    insert, pos = number(data, pos)
  end
  if insert then
    status, pos = int2(data, pos)
  end
  if status then
    warnings, pos = int2(data, pos)
  end
  if not warnings then
    return nil
  end
  local message = text(data, pos)
  return {
    affected_rows = affected,
    insert_id = insert,
    server_status = status,
    warning_count = warnings,
    message = message ~= null and message or nil,
  }
end

--- The head of the next result.
-- @return what a statement without rows did, and whether more results follow; or the number of columns; or nil, the reason,
-- the server's code and the SQL state; the fifth says that nothing has come yet
function _M.read_head(self)
  local data, err, untouched = receive(self)
  if not data then
    return nil, err, nil, nil, untouched
  end
  local kind = byte(data)
  if kind == OK then
    local ok = parse_ok(data)
    if not ok then
      return nil, MALFORMED
    end
    return ok, band(ok.server_status, MORE_RESULTS) ~= 0
  elseif kind == ERR then
    return nil, parse_error(data)
  elseif kind == LOCAL_INFILE then -- never offered to the server
    return nil, "packet type LOCALINFILE not supported"
  end
  local count, pos = number(data, 1)
  if not count or count > MAX_COLUMNS or pos ~= #data + 1 then
    return nil, MALFORMED
  end
  return count
end

-- The end of columns or rows: nothing else with this first byte is so short.
local function is_end(data)
  return byte(data) == EOF and #data < 9
end

local function parse_column(data)
  local pos = 1
  local name, value
  for i = 1, 6 do -- catalog, schema, table, the table's own name, name, own name
    value, pos = text(data, pos)
    if not value or value == null then
      return nil
    end
    if i == 5 then
      name = value
    end
  end
  -- the length of what follows, 2 bytes of a character set, 4 of a length, the type, 2 of flags
  local charset = int2(data, pos + 1)
  local flags = int2(data, pos + 8)
  if not flags then
    return nil
  end
  return { name = name, type = byte(data, pos + 7), charset = charset, flags = flags }
end

--- The columns of a result.
-- @return a list of { name, type, charset, flags }, or nil, the reason, code and state
function _M.read_columns(self, count)
  local columns = new_tab(min(count, 4096), 0)
  for i = 1, count do
    local data, err = receive(self)
    if not data then
      return nil, err
    end
    if byte(data) == ERR then
      return nil, parse_error(data)
    end
    local column = parse_column(data)
    if not column then
      return nil, MALFORMED
    end
    columns[i] = column
  end
  local data, err = receive(self)
  if not data then
    return nil, err
  elseif byte(data) == ERR then
    return nil, parse_error(data)
  elseif not is_end(data) then
    return nil, "unexpected packet type DATA while eof packet is expected"
  end
  return columns
end

--- The next row as the server's payload, see each_field and parse_row.
-- @return the payload; false and whether more results follow, behind the last; or nil, the reason, code and state
function _M.read_row(self)
  local data, err = receive(self)
  if not data then
    return nil, err
  end
  local first = byte(data)
  if first == ERR then
    return nil, parse_error(data)
  elseif first == EOF and #data < 9 then
    local status = int2(data, 4)
    if not status then
      return nil, MALFORMED
    end
    return false, band(status, MORE_RESULTS) ~= 0
  end
  return data
end

--- The field at `pos` of a row as text, or ngx.null, and where the next one is; nil when the row is malformed.
local function field(data, pos)
  local n = byte(data, pos)
  if n and n < 251 then
    if pos + n > #data then
      return nil
    end
    return sub(data, pos + 1, pos + n), pos + n + 1
  end
  return text(data, pos)
end
_M.field = field

--- A row as a table: by name, or compact, by position. Nil when it is malformed.
function _M.parse_row(data, columns, is_compact)
  local n, pos = #columns, 1
  local row = is_compact and new_tab(n, 0) or new_tab(0, n)
  for i = 1, n do
    local value
    value, pos = field(data, pos)
    if value == nil then
      return nil
    end
    local column = columns[i]
    local convert = CONVERT[column.type]
    if convert and value ~= null then
      value = convert(value)
    end
    row[is_compact and i or column.name] = value
  end
  if pos ~= #data + 1 then
    return nil
  end
  return row
end

return _M
