-- SPDX-License-Identifier: MIT
-- Compiled regexes and replacement templates of one VM. A compiled entry is a table
--   { handle = mw_regex_t *, is_once, is_dfa, is_dup, ncaptures, names = { group, name, ... } or nil }
-- freed with its last reference. Two caches: patterns with the "o" option (lua_regex_cache_max_entries of them) and a
-- small one for the others, which lua-nginx-module compiles at each call; results cannot tell the difference.
local ffi = require "ffi"
local abi = require "moonwire.abi"
local new_tab = require "table.new"

local C = abi.C
local ffi_string, ffi_gc, ffi_new = ffi.string, ffi.gc, ffi.new
local sub = string.sub
local band, bor = require("bit").band, require("bit").bor
local error, ceil, max = error, math.ceil, math.max

local DEFAULT_ENTRIES = 1024
local OTHER_ENTRIES = 64
local ERROR_SIZE = 512

local error_buf = ffi_new("char[?]", ERROR_SIZE)
local name_out = ffi_new("mw_str")
local free_regex, free_template = C.mw_regex_free, C.mw_regex_template_free

local flag_of = {
  a = C.MW_REGEX_ANCHORED,
  d = C.MW_REGEX_DFA,
  D = C.MW_REGEX_DUPNAMES,
  i = C.MW_REGEX_CASELESS,
  j = C.MW_REGEX_JIT,
  J = C.MW_REGEX_JAVASCRIPT,
  m = C.MW_REGEX_MULTILINE,
  o = 0,
  s = C.MW_REGEX_DOTALL,
  u = C.MW_REGEX_UTF,
  U = bor(C.MW_REGEX_UTF, C.MW_REGEX_NO_UTF_CHECK),
  x = C.MW_REGEX_EXTENDED,
}

-- A cache of at most `limit` values under two keys. Two generations: a full young one becomes the old one, whose
-- values move back when they are used, so what is used stays and no list is kept.
local function new_cache(limit)
  return { limit = max(1, ceil(limit / 2)), count = 0, young = {}, old = {} }
end

local function cache_put(cache, first, second, value)
  if cache.count >= cache.limit then
    cache.old, cache.young, cache.count = cache.young, {}, 0
  end
  local row = cache.young[first]
  if not row then
    row = {}
    cache.young[first] = row
  end
  row[second] = value
  cache.count = cache.count + 1
end

local function cache_get(cache, first, second)
  local row = cache.young[first]
  local value = row and row[second]
  if value then
    return value
  end
  row = cache.old[first]
  value = row and row[second]
  if value then
    cache_put(cache, first, second, value)
  end
  return value
end

local is_debug = abi.is_debug
local once_cache = new_cache(DEFAULT_ENTRIES)
local other_cache = new_cache(OTHER_ENTRIES)
local template_cache = new_cache(DEFAULT_ENTRIES)
local parsed_options = {}
local has_cached = false

-- The parsed form of an option string; throws at the caller of the ngx.re function.
local function parse_options(options)
  local flags, is_once, is_dfa, is_dup = 0, false, false, false
  for i = 1, #options do
    local letter = sub(options, i, i)
    local flag = flag_of[letter]
    if not flag then
      error('unknown flag "' .. letter .. '" (flags "' .. options .. '")', 4)
    end
    flags = bor(flags, flag)
    is_once = is_once or letter == "o"
    is_dfa = is_dfa or letter == "d"
    is_dup = is_dup or letter == "D"
  end
  local parsed = { flags = flags, is_once = is_once, is_dfa = is_dfa, is_dup = is_dup }
  parsed_options[options] = parsed
  return parsed
end

local function read_names(handle)
  local count = handle.name_count
  local names = new_tab(count * 2, 0)
  for i = 0, count - 1 do
    names[2 * i + 1] = C.mw_regex_name(handle, i, name_out)
    names[2 * i + 2] = ffi_string(name_out.data, name_out.size)
  end
  return names
end

local function compile(regex, options, parsed, cache)
  local handle = C.mw_regex_compile(regex, #regex, parsed.flags, error_buf, ERROR_SIZE)
  if handle == nil then
    return nil, ffi_string(error_buf)
  end
  ffi_gc(handle, free_regex)
  local compiled = {
    handle = handle,
    captures = handle.captures,
    ncaptures = handle.ncaptures,
    is_dup = parsed.is_dup,
    names = handle.name_count > 0 and read_names(handle) or nil,
  }
  if cache then
    cache_put(cache, options, regex, compiled)
  end
  return compiled
end

local regex_cache = {}

--- The compiled form of a pattern, from the cache or anew.
-- @return the entry, or nil and the error string
function regex_cache.get(regex, options)
  options = options or ""
  local cache = once_cache
  local row = cache and cache.young[options]
  local compiled = row and row[regex]
  if compiled then
    return compiled
  end
  local parsed = parsed_options[options] or parse_options(options)
  if parsed.is_once then
    has_cached = true
  else
    cache = other_cache
  end
  if cache and (parsed.is_once or not is_debug) then -- the debug log tells of every pattern that is compiled
    compiled = cache_get(cache, options, regex)
    if compiled then
      return compiled
    end
  end
  return compile(regex, options, parsed, cache)
end

--- An entry for a handle that is used by itself; of `flags` (OpenResty's) 8 means duplicate names.
function regex_cache.described(handle, flags)
  return {
    handle = handle,
    captures = handle.captures,
    ncaptures = handle.ncaptures,
    is_dup = band(flags, 8) ~= 0,
    names = handle.name_count > 0 and read_names(handle) or nil,
  }
end

--- The compiled form of a replacement template.
-- @return the handle, or nil and what is wrong with it
function regex_cache.get_template(text)
  local template = cache_get(template_cache, 1, text)
  if template then
    return template
  end
  template = C.mw_regex_template_compile(text, #text, error_buf, ERROR_SIZE)
  if template == nil then
    return nil, ffi_string(error_buf)
  end
  ffi_gc(template, free_template)
  cache_put(template_cache, 1, text, template)
  return template
end

--- True once a pattern was asked for with the "o" option.
function regex_cache.has_cached()
  return has_cached
end

--- Sets lua_regex_cache_max_entries: 0 caches nothing.
function regex_cache.set_max_entries(n)
  once_cache = n > 0 and new_cache(n) or nil
  other_cache = n > 0 and new_cache(OTHER_ENTRIES) or nil
end

return regex_cache
