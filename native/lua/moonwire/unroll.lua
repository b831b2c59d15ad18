-- SPDX-License-Identifier: MIT
-- A loop that is none while it is short. LuaJIT compiles a loop that turns as a trace of its own, and gives a trace up that
-- meets it: a handler whose every call runs through one would stay interpreted. Behind straight code its trace goes on.
local TURNS = 24

local source = { "return function(n, f, a, b) " }
for i = 0, TURNS - 1 do
  source[#source + 1] = ("if n == %d then return end f(a, b, %d) "):format(i, i)
end
source[#source + 1] = ("for i = %d, n - 1 do f(a, b, i) end end"):format(TURNS)

--- Calls `f(a, b, i)` for each i from 0 to n - 1, the first of them without a loop.
-- @param n a whole number, not negative
return assert(load(table.concat(source), "=[moonwire]/moonwire/unroll.lua"))()
