-- SPDX-License-Identifier: MIT
-- ngx.shared.DICT: the methods of shared dictionaries, in OpenResty's words. Returns function(handle) -> dictionary; the
-- boot code fills ngx.shared with one per lua_shared_dict. A dictionary is a table { handle } with one metatable for all,
-- whose __index holds the methods. Values cross through one struct and one buffer per VM: no call here can yield.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local C = abi.C
local ffi_new, ffi_string, ffi_cast, istype = ffi.new, ffi.string, ffi.cast, ffi.istype
local error, type, tostring, tonumber = error, type, tostring, tonumber
local getmetatable, setmetatable, select = getmetatable, setmetatable, select

local OK, TOO_SMALL, NOT_FOUND = C.MW_OK, C.MW_TOO_SMALL, C.MW_NOT_FOUND
local NIL, BOOLEAN, NUMBER, STRING = C.MW_SHDICT_NIL, C.MW_SHDICT_BOOLEAN, C.MW_SHDICT_NUMBER, C.MW_SHDICT_STRING
local SET, ADD, REPLACE, SAFE = C.MW_SHDICT_SET, C.MW_SHDICT_ADD, C.MW_SHDICT_REPLACE, C.MW_SHDICT_SAFE

local MAX_KEY = 65535
local BUFFER = 4096
local KEEP_BUFFER = 256 * 1024 -- a larger value gets a buffer of its own, or one big read would stay for ever
local DEFAULT_KEYS = 1024

local handle_t = ffi.typeof "mw_shdict_t *"
local buffer_t = ffi.typeof "char[?]"
local length_t = ffi.typeof "uint32_t[1]"

local out = ffi_new "mw_shdict_value_t"
local buffer, capacity = ffi_new(buffer_t, BUFFER), BUFFER

local messages = {
  [NOT_FOUND] = "not found",
  [C.MW_EXISTS] = "exists",
  [C.MW_NO_MEMORY] = "no memory",
  [C.MW_SHDICT_NOT_NUMBER] = "not a number",
  [C.MW_SHDICT_NOT_LIST] = "value not a list",
  [C.MW_SHDICT_IS_LIST] = "value is a list",
}

local methods = {}
local metatable = { __index = methods }

--- The C handle of a dictionary; throws at the caller of the method when it is none.
local function handle_of(zone)
  if getmetatable(zone) == metatable then
    return zone[1]
  end
  -- Wrappers that carry the handle at [1] work too, as they do with resty.core.
  if type(zone) == "table" and istype(handle_t, zone[1]) then
    return zone[1]
  end
  error('bad "zone" argument', 3)
end

--- The key as a string, or nil and why it is none.
local function key_of(key)
  if type(key) ~= "string" then
    if key == nil then
      return nil, "nil key"
    end
    key = tostring(key)
  end
  local len = #key
  if len == 0 then
    return nil, "empty key"
  end
  if len > MAX_KEY then
    return nil, "key too long"
  end
  return key
end

--- A buffer of at least `size` bytes; kept for later calls when that is not much.
local function room_for(size)
  if size <= capacity then
    return buffer, capacity
  end
  local grown = ffi_new(buffer_t, size)
  if size <= KEEP_BUFFER then
    buffer, capacity = grown, size
  end
  return grown, size
end

--- The Lua value that the last call left in `out` and `buf`.
local function value_of(buf)
  local kind = out.type
  if kind == STRING then
    return ffi_string(buf, out.size)
  end
  if kind == NUMBER then
    return out.num
  end
  return out.num ~= 0
end

