-- SPDX-License-Identifier: MIT
-- resty.lrucache: a cache of a fixed number of entries in this VM; the one used longest ago makes room. Entries stand in
-- parallel arrays, linked in a ring by use; number 0 is the ring's head, free entries are linked by `after` alone.
local now = ngx.now
local type, tonumber, setmetatable = type, tonumber, setmetatable
local new_tab = require "table.new"

local HEAD = 0

local _M = { _VERSION = "0.15" }
local metatable = { __index = _M }

local function reset(self)
  local before, after = new_tab(self.size, 1), new_tab(self.size, 1)
  for i = 1, self.size do
    after[i] = i < self.size and i + 1 or HEAD
  end
  before[HEAD], after[HEAD] = HEAD, HEAD
  self.before, self.after, self.free = before, after, 1
  self.place, self.used = {}, 0
  self.keys, self.values, self.flags, self.expiry = {}, {}, {}, {}
end

--- Makes a cache of `size` entries. Returns nil and why not.
function _M.new(size)
  size = tonumber(size)
  if not size or size < 1 then
    return nil, "size too small"
  end
  local self = setmetatable({ size = size }, metatable)
  reset(self)
  return self
end

local function unlink(self, i)
  local before, after = self.before, self.after
  local left, right = before[i], after[i]
  after[left], before[right] = right, left
end

local function link_first(self, i)
  local before, after = self.before, self.after
  local first = after[HEAD]
  before[i], after[i] = HEAD, first
  after[HEAD], before[first] = i, i
end

local function use(self, i)
  if self.after[HEAD] ~= i then
    unlink(self, i)
    link_first(self, i)
  end
end

--- The value, nil and the flags; of an expired one nil, the value and the flags.
function _M.get(self, key)
  local i = self.place[key]
  if not i then
    return nil
  end
  use(self, i)
  local expiry = self.expiry[i]
  if expiry >= 0 and expiry < now() then
    return nil, self.values[i], self.flags[i]
  end
  return self.values[i], nil, self.flags[i]
end

local function take_place(self)
  local i = self.free
  if i ~= HEAD then
    self.free = self.after[i]
    self.used = self.used + 1
    return i
  end
  i = self.before[HEAD]
  unlink(self, i)
  self.place[self.keys[i]] = nil
  return i
end

--- Stores a value for `ttl` seconds, or for ever, with a number of the user's.
function _M.set(self, key, value, ttl, flags)
  local i = self.place[key]
  if i then
    use(self, i)
  else
    i = take_place(self)
    self.place[key], self.keys[i] = i, key
    link_first(self, i)
  end
  self.values[i] = value
  self.expiry[i] = ttl and now() + ttl or -1
  self.flags[i] = type(flags) == "number" and flags >= 0 and flags or 0
end

function _M.delete(self, key)
  local i = self.place[key]
  if not i then
    return false
  end
  unlink(self, i)
  self.place[key], self.keys[i], self.values[i] = nil, false, nil
  self.after[i], self.free = self.free, i
  self.used = self.used - 1
  return true
end

function _M.count(self)
  return self.used
end

function _M.capacity(self)
  return self.size
end

--- The keys from the latest used on, at most `max` of them (0: all), in `into` when given.
function _M.get_keys(self, max, into)
  if not max or max == 0 then
    max = self.used
  end
  local keys, n = into or {}, 0
  local i = self.after[HEAD]
  while i ~= HEAD and n < max do
    n = n + 1
    keys[n] = self.keys[i]
    i = self.after[i]
  end
  if into then
    keys[n + 1] = nil
  end
  return keys
end

function _M.flush_all(self)
  reset(self)
end

return _M
