-- SPDX-License-Identifier: MIT
-- Results of a database as a Resty DBD Stream, version 0.0.3, which drizzle_pass answers without rds_json. Its numbers are
-- little-endian.
local bytes = require("resty.mysql.packet").bytes
local field = require("resty.mysql.result").field
local null = ngx.null
local concat = table.concat

local VERSION, NULL = bytes(3, 4), "\255\255\255\255"
local FLOAT, TEXT = 0x4000, 0x8000

--- The standard type of a column by MySQL's.
local TYPES = {
  [0x00] = 11 + FLOAT, -- decimal
  [0x01] = 13, -- smallint
  [0x02] = 13,
  [0x03] = 9, -- integer
  [0x04] = 12 + FLOAT, -- real
  [0x05] = 8 + FLOAT, -- double
  [0x07] = 17 + TEXT, -- timestamp
  [0x08] = 1, -- bigint
  [0x09] = 9,
  [0x0a] = 17 + TEXT,
  [0x0b] = 15 + TEXT, -- time
  [0x0c] = 17 + TEXT,
  [0x0d] = 13,
  [0x0e] = 17 + TEXT,
  [0x0f] = 6 + TEXT, -- varchar
  [0x10] = 2 + TEXT, -- bit
  [0xf6] = 11 + FLOAT,
  [0xf7] = 6 + TEXT,
  [0xf8] = 6 + TEXT,
  [0xf9] = 19 + TEXT, -- blob
  [0xfa] = 19 + TEXT,
  [0xfb] = 19 + TEXT,
  [0xfc] = 19 + TEXT,
  [0xfd] = 6 + TEXT,
  [0xfe] = 6 + TEXT,
  [0xff] = 6 + TEXT,
}
local UNKNOWN = TEXT

-- Endian, version, result type, the standard error code, the driver's and its text, rows affected, insert id, columns.
local function header(message, affected_rows, insert_id, columns)
  local parts =
    { "\0", VERSION, "\0\0\0\0\0", bytes(#message, 2), message, bytes(affected_rows, 8), bytes(insert_id, 8) }
  return concat(parts) .. bytes(columns, 2)
end

local out = { content_type = "application/x-resty-dbd-stream" }

function out.done(ok)
  return header(ok.message or "", ok.affected_rows, ok.insert_id, 0)
end

function out.columns(columns)
  local parts = { header("", 0, 0, #columns) }
  for i = 1, #columns do
    local column = columns[i]
    parts[i + 1] = bytes(TYPES[column.type] or UNKNOWN, 2)
      .. bytes(column.type, 2)
      .. bytes(#column.name, 2)
      .. column.name
  end
  return concat(parts)
end

--- A row, or nil when it is malformed.
function out.row(data, columns)
  local parts, pos = { "\1" }, 1
  for i = 1, #columns do
    local value
    value, pos = field(data, pos)
    if value == nil then
      return nil
    end
    parts[i + 1] = value == null and NULL or bytes(#value, 4) .. value
  end
  return pos == #data + 1 and concat(parts) or nil
end

function out.rows_end()
  return "\0"
end

--- The output of any response: it has no settings.
return function()
  return out
end
