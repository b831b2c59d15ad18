-- SPDX-License-Identifier: MIT
-- Runs Lua test files over the ABI families in a bare VM: `arg` = { REPOSITORY, FILE... }, started by
-- test/native/abi_lua_test.cpp. A test file is called with `t` (t.eq, t.ok, t.fails; t(line) counts a line) and finds the
-- global `ngx` with the families installed. Returns the numbers of checks passed and failed.
local ffi = require "ffi"
local root = arg[1]
package.path = root .. "native/lua/?.lua;" .. package.path

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local WORKER_SIZE = 512
local scratch_size = tonumber(os.getenv "MW_SCRATCH") or 4096
local worker_memory = ffi.new("char[?]", WORKER_SIZE)
local scratch = ffi.new("char[?]", scratch_size)
local abi_chunk = assert(loadfile(root .. "native/lua/moonwire/abi.lua"))
local abi = abi_chunk(read(root .. "native/abi/mw_abi.h"), worker_memory, {})
assert(ffi.sizeof "mw_worker_t" <= WORKER_SIZE)
ffi.cdef "void mw_test_set_worker(void *worker);"
ffi.C.mw_test_set_worker(worker_memory)
abi.W.buf, abi.W.buf_size = scratch, scratch_size
package.loaded["moonwire.abi"] = abi
abi.C.mw_time_update()

local logged = {}
ngx = {
  ERR = 4,
  log = function(_, ...)
    logged[#logged + 1] = table.concat { ... }
  end,
}
require "moonwire.encode"(ngx)
require "moonwire.time"(ngx)
require "moonwire.regex"(ngx)

local failed, passed = 0, 0
local t = { logged = logged }

local function show(v)
  return type(v) == "string" and string.format("%q", v) or tostring(v)
end

local function fail(text)
  failed = failed + 1
  local where = debug.getinfo(3, "Sl")
  io.stderr:write(where.short_src, ":", where.currentline, ": ", text, "\n")
end

function t.eq(actual, expected)
  if actual == expected then
    passed = passed + 1
  else
    fail(show(actual) .. " is not " .. show(expected))
  end
end

function t.ok(value, text)
  if value then
    passed = passed + 1
  else
    fail(text or "not true")
  end
end

--- Calls f(...); the error's text must hold `wanted`.
function t.fails(wanted, f, ...)
  local ok, err = pcall(f, ...)
  if not ok and string.find(tostring(err), wanted, 1, true) then
    passed = passed + 1
  else
    fail(ok and "no error" or show(err))
  end
end

-- A file that calls t(line) has its lines counted, and kept in MW_CORPUS_OUT where that is set.
local corpus_out = os.getenv "MW_CORPUS_OUT"
local corpus_file = corpus_out and assert(io.open(corpus_out, "w"))
setmetatable(t, {
  __call = function(_, line)
    passed = passed + 1
    if corpus_file then
      corpus_file:write(line, "\n")
    end
  end,
})

for i = 2, #arg do
  assert(loadfile(arg[i]))(t)
end
if corpus_file then
  corpus_file:close()
end
collectgarbage()
return passed, failed
