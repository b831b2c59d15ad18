-- SPDX-License-Identifier: MIT
-- ngx.shared.DICT as Lua sees it: return values, error strings, misuse, type rules. Run by test/native/shm_lua_test.cpp,
-- which passes create(name, size) -> handle; time moves when a case says so. Returns the failures and the number of cases.
local create = ...
local abi = require "moonwire.abi"
local wrap = require "moonwire.shdict"

local failures, case = {}, "?"
local function text(...)
  local parts = { n = select("#", ...), ... }
  for i = 1, parts.n do
    parts[i] = tostring(parts[i])
  end
  return table.concat(parts, " ")
end
local function check(want, ...)
  local got = text(...)
  if got ~= want then
    failures[#failures + 1] = ("%s:%d: %s, not %s"):format(case, debug.getinfo(2, "l").currentline, got, want)
  end
end
local function sleep(seconds)
  abi.W.now_ms = abi.W.now_ms + seconds * 1000
end
local function zone(size, name)
  return wrap(create(name or "dogs", size or 1024 * 1024))
end
--- What a misused call throws, with the position that OpenResty's has: that of the caller.
local function thrown(f)
  local ok, err = pcall(f)
  return ok and "nothing" or (err:gsub("^.*shdict%.lua:%d+: ", "here: "))
end

local cases = {}

function cases.values()
  local dogs = zone()
  check("true nil false", dogs:set("foo", 32))
  check("32", dogs:get("foo"))
  check("true nil false", dogs:set("foo", "hello, world", 0, 199))
  check("hello, world 199", dogs:get("foo"))
  dogs:set("foo", true, 0, 5678)
  check("true 5678", dogs:get("foo"))
  dogs:set("foo", false)
  check("false", dogs:get("foo"))
  dogs:set("foo", "")
  check("", dogs:get("foo"))
  dogs:set("a\0b", "\0\255")
  check("\0\255", dogs:get("a\0b"))
  dogs:set("big", ("helloworld"):rep(1024))
  check("10240", #dogs:get("big"))
  dogs:set("huge", ("x"):rep(300000))
  check("300000", #dogs:get("huge"))
  check("nil", dogs:get("none"))
  for _, n in ipairs { 0.1, -1e300, 1 / 0, 2 ^ 53 } do
    dogs:set("n", n)
    check(tostring(n), dogs:get("n"))
  end
  dogs:set("f", 1, 0, -1)
  check("1 -1", dogs:get("f"))
end

function cases.number_keys()
  local dogs = zone()
  dogs:set(1024, "hello")
  check("hello", dogs:get("1024"))
  check("hello nil false", dogs:get_stale(1024))
  dogs:set(56, 1)
  check("33", dogs:incr(56, "32"))
  dogs:set(true, 5)
  check("5", dogs:get("true"))
end

function cases.bad_keys()
  local dogs = zone()
  local stores = { set = true, safe_set = true, add = true, safe_add = true, replace = true }
  local readers = { "get", "get_stale", "delete", "ttl", "lpop", "rpop", "llen" }
  for m in pairs(stores) do
    readers[#readers + 1] = m
  end
  for _, m in ipairs(readers) do
    local function call(key)
      if stores[m] then
        return dogs[m](dogs, key, 1)
      end
      return dogs[m](dogs, key)
    end
    check("nil nil key", call(nil))
    check("nil empty key", call "")
    check("nil key too long", call(("a"):rep(65536)))
  end
  check("nil nil key", dogs:incr(nil, 1))
  check("nil empty key", dogs:incr("", 1))
  check("nil key too long", dogs:expire(("a"):rep(65536), 1))
  check("nil nil key", dogs:lpush(nil, 1))
  check("nil empty key", dogs:rpush("", 1))
  local longest = ("a"):rep(65535)
  check("true nil", (text(dogs:set(longest, "hello")):gsub(" false", "")))
  check("hello", dogs:get(longest))
end

function cases.bad_values()
  local dogs = zone()
  check("nil bad value type", dogs:set("foo", dogs))
  check("nil bad value type", dogs:set("foo", print))
  check("false attempt to add or replace nil values false", dogs:add("foo", nil))
  check("false attempt to add or replace nil values false", dogs:replace("foo", nil))
  check("nil bad value type", dogs:lpush("l", true))
  check("nil bad value type", dogs:lpush("l", nil))
end

function cases.misuse()
  local dogs = zone()
  local function call(name, ...)
    local args, n = { ... }, select("#", ...)
    return thrown(function()
      local r = dogs[name](unpack(args, 1, n))
      return r
    end)
  end
  for _, m in ipairs { "get", "set", "incr", "delete", "add", "ttl", "flush_all", "capacity", "free_space", "get_stale" } do
    check('here: bad "zone" argument', call(m, nil, "foo", 1))
    check('here: bad "zone" argument', call(m, { 1 }, "foo", 1))
    check('here: bad "zone" argument', call(m, "foo", 1))
  end
  check('here: bad "zone" argument', call("lpush", 1, 2, 3))
  check('here: bad "exptime" argument', call("set", dogs, "foo", 32, -1))
  check('here: bad "exptime" argument', call("expire", dogs, "foo"))
  check("here: bad init arg: number expected, got string", call("incr", dogs, "a", 1, "b"))
  check("here: cannot convert 'nil' to 'double'", call("incr", dogs, "a"))
  check('here: must provide "init" when providing "init_ttl"', call("incr", dogs, "a", 1, nil, 1))
  check('false bad "init_ttl" argument', pcall(dogs.incr, dogs, "foo", 1, 0, -1))
  check("false bad init_ttl arg: number expected, got string", pcall(dogs.incr, dogs, "foo", 1, 0, "bar"))
  check("here: expecting 3 arguments, but only seen 2", call("lpush", dogs, "l"))
  check("here: expecting 2 arguments, but only seen 1", call("rpop", dogs))
  check("here: expecting 1 or 2 argument(s), but saw 3", call("get_keys", dogs, 1, 2))
  check("here: bad argument #1 to 'get_keys' (number expected, got string)", call("get_keys", dogs, "x"))
  check("here: bad argument #1 to 'flush_expired' (table expected, got string)", call("flush_expired", "x"))
  check("table", type(dogs))
  check("0", dogs.llen({ dogs[1] }, "x")) -- a wrapper that carries the handle
end

function cases.add_replace_delete()
  local dogs = zone()
  check("false not found false", dogs:replace("foo", 10502))
  check("true nil false", dogs:add("foo", 32))
  check("false exists false", dogs:add("foo", 10502))
  check("true nil false", dogs:replace("foo", "hello"))
  check("true nil false", dogs:delete("foo"))
  check("true nil false", dogs:delete("foo"))
  check("nil", dogs:get("foo"))
  dogs:set("foo", 1)
  check("true nil false", dogs:set("foo", nil))
  check("nil", dogs:get("foo"))
  dogs:set("bar", 1, 0.001)
  dogs:set("baz", 1, 0.001)
  dogs:set("foo", "hi", 0.001)
  sleep(0.002)
  check("false not found false", dogs:replace("foo", "hello"))
  check("true nil false", dogs:add("foo", "hello"))
  check("hello", dogs:get("foo"))
end

function cases.expiry()
  local dogs = zone()
  dogs:set("foo", 32, 0.01, 255)
  dogs:set("blah", 33, 0.3)
  sleep(0.01)
  check("32 255 true", dogs:get_stale("foo"))
  check("33 nil false", dogs:get_stale("blah"))
  check("nil", dogs:get("foo"))
  check("0.29", dogs:ttl("blah"))
  check("true", dogs:expire("blah", 0.5))
  check("0.5", dogs:ttl("blah"))
  check("true", dogs:expire("blah", 0))
  check("0", dogs:ttl("blah"))
  check("nil not found", dogs:ttl("none"))
  check("nil not found", dogs:expire("none", 1))
  dogs:set("long", true, 2 ^ 31)
  check("2147483648", dogs:ttl("long"))
  dogs:incr("n", 1, 0, 2 ^ 31)
  check("2147483648", dogs:ttl("n"))
end

function cases.incr()
  local dogs = zone()
  check("nil not found", dogs:incr("foo", 2))
  check("10503 nil false", dogs:incr("foo", 10502, 1))
  check("10503", dogs:incr("foo", 0))
  check("10502.86", dogs:incr("foo", -0.14))
  dogs:set("foo", true)
  check("nil not a number", dogs:incr("foo", 1, 0))
  check("1 nil false", dogs:incr("t", 1, 0, "0.01"))
  check("2 nil false", dogs:incr("t", 1, 0, 9))
  sleep(0.01)
  check("nil", dogs:get("t"))
end

function cases.lists()
  local dogs = zone()
  check("1", dogs:lpush("foo", "bar"))
  check("nil value is a list", dogs:get("foo"))
  check("nil not a number", dogs:incr("foo", 1))
  check("false exists false", dogs:add("foo", "bar"))
  check("foo", dogs:get_keys()[1])
  check("2", dogs:rpush("foo", 2.5))
  check("2", dogs:llen("foo"))
  check("bar", dogs:lpop("foo"))
  check("2.5", dogs:rpop("foo"))
  check("nil", dogs:lpop("foo"))
  check("0", dogs:llen("foo"))
  dogs:set("foo", "bar")
  check("nil value not a list", dogs:lpush("foo", "bar"))
  check("nil value not a list", dogs:rpop("foo"))
  check("nil value not a list", dogs:llen("foo"))
  dogs:lpush("l", ("y"):rep(10000))
  check("10000", #dogs:lpop("l"))
  dogs:lpush("cc", 1)
  dogs:lpush("aa", 1)
  dogs:expire("aa", 0.2)
  sleep(0.3)
  check("1", dogs:lpush("aa", 2))
  check("2", dogs:lpop("aa"))
  check("nil", dogs:lpop("aa"))
  dogs:lpush("aa", 1)
  check("true nil false", dogs:delete("aa"))
  check("nil", dogs:get("aa"))
end

function cases.list_fills_and_expires()
  local dogs = zone(900 * 1024)
  local function fill(first, step)
    local i, n = first, 0
    while dogs:lpush(("%05d"):format(i), i) do
      i, n = i + step, n + 1
    end
    return n
  end
  local max = fill(1, 1)
  check(tostring(max), #dogs:get_keys(0))
  check("nil no memory", dogs:lpush("99998", 1))
  dogs:flush_all()
  check("0", #dogs:get_keys(0))
  check(tostring(max), fill(100000, -1))
  dogs:flush_all()
  dogs:flush_expired()
  check(tostring(max), fill(1, 1))
end

function cases.incr_on_expired_lists()
  local dogs = zone()
  local long = ("foo"):rep(10 * 1024)
  for _ = 1, 100 do
    for j = 1, 10 do
      check("1", dogs:lpush("list" .. j, long))
    end
    dogs:flush_all()
    for j = 10, 1, -1 do
      check("1 nil false", dogs:incr("list" .. j, 1, 0))
    end
    dogs:flush_all()
  end
end

function cases.flush_and_keys()
  local dogs = zone()
  check("0", dogs:flush_expired())
  check("0", #dogs:get_keys())
  for i = 1, 100 do
    dogs:set(tostring(i), "x", 1)
  end
  dogs:set("bah", "y", 0)
  dogs:set("bar", "z", 100)
  sleep(1.5)
  check("2", #dogs:get_keys())
  check("bah bar", unpack(dogs:get_keys()))
  check("1", #dogs:get_keys(1))
  check("42", dogs:flush_expired(42))
  check("58", dogs:flush_expired(0))
  dogs:flush_all()
  check("nil", dogs:get("bar"))
  for i = 1, 2048 do
    dogs:set(tostring(i), i)
  end
  check("1024", #dogs:get_keys())
  check("2048", #dogs:get_keys(0))
end

function cases.full()
  local dogs = zone(100 * 1024)
  local function fill(method, length)
    for i = 1, 1000 do
      local ok, err, forcible = dogs[method](dogs, "key_" .. i, length(i))
      if not ok or forcible then
        return i, ok, err, forcible
      end
    end
  end
  local function fixed(i)
    return (" hello"):rep(10) .. i
  end
  check("353 false no memory false", fill("safe_set", fixed))
  check("nil", dogs:get("key_353"))
  check("1 false exists false", fill("safe_add", fixed))
  check("353 true nil true", fill("set", fixed))
  check("nil", dogs:get("key_1"))
  check(fixed(2), dogs:get("key_2"))
  dogs = zone(100 * 1024)
  local at = fill("set", function(i)
    return ("hello"):rep(i)
  end)
  check("true " .. at, at == 140 or at == 141, at)
  dogs = zone(50 * 1024)
  check("false no memory false", dogs:set("foo", ("helloworld"):rep(10000)))
  dogs:set("bah", "hello")
  check("false no memory true", dogs:set("foo", ("helloworld"):rep(10000)))
end

function cases.incr_evicts()
  local dogs = zone()
  local prefix = ("1234567890"):rep(100)
  for i = 1, 1000 do
    local _, _, forcible = dogs:set(prefix .. i, i)
    if forcible then
      dogs:delete(prefix .. i)
      break
    end
  end
  check("10502 nil false", dogs:incr(prefix .. "bar", 10502, 0))
  check("10502 nil true", dogs:incr(prefix .. "foo", 10502, 0))
end

function cases.sizes()
  local cats, birds = zone(16 * 1024, "cats"), zone(100 * 1024, "birds")
  check("16384", cats:capacity())
  check("4096", cats:free_space())
  check("90112", birds:free_space())
  local first
  for i = 1, 1000 do
    local _, _, forcible = birds:set(("key%05d"):format(i), ("val%05d"):format(i))
    if forcible then
      first = i
      break
    end
  end
  check("736 0", first, birds:free_space())
end

function cases.compiled()
  local dogs = zone()
  local sum = 0
  for i = 1, 3000 do
    dogs:set("k", i)
    sum = sum + dogs:get("k") + dogs:incr("n", 1, 0)
    dogs:set("s", "v" .. i, 0, i)
    local value, flags = dogs:get("s")
    if value ~= "v" .. i or flags ~= i then
      check("v" .. i .. " " .. i, value, flags)
    end
  end
  check("9003000", sum)
end

local names = {}
for name in pairs(cases) do
  names[#names + 1] = name
end
table.sort(names)
for _, name in ipairs(names) do
  case = name
  local ok, err = xpcall(cases[name], debug.traceback)
  if not ok then
    failures[#failures + 1] = name .. ": " .. tostring(err)
  end
end
return table.concat(failures, "\n"), #names
