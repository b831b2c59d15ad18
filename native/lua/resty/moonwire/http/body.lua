-- SPDX-License-Identifier: MIT
-- resty.moonwire.http.body: readers of a body, called for one piece after the other: the text, nil at the end, or nil and
-- the reason. Given a size they return at most that; without one a chunk, or all there is.
-- A reader reads from a source: { sock, fail = function(self, err), finish = function(self) }. Once a source has `err`, that
-- is what its reader returns.
local head = require "resty.moonwire.http.head"
local match, find, tonumber, setmetatable = string.match, string.find, tonumber, setmetatable

local _M = {}

local MOST_SIZE_LINE = 4096 -- a chunk's size with its extensions

--- The readers: what they return is the text alone, and has to be encoded where it is sent on in chunks.
_M.is_decoded = setmetatable({}, { __mode = "k" })

local function reader_of(read)
  _M.is_decoded[read] = true
  return read
end

-- A size given by the caller, nil for "as it comes".
local function size_of(size, default)
  size = tonumber(size) or default
  if size and size < 1 then
    return nil
  end
  return size
end

-- The text of at most `left` bytes, and how many are left behind it; or what source:fail() says.
local function read_some(source, left, size)
  if not size or size > left then
    size = left
  end
  local text, err = source.sock:receive(size)
  if not text then
    return source:fail(err)
  end
  return text, left - #text
end

--- A body of `left` bytes.
function _M.length(source, left, default_size)
  return reader_of(function(size)
    if source.err then
      return nil, source.err
    elseif left == 0 then
      return nil
    end
    local text, rest = read_some(source, left, size_of(size, default_size))
    if not text then
      return nil, rest
    end
    left = rest
    if left == 0 then
      source:finish()
    end
    return text
  end)
end

--- The number of a chunk's size line, without its end; nil where that is malformed.
function _M.chunk_size(line)
  local digits, rest = match(line, "^0*(%x*)(.*)$")
  if #digits > 13 or find(line, "[\n\r]") or not find(line, "^%x") or rest ~= "" and not find(rest, "^[ \t]*;") then
    return nil
  end
  return digits == "" and 0 or tonumber(digits, 16)
end

-- The size of the next chunk; or nil and the reason.
local function read_size(sock)
  local read = sock:receiveuntil "\r\n"
  local line, err = read(MOST_SIZE_LINE)
  if not line then
    return nil, err
  end
  local size = #line < MOST_SIZE_LINE and _M.chunk_size(line)
  if not size then
    return nil, "unable to read chunksize"
  end
  read(1) -- takes note of the line's end
  return size
end

--- A chunked body. Its trailers are source.trailers when it has been read.
function _M.chunked(source, default_size)
  local sock = source.sock
  local left, is_first, is_over = 0, true, false

  -- To the next chunk: true, false after the last; or nil and the reason.
  local function next_chunk()
    local err
    if not is_first then
      local text
      text, err = sock:receive(2)
      if text ~= "\r\n" then
        return nil, text and "chunk without its end" or err
      end
    end
    is_first = false
    left, err = read_size(sock)
    if not left then
      return nil, err
    elseif left > 0 then
      return true
    end
    source.trailers, err = head.read_trailers(sock)
    if err then
      return nil, err
    end
    return false
  end

  return reader_of(function(size)
    if source.err then
      return nil, source.err
    elseif is_over then
      return nil
    end
    if left == 0 then
      local more, err = next_chunk()
      if more == nil then
        return source:fail(err)
      elseif not more then
        is_over = true
        source:finish()
        return nil
      end
    end
    local text, rest = read_some(source, left, size_of(size, default_size))
    if not text then
      return nil, rest
    end
    left = rest
    return text
  end)
end

--- A body that the end of the connection ends.
function _M.until_close(source, default_size)
  local sock = source.sock
  local is_over = false
  return reader_of(function(size)
    if source.err then
      return nil, source.err
    elseif is_over then
      return nil
    end
    size = size_of(size, default_size)
    local text, err, partial = sock:receive(size or "*a")
    if text and size then
      return text
    elseif not text and err ~= "closed" then
      return source:fail(err)
    end
    is_over = true
    source:finish()
    text = text or partial
    return text ~= "" and text or nil
  end)
end

--- Nothing to read.
_M.none = reader_of(function()
  return nil
end)

return _M