--- Reads a key; returns the status and the value.
local function read(zone, key, stale)
  local buf = buffer
  local rc = C.mw_shdict_get(zone, key, #key, stale, buf, capacity, out)
  while rc == TOO_SMALL do
    local size
    buf, size = room_for(out.size)
    rc = C.mw_shdict_get(zone, key, #key, stale, buf, size, out)
  end
  if rc == OK then
    return rc, value_of(buf)
  end
  return rc
end

-- Flags are signed, as lua-nginx-module's: 32 bits come back as the number they were. Zero is none.
local function flags_of(flags)
  if flags == 0 then
    return nil
  end
  return flags < 2 ^ 31 and flags or flags - 2 ^ 32
end

function methods.get(zone, key)
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local rc, value = read(zone, key, 0)
  if rc == OK then
    local flags = out.flags
    if flags ~= 0 then
      return value, flags_of(flags)
    end
    return value
  end
  if rc == NOT_FOUND then
    return nil
  end
  return nil, messages[rc]
end

function methods.get_stale(zone, key)
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local rc, value = read(zone, key, 1)
  if rc == OK then
    local flags = out.flags
    return value, flags_of(flags), out.stale ~= 0
  end
  if rc == NOT_FOUND then
    return nil
  end
  return nil, messages[rc]
end

--- Kind, string and number of a Lua value as the ABI takes them; nil for one that cannot be stored.
local function split(value)
  local kind = type(value)
  if kind == "string" then
    return STRING, value, #value, 0
  elseif kind == "number" then
    return NUMBER, nil, 0, value
  elseif kind == "boolean" then
    return BOOLEAN, nil, 0, value and 1 or 0
  elseif kind == "nil" then
    return NIL, nil, 0, 0
  end
end

-- The methods tail-call this, so that level 2 is their caller.
local function store(zone, op, key, value, exptime, flags)
  zone = handle_of(zone)
  exptime = exptime or 0
  if type(exptime) ~= "number" then
    exptime = tonumber(exptime)
  end
  if not exptime or exptime < 0 then
    error('bad "exptime" argument', 2)
  end
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local kind, str, len, num = split(value)
  if not kind then
    return nil, "bad value type"
  end
  if kind == NIL and op ~= SET and op ~= SAFE then
    return false, "attempt to add or replace nil values", false
  end
  local rc = C.mw_shdict_store(zone, op, key, #key, kind, str, len, num, exptime * 1000, flags or 0, out)
  if rc == OK then
    return true, nil, out.forcible ~= 0
  end
  return false, messages[rc], out.forcible ~= 0
end

function methods.set(zone, key, value, exptime, flags)
  return store(zone, SET, key, value, exptime, flags)
end

function methods.safe_set(zone, key, value, exptime, flags)
  return store(zone, SET + SAFE, key, value, exptime, flags)
end

function methods.add(zone, key, value, exptime, flags)
  return store(zone, ADD, key, value, exptime, flags)
end

function methods.safe_add(zone, key, value, exptime, flags)
  return store(zone, ADD + SAFE, key, value, exptime, flags)
end

function methods.replace(zone, key, value, exptime, flags)
  return store(zone, REPLACE, key, value, exptime, flags)
end

function methods.delete(zone, key)
  return store(zone, SET, key, nil)
end

--- A number given as such or as a string; throws at the method's caller.
local function number_arg(name, value)
  local number = tonumber(value)
  if not number then
    error("bad " .. name .. " arg: number expected, got " .. type(value), 3)
  end
  return number
end

function methods.incr(zone, key, value, init, init_ttl)
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  value = tonumber(value)
  if not value then
    error("cannot convert 'nil' to 'double'", 2) -- FFI's words, which is where OpenResty finds out
  end
  if init then
    init = number_arg("init", init)
  end
  if init_ttl ~= nil then
    init_ttl = number_arg("init_ttl", init_ttl)
    if init_ttl < 0 then
      error('bad "init_ttl" argument', 2)
    end
    if not init then
      error('must provide "init" when providing "init_ttl"', 2)
    end
  end
  local rc = C.mw_shdict_incr(zone, key, #key, value, init and 1 or 0, init or 0, (init_ttl or 0) * 1000, out)
  if rc ~= OK then
    return nil, messages[rc]
  end
  if init then
    return out.num, nil, out.forcible ~= 0
  end
  return out.num
end

-- The list calls count their arguments as lua-nginx-module does; they are tail-called, level 2 is the method's caller.
local function push(right, ...)
  local n = select("#", ...)
  if n ~= 3 then
    error("expecting 3 arguments, but only seen " .. n, 2)
  end
  local zone, key, value = ...
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local kind, str, len, num = split(value)
  if kind ~= STRING and kind ~= NUMBER then
    return nil, "bad value type"
  end
  local rc = C.mw_shdict_push(zone, right, key, #key, kind, str, len, num, out)
  if rc == OK then
    return out.num
  end
  return nil, messages[rc]
end

local function pop(right, ...)
  local n = select("#", ...)
  if n ~= 2 then
    error("expecting 2 arguments, but only seen " .. n, 2)
  end
  local zone, key = ...
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local buf = buffer
  local rc = C.mw_shdict_pop(zone, right, key, #key, buf, capacity, out)
  while rc == TOO_SMALL do
    local size
    buf, size = room_for(out.size)
    rc = C.mw_shdict_pop(zone, right, key, #key, buf, size, out)
  end
  if rc == OK then
    return value_of(buf)
  end
  if rc == NOT_FOUND then
    return nil
  end
  return nil, messages[rc]
end

function methods.lpush(...)
  return push(0, ...)
end

function methods.rpush(...)
  return push(1, ...)
end

function methods.lpop(...)
  return pop(0, ...)
end

function methods.rpop(...)
  return pop(1, ...)
end

function methods.llen(...)
  local n = select("#", ...)
  if n ~= 2 then
    error("expecting 2 arguments, but only seen " .. n, 2)
  end
  local zone, key = ...
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local rc = C.mw_shdict_len(zone, key, #key, out)
  if rc == OK then
    return out.num
  end
  return nil, messages[rc]
end

function methods.ttl(zone, key)
  zone = handle_of(zone)
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local rc = C.mw_shdict_ttl(zone, key, #key, out)
  if rc == OK then
    return out.num / 1000
  end
  return nil, messages[rc]
end

function methods.expire(zone, key, exptime)
  zone = handle_of(zone)
  exptime = tonumber(exptime)
  if not exptime then
    error('bad "exptime" argument', 2)
  end
  local err
  key, err = key_of(key)
  if not key then
    return nil, err
  end
  local rc = C.mw_shdict_expire(zone, key, #key, exptime * 1000)
  if rc == OK then
    return true
  end
  return nil, messages[rc]
end

function methods.flush_all(zone)
  C.mw_shdict_flush_all(handle_of(zone))
end

--- The handle and the optional count of flush_expired and get_keys.
local function count_args(name, default, ...)
  local n = select("#", ...)
  if n ~= 1 and n ~= 2 then
    error("expecting 1 or 2 argument(s), but saw " .. n, 3)
  end
  local zone, max = ...
  if type(zone) ~= "table" then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(zone) .. ")", 3)
  end
  if max ~= nil and not tonumber(max) then
    error("bad argument #1 to '" .. name .. "' (number expected, got " .. type(max) .. ")", 3)
  end
  return zone, tonumber(max) or default
end

function methods.flush_expired(...)
  local zone, max = count_args("flush_expired", 0, ...)
  return tonumber(C.mw_shdict_flush_expired(handle_of(zone), max))
end

function methods.get_keys(...)
  local zone, max = count_args("get_keys", DEFAULT_KEYS, ...)
  zone = handle_of(zone)
  local buf, size = buffer, capacity
  local bytes = tonumber(C.mw_shdict_keys(zone, max, buf, size, out))
  while bytes > size do
    -- Others may add keys meanwhile; some slack keeps the number of rounds small.
    buf, size = room_for(bytes + BUFFER)
    bytes = tonumber(C.mw_shdict_keys(zone, max, buf, size, out))
  end
  local keys, at, len = {}, 0, ffi_new(length_t)
  for i = 1, out.num do
    ffi.copy(len, buf + at, 4)
    keys[i] = ffi_string(buf + at + 4, len[0])
    at = at + 4 + len[0]
  end
  return keys
end

function methods.capacity(zone)
  return tonumber(C.mw_shdict_capacity(handle_of(zone)))
end

function methods.free_space(zone)
  return tonumber(C.mw_shdict_free_space(handle_of(zone)))
end

--- Wraps a dictionary's address (lightuserdata, pointer or number) for Lua code.
return function(handle)
  if type(handle) == "number" then
    handle = ffi_cast("uintptr_t", handle)
  end
  return setmetatable({ ffi_cast(handle_t, handle) }, metatable)
end
