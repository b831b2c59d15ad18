-- SPDX-License-Identifier: MIT
-- ngx.var: nginx variables by name; a name is resolved to a number once per VM. Numeric keys are the router's captures.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C = abi.C
local ffi_string = ffi.string
local type, tostring, error, lower, find = type, tostring, error, string.lower, string.find
local OK = C.MW_OK

local out = ffi.new "mw_str"
local ids = {}

local function id_of(name)
  local id = ids[name]
  if id == nil then
    local low = lower(name)
    id = C.mw_var_id(low, #low)
    ids[name] = id
  end
  return id
end

local function get(_, key)
  local r = abi.request()
  local rc
  if type(key) == "string" then
    local id = ids[key] or id_of(key)
    if id < 0 then
      return nil
    end
    rc = C.mw_var_get(r, id, out)
  elseif type(key) == "number" then
    rc = C.mw_var_capture(r, key, out)
  else
    error("bad variable name", 2)
  end
  if rc ~= OK then
    return nil
  end
  return out.size == 0 and "" or ffi_string(out.data, out.size)
end

local function set(_, key, value)
  local r = abi.request()
  if type(key) ~= "string" then
    error("bad variable name", 2)
  end
  local kind = type(value)
  if value ~= nil and kind ~= "string" then
    if kind ~= "number" and kind ~= "boolean" then
      error("attempt to set ngx.var to a " .. kind .. " value", 2)
    end
    value = tostring(value)
  end
  local id = ids[key] or id_of(key)
  if id >= 0 and C.mw_var_set(r, id, value, value and #value or 0) == OK then
    return
  end
  if id >= 0 and not find(key, "^arg_") and not find(key, "^http_") and not find(key, "^cookie_") then
    error('variable "' .. key .. '" not changeable', 2)
  end
  error(
    'variable "'
      .. key
      .. '" not found for writing; maybe it is a built-in variable that is not changeable or you'
      .. ' forgot to use "set $'
      .. key
      .. " '';\" in the config file to define it first",
    2
  )
end

local var = {}

--- Sets a variable of request `r`; false when there is none of that name, or it cannot be changed.
function var.assign(r, name, value)
  local id = ids[name] or id_of(name)
  return id >= 0 and C.mw_var_set(r, id, value, #value) == OK
end

return setmetatable(var, {
  __call = function(_, ngx)
    ngx.var = setmetatable({}, { __index = get, __newindex = set })
  end,
})
