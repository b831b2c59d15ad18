-- SPDX-License-Identifier: MIT
-- The Lua side of the package's `ffi`: LuaJIT's FFI is the engine, these functions are all that the addon calls.
-- Runs in a VM of its own on the JavaScript thread (one per Node environment), never in a worker. A result crosses as
-- a kind and a value; cdata stays here, JavaScript holds a registry reference to it.
local ffi = require "ffi"

local UNDEFINED, PLAIN, INT64, UINT64, CDATA, FUNCTION, BYTES = 0, 1, 2, 3, 4, 5, 6

local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"
local int64_box, uint64_box = ffi.typeof "int64_t[1]", ffi.typeof "uint64_t[1]"
local int64_ptr, uint64_ptr = ffi.typeof "const int64_t *", ffi.typeof "const uint64_t *"
local void_ptr, uintptr = ffi.typeof "const void *", ffi.typeof "uintptr_t"
local select, type, tonumber, tostring = select, type, tonumber, tostring

local bridge = {}

--- The cdata of a 64-bit integer whose bytes are `raw`.
function bridge.int64(raw)
  return ffi.cast(int64_ptr, raw)[0]
end

function bridge.uint64(raw)
  return ffi.cast(uint64_ptr, raw)[0]
end

local function is_callable(v)
  return tostring(ffi.typeof(v)):find "%(%)>$" ~= nil
end

-- What one Lua value becomes in JavaScript: numbers for enums, bigint for 64 bits, null for NULL.
local function export(v)
  if type(v) ~= "cdata" then
    return PLAIN, v
  end
  if ffi.istype(int64, v) then
    return INT64, ffi.string(int64_box(v), 8)
  end
  if ffi.istype(uint64, v) then
    return UINT64, ffi.string(uint64_box(v), 8)
  end
  local number = tonumber(v)
  if number then
    return PLAIN, number
  end
  if v == nil then
    return PLAIN, nil
  end
  return CDATA, v
end

local last_errno = 0

local function export_results(...)
  last_errno = ffi.errno()
  if select("#", ...) == 0 then
    return UNDEFINED
  end
  return export((...))
end

function bridge.cdef(declarations)
  ffi.cdef(declarations)
  return UNDEFINED
end

--- The namespace of a shared library; of the process when `name` is nil.
function bridge.load(name, is_global)
  if name == nil then
    return CDATA, ffi.C
  end
  return CDATA, ffi.load(name, is_global)
end

--- A function to call, or the value of a constant or variable.
function bridge.symbol(library, name)
  local v = library[name]
  if type(v) == "cdata" and is_callable(v) then
    return FUNCTION, v
  end
  return export(v)
end

function bridge.call(fn, ...)
  if type(fn) ~= "cdata" or not is_callable(fn) then
    error("attempt to call a value that is not a C function", 0)
  end
  if fn == nil then
    error("attempt to call a NULL function pointer", 0)
  end
  return export_results(fn(...))
end

function bridge.new(ctype, ...)
  return CDATA, ffi.new(ctype, ...)
end

function bridge.cast(ctype, v)
  return CDATA, ffi.cast(ctype, v)
end

-- LuaJIT follows a NULL pointer as C does; here it is a mistake that can be named.
local function refuse_null(cdata)
  if cdata == nil then
    error("attempt to follow a NULL pointer of type '" .. bridge.type_name(cdata) .. "'", 0)
  end
end

function bridge.get(cdata, key)
  refuse_null(cdata)
  return export(cdata[key])
end

function bridge.set(cdata, key, v)
  refuse_null(cdata)
  cdata[key] = v
  return UNDEFINED
end

--- The scalar that `cdata` is; nil for a NULL pointer; throws for an aggregate.
function bridge.value(cdata)
  local kind, v = export(cdata)
  if kind == CDATA then
    error("cannot convert '" .. bridge.type_name(cdata) .. "' to a JavaScript value", 0)
  end
  return kind, v
end

function bridge.bytes(cdata, length)
  refuse_null(cdata)
  return BYTES, ffi.string(cdata, length)
end

function bridge.sizeof(v, count)
  return PLAIN, (ffi.sizeof(v, count))
end

function bridge.offsetof(ctype, field)
  return PLAIN, (ffi.offsetof(ctype, field))
end

function bridge.type_name(v)
  return (tostring(ffi.typeof(v)):gsub("^ctype<(.*)>$", "%1"))
end

bridge["typeof"] = function(v)
  return PLAIN, bridge.type_name(v)
end

--- The address a pointer holds, or the address of an aggregate.
function bridge.address(cdata)
  return export(ffi.cast(uintptr, ffi.cast(void_ptr, cdata)))
end

function bridge.errno()
  return PLAIN, last_errno
end

return bridge
