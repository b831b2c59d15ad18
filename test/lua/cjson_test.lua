-- SPDX-License-Identifier: MIT
-- The preloaded cjson and cjson.safe, and what OpenResty programs expect of them beyond lua-cjson 2.1.0.
local t = ...
local cjson = require "cjson"
local safe = require "cjson.safe"

t.eq(cjson.encode { 1, 2, { a = "x/y" } }, '[1,2,{"a":"x\\/y"}]')
t.eq(cjson.decode('{"a":[1,null,true]}').a[1], 1)
t.eq(cjson.decode("[null]")[1], cjson.null)
t.fails("Expected value but found invalid token at character 1", cjson.decode, "nope")
t.eq(select(2, safe.decode "nope"), "Expected value but found invalid token at character 1")
t.eq(select(2, safe.encode(print)), "Cannot serialise function: type not supported")
t.fails("Cannot serialise table: excessively sparse array", cjson.encode, { [1000] = 1 })

-- empty arrays and tagged ones
local c = cjson.new()
t.eq(c.encode {}, "{}")
t.eq(c.encode { a = c.empty_array }, '{"a":[]}')
t.eq(c.encode(setmetatable({}, c.empty_array_mt)), "[]")
t.eq(c.encode(setmetatable({ a = 1 }, c.empty_array_mt)), '{"a":1}')
t.eq(c.encode(setmetatable({ 1 }, c.empty_array_mt)), "[1]")
t.eq(c.encode(setmetatable({}, c.array_mt)), "[]")
t.eq(c.encode(setmetatable({ 1, 2, x = 1 }, c.array_mt)), "[1,2]")
t.eq(c.encode(setmetatable({}, {})), "{}")
t.eq(c.encode_empty_table_as_object(false), false)
t.eq(c.encode { a = {} }, '{"a":[]}')
t.eq(c.encode_empty_table_as_object "on", true)
t.eq(c.encode {}, "{}")
t.eq(c.array_mt, cjson.array_mt)

-- decoding keeps arrays arrays
t.eq(getmetatable(c.decode "[]"), nil)
c.decode_array_with_array_mt(true)
t.eq(getmetatable(c.decode "[]"), c.array_mt)
t.eq(getmetatable(c.decode "{}"), nil)
t.eq(c.encode(c.decode '{"a":[]}'), '{"a":[]}')
t.eq(getmetatable(cjson.decode "[]"), nil)

-- options
t.eq(c.encode_escape_forward_slash(false), false)
t.eq(c.encode { ["a/b"] = 'c/d"' }, '{"a/b":"c/d\\""}')
t.eq(c.encode_number_precision(16), 16)
t.eq(c.encode(0.1 + 0.2), "0.3")
t.fails("expected integer between 1 and 16", c.encode_number_precision, 17)
t.fails("type not supported", c.encode, { a = print })
c.encode_skip_unsupported_value_types(true)
t.eq(c.encode { a = print }, "{}")
t.eq(c.encode { 1, print, 2, coroutine.create(print), c.null, c.empty_array }, "[1,2,null,[]]")
