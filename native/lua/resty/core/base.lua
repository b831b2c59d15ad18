-- SPDX-License-Identifier: MIT
-- resty.core.base for libraries that require it: the version they test for, its buffer helpers and status numbers.
-- Moonwire's own modules use moonwire.buffer instead.
local ffi = require "ffi"

local ffi_new = ffi.new
local select, error, ceil, pcall = select, error, math.ceil, pcall

-- The C types that libraries expect from here. One that is known already stays, since a second of its name would be another.
for _, type_and_text in ipairs {
  { "u_char", "typedef unsigned char u_char;" },
  { "ngx_int_t", "typedef intptr_t ngx_int_t;" },
  { "ngx_uint_t", "typedef uintptr_t ngx_uint_t;" },
  { "ngx_msec_t", "typedef uintptr_t ngx_msec_t;" },
  { "ngx_str_t", "typedef struct { size_t len; const unsigned char *data; } ngx_str_t;" },
  { "ngx_http_request_t", "typedef struct ngx_http_request_s ngx_http_request_t;" },
  { "ngx_http_lua_ffi_str_t", "typedef struct { int len; const unsigned char *data; } ngx_http_lua_ffi_str_t;" },
  {
    "ngx_http_lua_ffi_table_elt_t",
    "typedef struct { ngx_http_lua_ffi_str_t key; ngx_http_lua_ffi_str_t value; } ngx_http_lua_ffi_table_elt_t;",
  },
} do
  if not pcall(ffi.typeof, type_and_text[1]) then
    ffi.cdef(type_and_text[2])
  end
end

local char_array = ffi.typeof "char[?]"
local FREE_LIST = 0
local default_size = 4096
local default_buffer, size_ptr, message_ptr

local _M = {
  version = "0.1.31",
  new_tab = require "table.new",
  clear_tab = require "table.clear",
  FFI_OK = 0,
  FFI_ERROR = -1,
  FFI_AGAIN = -2,
  FFI_BUSY = -3,
  FFI_DONE = -4,
  FFI_DECLINED = -5,
  FFI_ABORT = -6,
  FFI_NO_REQ_CTX = -100,
  FFI_BAD_CONTEXT = -101,
}

--- A scratch buffer of at least `size` bytes; `must_alloc` asks for one of its own.
function _M.get_string_buf(size, must_alloc)
  if must_alloc or size > default_size then
    return ffi_new(char_array, size)
  end
  if not default_buffer then
    default_buffer = ffi_new(char_array, default_size)
  end
  return default_buffer
end

function _M.get_string_buf_size()
  return default_size
end

function _M.set_string_buf_size(size)
  if size > 0 then
    default_size, default_buffer = ceil(size), nil
  end
end

function _M.get_size_ptr()
  if not size_ptr then
    size_ptr = ffi_new("size_t[1]")
  end
  return size_ptr
end

function _M.get_errmsg_ptr()
  if not message_ptr then
    message_ptr = ffi_new("char *[1]")
  end
  return message_ptr
end

--- Keeps `key` in `tb` under a number, reusing freed ones; -1 for nil.
function _M.ref_in_table(tb, key)
  if key == nil then
    return -1
  end
  local ref = tb[FREE_LIST]
  if ref and ref ~= 0 then
    tb[FREE_LIST] = tb[ref]
  else
    ref = #tb + 1
  end
  tb[ref] = key
  return ref
end

--- Throws unless "http" is among the subsystems named.
function _M.allows_subsystem(...)
  for i = 1, select("#", ...) do
    if select(i, ...) == "http" then
      return
    end
  end
  error("unsupported subsystem: http", 2)
end

--- The request of the running light thread, or nil.
function _M.get_request()
  local r = require("moonwire.abi").W.req
  if r ~= nil then
    return r
  end
end

return _M
