-- SPDX-License-Identifier: MIT
-- ngx.re (the module): split a string by a regex, and the engine's options.
local abi = require "moonwire.abi"
local cache = require "moonwire.regex_cache"
local new_tab = require "table.new"

local C = abi.C
local sub = string.sub
local type, tostring, error = type, tostring, error
local min, max_of = math.min, math.max

local NOMATCH = C.MW_REGEX_NOMATCH
local NARR = 4

local _M = { version = require("resty.core.base").version }

-- Takes the empty strings off the end of res[1 .. n]; returns the new length, or n when none is left (so that the
-- caller's nil goes where lua-resty-core puts it in a reused table).
local function drop_empty_tail(res, n)
  for i = n, 1, -1 do
    if res[i] ~= "" then
      return i
    end
    res[i] = nil
  end
  return n
end

--- Splits `subject` at the matches of `regex`; the first group of each match is kept between the pieces.
-- @param ctx table whose `pos` says where to begin
-- @param max pieces at most; 0 or nil: all, and empty pieces at the end are dropped
-- @param res table to fill (a nil is put after the last piece)
-- @return the table, or nil and an error
function _M.split(subject, regex, options, ctx, max, res)
  subject = tostring(subject)
  local len = #subject
  local start = ctx and ctx.pos or 1
  if ctx and not ctx.pos then
    ctx.pos = 1
  end
  max = max or 0
  if not res then
    res = new_tab(max > 0 and min(NARR, max) or NARR, 0)
  elseif type(res) ~= "table" then
    error("res is not a table", 2)
  end
  if start > len then
    res[1] = nil
    return res
  end
  local compiled, err = cache.get(regex, options)
  if not compiled then
    return nil, err
  end

  local handle, captures = compiled.handle, compiled.captures
  local pos = start - 1 -- where the next search begins, from 0
  local piece = start -- where the current piece begins, from 1
  local n, count = 0, 1
  local last_empty -- the place of the last empty match, from 1
  while max <= 0 or count < max do
    local rc = C.mw_regex_exec(handle, subject, len, max_of(pos, 0))
    if rc < 0 then
      if rc == NOMATCH then
        break
      end
      return nil, "pcre_exec() failed: " .. rc
    end
    local from, to = captures[0] + 1, captures[1] + 1
    pos = to - 1
    if from == to then
      pos = pos + C.mw_regex_step(handle, subject, len, pos)
    end
    -- An empty match cuts one place later than it was found: pieces are never empty because of it.
    if last_empty then
      piece = last_empty
    end
    if from == to then
      last_empty = from
    end
    if from > piece or not last_empty then
      count = count + 1
      n = n + 1
      res[n] = sub(subject, piece, from - 1)
      if compiled.ncaptures > 0 and rc > 1 then
        n = n + 1
        res[n] = sub(subject, captures[2] + 1, captures[3])
      end
      piece = to
      if piece > len then
        break
      end
    end
    if pos > len then
      break
    end
  end
  if ctx then
    ctx.pos = pos
  end

  if max <= 0 and piece > len then
    n = drop_empty_tail(res, n)
  else
    n = n + 1
    res[n] = sub(subject, piece)
  end
  res[n + 1] = nil
  return res
end

--- Sets an option of the engine; only "jit_stack_size" (bytes) exists.
function _M.opt(option, value)
  if option ~= "jit_stack_size" then
    error("unrecognized option name", 2)
  end
  if cache.has_cached() then
    error("changing jit stack size is not allowed when some regexs have already been compiled and cached", 2)
  end
  if C.mw_regex_set_jit_stack(value) ~= 0 then
    error("pcre jit stack allocation failed", 2)
  end
end

return _M
