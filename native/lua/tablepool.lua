-- SPDX-License-Identifier: MIT
-- tablepool: empty tables for reuse, by a name that their users choose.
local new_tab = require "table.new"
local clear = require "table.clear"

local error, type, setmetatable = error, type, setmetatable

local MAX = 200
local pools = {}

local _M = { _VERSION = "0.03" }

--- An empty table, of the pool or new with room for `narr` and `nrec` members.
function _M.fetch(name, narr, nrec)
  local pool = pools[name]
  local n = pool and pool.n or 0
  if n == 0 then
    return new_tab(narr, nrec)
  end
  local table = pool[n]
  pool[n], pool.n = nil, n - 1
  return table
end

--- Gives a table back; it is emptied unless `no_clear`.
function _M.release(name, table, no_clear)
  if type(table) ~= "table" then
    error("object empty", 2)
  end
  local pool = pools[name]
  if not pool then
    pool = { n = 0 }
    pools[name] = pool
  end
  if not no_clear then
    setmetatable(table, nil)
    clear(table)
  end
  if pool.n < MAX then
    pool.n = pool.n + 1
    pool[pool.n] = table
  end
end

return _M
