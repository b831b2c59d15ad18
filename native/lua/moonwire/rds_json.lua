-- SPDX-License-Identifier: MIT
-- Results of a database as the JSON that rds_json makes of them: a list of rows, by name or (compact) with a first row of names, or
-- what a statement did, in an object when it has a root or properties.
local field = require("resty.mysql.result").field
local null = ngx.null
local byte, format, gsub, concat = string.byte, string.format, string.gsub, table.concat
local band = bit.band

local ZEROFILL = 0x40
--- Types whose texts JSON takes as numbers.
local NUMBERS = {}
for _, kind in ipairs { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0d, 0xf6 } do
  NUMBERS[kind] = true
end

local ESCAPES =
  { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(c)
  return ESCAPES[c] or format("\\u%04x", byte(c))
end

local function quote(text)
  return '"' .. gsub(text, '[%z\1-\31"\\]', escape) .. '"'
end

local function number(text, column)
  if band(column.flags, ZEROFILL) ~= 0 then
    return (gsub(text, "^0+(%d)", "%1"))
  end
  return text
end

--- An output for one response. json: is_compact, content_type, and the keys root, success, errcode, errstr ("" for none);
--- properties: a list of { key, value }.
return function(json, properties)
  local is_compact = json.is_compact
  local opening = {}
  if json.success ~= "" then
    opening[1] = quote(json.success) .. ":true"
  end
  for _, property in ipairs(properties) do
    opening[#opening + 1] = quote(property[1]) .. ":" .. quote(property[2])
  end
  local root = json.root ~= "" and json.root or #opening > 0 and "data" or nil

  local keys, separator
  local out = { content_type = json.content_type }

  --- What a statement without rows did.
  function out.done(ok)
    opening[#opening + 1] = quote(json.errcode) .. ":0"
    if ok.message and ok.message ~= "" then
      opening[#opening + 1] = quote(json.errstr) .. ":" .. quote(ok.message)
    end
    if ok.insert_id ~= 0 then
      opening[#opening + 1] = format('"insert_id":%.0f', ok.insert_id)
    end
    if ok.affected_rows ~= 0 then
      opening[#opening + 1] = format('"affected_rows":%.0f', ok.affected_rows)
    end
    return "{" .. concat(opening, ",") .. "}"
  end

  --- What comes before the rows.
  function out.columns(columns)
    keys = {}
    for i = 1, #columns do
      keys[i] = quote(columns[i].name)
    end
    separator = is_compact and "," or ""
    if root then
      opening[#opening + 1] = quote(root) .. ":["
    end
    local text = root and "{" .. concat(opening, ",") or "["
    return is_compact and text .. "[" .. concat(keys, ",") .. "]" or text
  end

  --- A row, or nil when it is malformed.
  function out.row(data, columns)
    local values, pos = {}, 1
    for i = 1, #columns do
      local value
      value, pos = field(data, pos)
      if value == nil then
        return nil
      elseif value == null then
        value = "null"
      elseif NUMBERS[columns[i].type] then
        value = number(value, columns[i])
      else
        value = quote(value)
      end
      values[i] = is_compact and value or keys[i] .. ":" .. value
    end
    if pos ~= #data + 1 then
      return nil
    end
    local text = concat(values, ",")
    text = is_compact and separator .. "[" .. text .. "]" or separator .. "{" .. text .. "}"
    separator = ","
    return text
  end

  function out.rows_end()
    return root and "]}" or "]"
  end

  return out
end
