-- SPDX-License-Identifier: MIT
-- Runs a Lua test file with the ABI families outside the server: `luajit harness.lua LIBRARY REPOSITORY FILE...`.
-- LIBRARY is the shared object that test/lua/run.mjs builds. A test file gets `t` (t.eq, t.ok, t.fails) and `ngx`.
local ffi = require "ffi"
local library, root = arg[1], arg[2]
package.path = root .. "/native/lua/?.lua;" .. package.path

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local abi_chunk = assert(loadfile(root .. "/native/lua/moonwire/abi.lua"))
ffi.cdef "void mw_test_set_worker(void *worker);"
local lib = ffi.load(library, true)

local scratch_size = tonumber(os.getenv "MW_SCRATCH") or 4096
local worker_memory = ffi.new("char[?]", 512)
local scratch = ffi.new("char[?]", scratch_size)
local abi = abi_chunk(read(root .. "/native/abi/mw_abi.h"), worker_memory, {})
assert(ffi.sizeof "mw_worker_t" <= 512)
abi.W.buf, abi.W.buf_size = scratch, scratch_size
lib.mw_test_set_worker(worker_memory)
package.loaded["moonwire.abi"] = abi
abi.C.mw_time_update()

local logged = {}
ngx = {
  ERR = 4,
  log = function(_, ...)
    logged[#logged + 1] = table.concat({ ... })
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

for i = 3, #arg do
  assert(loadfile(arg[i]))(t)
end
print(passed .. " passed, " .. failed .. " failed")
collectgarbage()
os.exit(failed == 0 and passed > 0 and 0 or 1, true)
