-- SPDX-License-Identifier: MIT
-- `assert` of specs: still the function, and a table of assertions under the names that busted's users know. A name is words joined
-- by dots or underscores: assert.is_not_nil(v), assert.is.Not.Nil(v), assert.has_no.errors(f). A failed one raises a Failure,
-- which the runner tells from other errors.
local show = require "moonwire.test.show"

local error, pcall, select, setmetatable, tostring, type = error, pcall, select, setmetatable, tostring, type
local find, gmatch, lower = string.find, string.gmatch, string.lower
local labelled = show.labelled

local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(failure)
  return failure.message
end

-- What stands in a name for the sound of it, and what turns it round.
local QUIET =
  { is = true, are = true, was = true, were = true, has = true, have = true, does = true, be = true, a = true }
local NEGATIONS = { ["not"] = true, no = true, isnt = true }

local function expected_and_passed(expected, passed)
  return labelled("Passed in:", passed) .. "\n" .. labelled("Expected:", expected)
end

local function type_check(name)
  return function(v)
    return type(v) == name, "a " .. name, labelled("Passed in:", v)
  end
end

--- Each returns whether it holds, what it says ("Expected <what>"), and the values to show. `n` arguments stand before a message.
local checks = {
  equal = function(expected, passed)
    return expected == passed, "values to be equal", expected_and_passed(expected, passed)
  end,
  same = function(expected, passed)
    local where = show.difference(expected, passed)
    local text = expected_and_passed(expected, passed)
    return show.is_same(expected, passed),
      "values to be the same",
      where and text .. "\nThey differ at " .. where or text
  end,
  ["true"] = function(v)
    return v == true, "true", labelled("Passed in:", v)
  end,
  ["false"] = function(v)
    return v == false, "false", labelled("Passed in:", v)
  end,
  ["nil"] = function(v)
    return v == nil, "nil", labelled("Passed in:", v)
  end,
  truthy = function(v)
    return not not v, "a value that counts as true", labelled("Passed in:", v)
  end,
  falsy = function(v)
    return not v, "nil or false", labelled("Passed in:", v)
  end,
  matches = function(pattern, text)
    local is_match = type(text) == "string" and find(text, pattern) ~= nil
    return is_match, "a string that matches", labelled("Passed in:", text) .. "\n" .. labelled("Pattern:", pattern)
  end,
  near = function(expected, passed, tolerance)
    local is_near = type(passed) == "number" and passed >= expected - tolerance and passed <= expected + tolerance
    return is_near, "a number within " .. tostring(tolerance), expected_and_passed(expected, passed)
  end,
  error = function(fn, expected)
    local ok, raised = pcall(fn)
    if ok then
      return false, "an error", expected ~= nil and labelled("Expected:", expected) or "None was raised"
    elseif expected == nil then
      return true, "an error", labelled("Caught:", raised)
    end
    -- A message is compared without the place that error() puts before it.
    local bare = type(raised) == "string" and raised:gsub("^[^\n]-:%d+: ", "", 1) or raised
    local is_it = show.is_same(expected, raised) or show.is_same(expected, bare)
    return is_it, "another error", labelled("Caught:", raised) .. "\n" .. labelled("Expected:", expected)
  end,
  error_matches = function(fn, pattern)
    local ok, raised = pcall(fn)
    local is_match = not ok and find(tostring(raised), pattern) ~= nil
    local text = ok and "None was raised" or labelled("Caught:", raised)
    return is_match, "an error that matches", text .. "\n" .. labelled("Pattern:", pattern)
  end,
}
local ARGUMENTS = { equal = 2, same = 2, matches = 2, near = 3, error = 2, error_matches = 2 }
local OTHER_NAMES = {
  equals = "equal",
  truthy = "truthy",
  falsey = "falsy",
  match = "matches",
  errors = "error",
  ["error_match"] = "error_matches",
  ["errors_match"] = "error_matches",
}
for name in gmatch("boolean number string table function thread userdata cdata", "%a+") do
  checks[name] = type_check(name)
end

--- Ends the test with a failure. Where it stands is for the traceback to say.
local function fail(message)
  error(setmetatable({ message = message, is_failure = true }, Failure), 0)
end

local function run_check(name, is_negated, ...)
  local holds, what, values = checks[name](...)
  if holds ~= is_negated then
    return ...
  end
  local after = select((ARGUMENTS[name] or 1) + 1, ...)
  local message = after ~= nil and tostring(after) .. "\n" or ""
  fail(message .. "Expected " .. (is_negated and "not " or "") .. what .. "\n" .. values)
end

local Chain = {}

--- A name so far, `words`: another word makes it longer, a call ends it.
local function chain(words)
  return setmetatable({ words = words }, Chain)
end

function Chain.__index(self, key)
  return chain(self.words .. "_" .. tostring(key))
end

function Chain.__call(self, ...)
  local is_negated, rest = false, {}
  for word in gmatch(lower(self.words), "[^_]+") do
    if NEGATIONS[word] then
      is_negated = not is_negated
    elseif not QUIET[word] then
      rest[#rest + 1] = word
    end
  end
  local name = table.concat(rest, "_")
  name = OTHER_NAMES[name] or name
  if not checks[name] then
    error("there is no assertion " .. self.words:gsub("^_", ""), 2)
  end
  return run_check(name, is_negated, ...)
end

local Assert = {}

function Assert.__index(_, key)
  return chain(tostring(key))
end

--- The function assert, with Lua's own words.
function Assert.__call(_, ...)
  local v, message = ...
  if v then
    return ...
  elseif select("#", ...) == 0 then
    error("bad argument #1 to 'assert' (value expected)", 2)
  elseif message == nil then
    message = "assertion failed!"
  end
  if type(message) == "string" then
    fail(message)
  end
  error(message, 0)
end

return { assert = setmetatable({ fail = fail }, Assert), fail = fail }
