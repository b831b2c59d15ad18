-- SPDX-License-Identifier: MIT
-- Values as assertions compare and print them: deep equality, and a text that shows what differs.
local pairs, type, tostring, next, rawequal = pairs, type, tostring, next, rawequal
local format, rep, concat, sort = string.format, string.rep, table.concat, table.sort
local getmetatable = getmetatable

local MAX_DEPTH = 8
local MAX_LINES = 100

local show = {}

local function has_eq(v)
  local meta = getmetatable(v)
  return type(meta) == "table" and meta.__eq ~= nil
end

--- Whether both are the same value, or tables of the same contents, however deep; cycles are compared as such.
function show.is_same(a, b, seen)
  if a == b then
    return true
  elseif type(a) ~= "table" or type(b) ~= "table" or has_eq(a) or has_eq(b) then
    return a ~= a and b ~= b and type(a) == "number" and type(b) == "number" -- NaN
  end
  seen = seen or {}
  if seen[a] ~= nil then
    return rawequal(seen[a], b)
  end
  seen[a] = b
  for k, v in next, a do
    local other = b[k]
    if other == nil or not show.is_same(v, other, seen) then
      return false
    end
  end
  for k in next, b do
    if a[k] == nil then
      return false
    end
  end
  seen[a] = nil
  return true
end

local function order(a, b)
  local ta, tb = type(a), type(b)
  if ta ~= tb then
    return ta < tb
  elseif ta == "number" or ta == "string" then
    return a < b
  end
  return tostring(a) < tostring(b)
end

local function scalar(v)
  if type(v) == "string" then
    return (
      format("%q", v):gsub("\\\n", "\\n"):gsub("[%z\1-\31\127]", function(c)
        return format("\\%03d", c:byte())
      end)
    )
  end
  return tostring(v)
end

local function write(lines, v, indent, label, open)
  if type(v) ~= "table" then
    lines[#lines + 1] = indent .. label .. scalar(v)
    return
  elseif open[v] or #indent > 2 * MAX_DEPTH then
    lines[#lines + 1] = indent .. label .. (open[v] and "{ itself }" or "{ ... }")
    return
  elseif next(v) == nil then
    lines[#lines + 1] = indent .. label .. "{ }"
    return
  end
  local keys = {}
  for k in next, v do
    keys[#keys + 1] = k
  end
  sort(keys, order)
  open[v] = true
  lines[#lines + 1] = indent .. label .. "{"
  for _, k in ipairs(keys) do
    local name = type(k) == "string" and k:find "^[%a_][%w_]*$" and k or "[" .. scalar(k) .. "]"
    write(lines, v[k], indent .. "  ", name .. " = ", open)
    if #lines > MAX_LINES then
      break
    end
  end
  lines[#lines + 1] = indent .. "}"
  open[v] = nil
end

--- The value as Lua would write it, a table with a field on each line.
function show.text(v)
  local lines = {}
  write(lines, v, "", "", {})
  if #lines > MAX_LINES then
    lines[MAX_LINES + 1] = "..."
    for i = #lines, MAX_LINES + 2, -1 do
      lines[i] = nil
    end
  end
  return concat(lines, "\n")
end

--- `label`, the value, and its type; the lines of a table below.
function show.labelled(label, v)
  local text = show.text(v)
  if text:find("\n", 1, true) then
    return label .. "\n  " .. text:gsub("\n", "\n  ")
  end
  return format("%s%s(%s) %s", label, rep(" ", 11 - #label), type(v), text)
end

--- The path to a difference between two tables, as `.a.b[1]`; nil when there is none or it is at the top.
function show.difference(a, b, seen)
  if type(a) ~= "table" or type(b) ~= "table" then
    return nil
  end
  seen = seen or {}
  if seen[a] then
    return nil
  end
  seen[a] = true
  local function step(k)
    local name = type(k) == "string" and k:find "^[%a_][%w_]*$" and "." .. k or "[" .. scalar(k) .. "]"
    return name .. (show.difference(a[k], b[k], seen) or "")
  end
  for k, v in pairs(a) do
    if not show.is_same(v, b[k]) then
      return step(k)
    end
  end
  for k in pairs(b) do
    if a[k] == nil then
      return step(k)
    end
  end
  return nil
end

return show
