-- SPDX-License-Identifier: MIT
-- resty.upload: the parts of a multipart request body, one token after the other as they come in: header, body, part_end, eof.
-- Memory holds one piece at a time. With `preserve_body` what is read also becomes the request's body again.
local find, lower, match, sub = string.find, string.lower, string.match, string.sub
local setmetatable, type = setmetatable, type

local _M = { _VERSION = "0.11" }
local metatable = { __index = _M }

local DEFAULT_SIZE, DEFAULT_LINE = 4096, 512

-- reading -------------------------------------------------------------------------------------------------------------

-- Keeps text that was read, where the body is preserved.
local function keep(form, text)
  if form.preserve_body and text and text ~= "" then
    ngx.req.append_body(text)
  end
end

-- The end of what is read: the body is complete, or broken.
local function finish(form)
  if form.preserve_body and not form.is_finished then
    form.is_finished = true
    ngx.req.finish_body()
  end
end

local function fail(form, err)
  form.err = err
  finish(form)
  return nil, nil, err
end

-- A function that returns pieces of at most `size` bytes up to `pattern`, nil behind it, or nil and the reason.
local function new_reader(form, pattern)
  local read, failed = form.sock:receiveuntil(pattern)
  if not read then
    return nil, failed
  end
  return function(size)
    local text, err, partial = read(size)
    keep(form, text or partial)
    if not text and not err then
      keep(form, pattern)
    end
    return text, err
  end
end

-- `size` bytes, or nil and the reason.
local function receive(form, size)
  local text, err, partial = form.sock:receive(size)
  keep(form, text or partial)
  return text, err
end

-- A line of at most line_size bytes without its end, or nil and the reason.
local function read_line(form)
  local line, err = form.next_line(form.line_size)
  if not line then
    return nil, err
  end
  local more
  more, err = form.next_line(1)
  if more then
    return nil, "line too long: " .. line .. more .. "..."
  elseif err then
    return nil, err
  end
  return line
end

local function skip_rest(form)
  while true do
    local text, err = receive(form, form.size)
    if not text then
      return err == "closed" or nil, err
    end
  end
end

-- states --------------------------------------------------------------------------------------------------------------

local read_body

local function read_header(form)
  local line, err = read_line(form)
  if not line then
    return fail(form, err)
  elseif line == "" then
    form.state = read_body
    return read_body(form)
  end
  local name, value = match(line, "^([^: \t]+)[ \t]*:[ \t]*(.+)$")
  return "header", name and { name, value, line } or line
end

local function read_eof()
  return "eof", nil
end

-- What follows a boundary: the next part, or the end. Returns true, or nil and the reason.
local function after_boundary(form)
  local text, err = receive(form, 2)
  if not text then
    return nil, err
  elseif text == "--" then
    form.state = read_eof
    local ok
    ok, err = skip_rest(form)
    if ok then
      finish(form)
    end
    return ok, err
  elseif text ~= "\r\n" and sub(text, 2) == "\r" then
    text, err = receive(form, 1)
    if text ~= "\n" then
      return nil, err or "bad boundary line"
    end
  elseif text ~= "\r\n" then
    text, err = read_line(form)
    if not text then
      return nil, err
    end
  end
  form.state = read_header
  return true
end

function read_body(form)
  local text, err
  repeat
    text, err = form.next_piece(form.size)
  until text ~= "" -- where the boundary follows at once
  if text then
    return "body", text
  elseif err then
    return fail(form, err)
  end
  local ok
  ok, err = after_boundary(form)
  if not ok then
    return fail(form, err)
  end
  return "part_end"
end

local function read_preamble(form)
  local text, err
  repeat
    text, err = form.next_piece(form.size)
  until not text
  local ok = not err
  if ok then
    ok, err = after_boundary(form)
  end
  if ok then
    form.next_piece, err = new_reader(form, "\r\n--" .. form.boundary)
  end
  if not ok or err then
    return fail(form, err)
  end
  return form:state()
end

-- objects -------------------------------------------------------------------------------------------------------------

-- The boundary that the request's Content-Type names, or nil.
local function find_boundary()
  local header = ngx.var.content_type
  if type(header) == "table" then
    header = header[1]
  end
  local _, at = find(lower(header or ""), ";%s*boundary=")
  if not at then
    return nil
  end
  -- blanks within one without quotes are let through, as the library whose interface this is does
  return match(header, '^"([^"]+)"', at + 1)
    or match(header, '^([^",;]-[^%s",;])%s*$', at + 1)
    or match(header, '^([^",;]-[^%s",;])%s*[",;]', at + 1)
end

--- A reader of the current request's body, which has not been read before. `chunk_size` (4096): the most a body token holds;
-- `max_line_size` (512): of a part's header; `preserve_body`: what is read stays the request's body.
-- @return an object, or nil and the reason
function _M.new(_, chunk_size, max_line_size, preserve_body)
  local boundary = find_boundary()
  if not boundary then
    return nil, "no boundary defined in Content-Type"
  end
  local sock, err = ngx.req.socket()
  if not sock then
    return nil, err
  end
  local form = setmetatable({
    sock = sock,
    size = chunk_size or DEFAULT_SIZE,
    line_size = max_line_size or DEFAULT_LINE,
    boundary = boundary,
    preserve_body = preserve_body,
    state = read_preamble,
  }, metatable)
  if preserve_body then
    ngx.req.init_body(form.size)
  end
  form.next_line = new_reader(form, "\r\n")
  form.next_piece, err = new_reader(form, "--" .. boundary)
  if err then
    return nil, err
  end
  return form
end

--- Timeout in milliseconds of each read to come.
function _M.set_timeout(self, timeout)
  if not self.sock then
    return nil, "not initialized"
  end
  return self.sock:settimeout(timeout)
end

--- The next token: "header" and { name, value, line } (or the line, when it is none); "body" and a piece; "part_end"; "eof"; or
-- nil, nil and the reason.
function _M.read(self)
  if self.err then
    return nil, nil, self.err
  end
  return self:state()
end

return _M
