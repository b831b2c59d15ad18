-- SPDX-License-Identifier: MIT
-- Scratch memory for ABI calls: `get(n)` gives at least n bytes, the worker's own scratch where that is enough, else a
-- buffer that is kept while small. Its content is lost at the next call: turn it into a string at once.
local ffi = require "ffi"
local abi = require "moonwire.abi"

local ffi_new = ffi.new
local W = abi.W

local KEEP = 1024 * 1024
local kept, kept_size

local buffer = {}

--- A buffer of at least `size` bytes, and its size.
function buffer.get(size)
  local have = W.buf_size
  if size <= have then
    return W.buf, have
  end
  if kept and size <= kept_size then
    return kept, kept_size
  end
  local buf = ffi_new("char[?]", size)
  if size <= KEEP then
    kept, kept_size = buf, size
  end
  return buf, size
end

return buffer
