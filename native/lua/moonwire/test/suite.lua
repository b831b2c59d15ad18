-- SPDX-License-Identifier: MIT
-- What a spec file says: blocks of tests with their hooks, in busted's words. A file is read once, without a request; the tests
-- are then called by the runner.
local assertions = require "moonwire.test.assert"

local error, setmetatable, type, tostring = error, setmetatable, type, tostring
local getinfo = debug.getinfo

local suite = {}

--- Raised by pending() inside a test.
local Pending = {}
Pending.__tostring = function(p)
  return p.reason
end
suite.Pending = Pending

local function check_function(fn, what, level)
  if type(fn) ~= "function" then
    error("bad argument to '" .. what .. "' (function expected, got " .. type(fn) .. ")", level + 1)
  end
end

local function new_block(name, parent)
  return { name = name, parent = parent, before_each = {}, after_each = {}, setup = {}, teardown = {} }
end

--- Reads the file: its tests in order, each { name, full_name, block, fn, request, where }. Raises what the file raises; `finally`
--- is called with a function that a running test gives to finally().
function suite.read(chunk, on_finally)
  local block = new_block("", nil)
  local tests = {}
  local is_reading = true
  local words = {}

  local function only_while_reading(word)
    if not is_reading then
      error("'" .. word .. "' may not be called inside a test", 3)
    end
  end

  local function full_name(name)
    local parts, at = { name }, block
    while at and at.name ~= "" do
      table.insert(parts, 1, at.name)
      at = at.parent
    end
    return table.concat(parts, " ")
  end

  function words.describe(name, fn)
    only_while_reading "describe"
    check_function(fn, "describe", 2)
    local outer = block
    block = new_block(tostring(name), outer)
    fn()
    block = outer
  end
  words.context, words.insulate, words.expose = words.describe, words.describe, words.describe

  --- it(name, [request,] fn): `request` is what the test's own request is: method, path, headers, body.
  function words.it(name, request, fn)
    only_while_reading "it"
    if fn == nil and type(request) ~= "table" then
      request, fn = nil, request
    end
    if fn ~= nil then
      check_function(fn, "it", 2)
    end
    local info = getinfo(2, "Sl")
    name = tostring(name)
    tests[#tests + 1] = {
      name = name,
      full_name = full_name(name),
      block = block,
      fn = fn,
      request = request,
      where = info.short_src .. ":" .. info.currentline,
    }
  end
  words.spec, words.test = words.it, words.it

  --- A test to be written, or inside one: the rest of it is.
  function words.pending(name)
    if is_reading then
      return words.it(name)
    end
    error(setmetatable({ reason = name and tostring(name) or "" }, Pending), 0)
  end

  function words.finally(fn)
    if is_reading then
      error("'finally' may only be called inside a test", 2)
    end
    check_function(fn, "finally", 2)
    on_finally(fn)
  end

  for word, hook in pairs {
    before_each = "before_each",
    after_each = "after_each",
    setup = "setup",
    lazy_setup = "setup",
    strict_setup = "setup",
    teardown = "teardown",
    lazy_teardown = "teardown",
    strict_teardown = "teardown",
  } do
    words[word] = function(fn)
      only_while_reading(word)
      check_function(fn, word, 2)
      local list = block[hook]
      list[#list + 1] = fn
    end
  end

  words.assert = assertions.assert
  words.fail = function(message)
    assertions.fail(message == nil and "failed" or tostring(message))
  end
  -- Globals, and not the file's own: what it requires may use them as well.
  for word, fn in pairs(words) do
    rawset(_G, word, fn)
  end
  chunk() -- not a tail call, which would hide the file in tracebacks
  is_reading = false
  return tests
end

return suite
