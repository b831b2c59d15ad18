-- SPDX-License-Identifier: MIT
-- ngx.re: match, find, gmatch, sub, gsub over the regex family of the ABI. Compiled patterns come from regex_cache; the
-- offsets of a match are read from the handle's captures right after the call. Nothing parks (a replacement function may).
local ffi = require "ffi"
local abi = require "moonwire.abi"
local cache = require "moonwire.regex_cache"
local new_tab = require "table.new"

local C = abi.C
local ffi_string, ffi_new = ffi.string, ffi.new
local sub, concat = string.sub, table.concat
local type, tostring, setmetatable = type, tostring, setmetatable
local get_compiled, get_template = cache.get, cache.get_template

local NOMATCH = C.MW_REGEX_NOMATCH
local NO_MEMORY = C.MW_NO_MEMORY
local BEHIND = 2147483647

local sub_out = ffi_new("mw_str")

local function exec_error(rc)
  if rc == NO_MEMORY then
    return "no memory"
  end
  return "pcre_exec() failed: " .. rc
end

-- Adds the named groups to `res`, which holds the numbered ones. With "D" a name collects a list of what matched.
local function collect_names(compiled, res)
  local names = compiled.names
  for i = 1, #names, 2 do
    local value = res[names[i]]
    local name = names[i + 1]
    if not compiled.is_dup then
      res[name] = value
    elseif value then
      local old = res[name]
      if old then
        old[#old + 1] = value
      else
        res[name] = { value }
      end
    end
  end
end

-- The capture table of the last match of `compiled`, in which groups 0 .. rc-1 may be set.
local function collect(compiled, rc, subject, res)
  local captures, ncaptures, names = compiled.captures, compiled.ncaptures, compiled.names
  if not res then
    res = new_tab(ncaptures, names and #names / 2 + 1 or 1)
  end
  for i = 0, ncaptures do
    local from = i < rc and captures[2 * i] or -1
    if from >= 0 then
      res[i] = sub(subject, from + 1, captures[2 * i + 1])
    else
      res[i] = false
    end
  end
  if names then
    collect_names(compiled, res)
  end
  return res
end

-- ctx.pos counts from 1; nil and less than 1 mean the start. NaN and what no int32_t holds are behind every subject.
local function start_of(ctx)
  local pos = ctx.pos
  if not pos or pos <= 0 then
    return 0
  elseif pos <= BEHIND then
    return pos - 1
  end
  return BEHIND
end

local function match(subject, regex, options, ctx, res)
  if type(subject) ~= "string" then
    subject = tostring(subject)
  end
  local compiled, err = get_compiled(regex, options)
  if not compiled then
    return nil, err
  end
  local rc = C.mw_regex_exec(compiled.handle, subject, #subject, ctx and start_of(ctx) or 0)
  if rc < 0 then
    if rc == NOMATCH then
      return nil
    end
    return nil, exec_error(rc)
  end
  if ctx then
    ctx.pos = compiled.captures[1] + 1
  end
  return (collect(compiled, rc, subject, res))
end

local function find(subject, regex, options, ctx, nth)
  if type(subject) ~= "string" then
    subject = tostring(subject)
  end
  local compiled, err = get_compiled(regex, options)
  if not compiled then
    return nil, nil, err
  end
  local rc = C.mw_regex_exec(compiled.handle, subject, #subject, ctx and start_of(ctx) or 0)
  if rc < 0 then
    if rc == NOMATCH then
      return nil
    end
    return nil, nil, exec_error(rc)
  end
  local captures = compiled.captures
  if ctx then
    ctx.pos = captures[1] + 1
  end
  if not nth or nth <= 0 then
    return captures[0] + 1, captures[1]
  end
  if nth > compiled.ncaptures then
    return nil, nil, "nth out of bound"
  end
  if nth >= rc then
    return nil, nil
  end
  local from = captures[2 * nth]
  if from < 0 then
    return nil, nil
  end
  return from + 1, captures[2 * nth + 1]
end

-- The iterator of gmatch is a callable table: { compiled, subject, pos }, pos nil once it is exhausted.
local function gmatch_next(self)
  local pos = self.pos
  if not pos then
    return nil
  end
  local compiled, subject = self.compiled, self.subject
  local len = #subject
  local rc = C.mw_regex_exec(compiled.handle, subject, len, pos)
  if rc < 0 then
    self.pos = nil
    if rc == NOMATCH then
      return nil
    end
    return nil, exec_error(rc)
  end
  local from, to = compiled.captures[0], compiled.captures[1]
  if from == to then
    to = to + C.mw_regex_step(compiled.handle, subject, len, to)
  end
  self.pos = to <= len and to or nil
  return (collect(compiled, rc, subject))
end

local gmatch_mt = { __call = gmatch_next }

local function gmatch(subject, regex, options)
  if type(subject) ~= "string" then
    subject = tostring(subject)
  end
  local compiled, err = get_compiled(regex, options)
  if not compiled then
    return nil, err
  end
  return setmetatable({ compiled = compiled, subject = subject, pos = 0 }, gmatch_mt)
end

-- Replaces by the results of a function. Offsets are read before each call: the function may use the same pattern.
local function sub_with_function(compiled, subject, replace, is_global)
  local captures, handle, len = compiled.captures, compiled.handle, #subject
  local parts, n = new_tab(8, 0), 0
  local count, pos, copied = 0, 0, 0
  repeat
    local rc = C.mw_regex_exec(handle, subject, len, pos)
    if rc < 0 then
      if rc == NOMATCH then
        break
      end
      return nil, nil, exec_error(rc)
    end
    local from, to = captures[0], captures[1]
    count = count + 1
    if from > copied then
      n = n + 1
      parts[n] = sub(subject, copied + 1, from)
    end
    n = n + 1
    parts[n] = tostring(replace((collect(compiled, rc, subject))))
    copied, pos = to, to
    if to == from then
      pos = to + C.mw_regex_step(handle, subject, len, to)
    end
  until not is_global or pos > len
  if count == 0 then
    return subject, 0
  end
  if copied < len then
    n = n + 1
    parts[n] = sub(subject, copied + 1)
  end
  return concat(parts, "", 1, n), count
end

local function install(_, ngx)
  local function substitute(subject, regex, replace, options, is_global)
    local kind = type(replace)
    local compiled, err = get_compiled(regex, options)
    if not compiled then
      return nil, nil, err
    end
    if type(subject) ~= "string" then
      subject = tostring(subject)
    end
    if kind == "function" then
      return sub_with_function(compiled, subject, replace, is_global ~= 0)
    end
    if kind ~= "string" then
      replace = tostring(replace)
    end
    local template, why = get_template(replace)
    if not template then
      if ngx.log then
        ngx.log(ngx.ERR, why)
      end
      return nil, nil, "failed to compile the replacement template"
    end
    local count = C.mw_regex_sub(compiled.handle, template, subject, #subject, is_global, sub_out)
    if count > 0 then
      return ffi_string(sub_out.data, sub_out.size), count
    end
    if count < 0 then
      return nil, nil, exec_error(count)
    end
    return subject, 0
  end

  ngx.re = {
    match = match,
    find = find,
    gmatch = gmatch,
    sub = function(subject, regex, replace, options)
      return substitute(subject, regex, replace, options, 0)
    end,
    gsub = function(subject, regex, replace, options)
      return substitute(subject, regex, replace, options, 1)
    end,
  }
end

-- Called by boot.lua with `ngx`; `collect` is for resty.core.regex.
return setmetatable({ collect = collect }, { __call = install })
