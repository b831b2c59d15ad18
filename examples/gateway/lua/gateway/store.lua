-- SPDX-License-Identifier: MIT
-- What the gateway keeps in Redis: clients (`client:KEY`, a hash of name and limit), the count of each client's requests in the
-- current window, and the access log. Every call is one round trip on a pooled connection.
local redis = require "resty.redis"

local store = {}

local WINDOW = 60 -- seconds in which a client may make `limit` requests
local LOG_LINES = 10000 -- how many the access log keeps
local IDLE, POOL = 60000, 64

local host, port, timeout -- of setup

-- In one step, so that no other gateway counts in between: { known, name, limit, count, seconds left }.
local COUNT = [[
  local name, limit = unpack(redis.call("HMGET", KEYS[1], "name", "limit"))
  if not name then return { 0 } end
  local count = redis.call("INCR", KEYS[2])
  if count == 1 then redis.call("EXPIRE", KEYS[2], ARGV[1]) end
  return { 1, name, tonumber(limit), count, redis.call("TTL", KEYS[2]) }
]]

--- Where Redis is, and how long, in ms, each of connect, send and read may take; called once, in init_by_lua.
function store.setup(redis_host, redis_port, redis_timeout)
  host, port, timeout = redis_host, redis_port, redis_timeout
end

--- Runs use(red) with a connection; what it returns, or nil and the reason.
local function with_redis(use)
  local red = redis:new()
  red:set_timeouts(timeout, timeout, timeout)
  local ok, err = red:connect(host, port)
  if not ok then
    return nil, err
  end
  local result
  result, err = use(red)
  if result ~= nil and result ~= false then
    red:set_keepalive(IDLE, POOL)
  else
    red:close()
  end
  return result, err
end

--- Counts a request of the client with that key.
-- @return { name, limit, count, reset }, or false when no client has the key; or nil and why Redis could not tell
function store.count(key)
  local found, err = with_redis(function(red)
    return red:eval(COUNT, 2, "client:" .. key, "count:" .. key, WINDOW)
  end)
  if not found then
    return nil, err
  elseif found[1] == 0 then
    return false
  end
  return { name = found[2], limit = found[3], count = found[4], reset = found[5] }
end

--- Adds a line to the access log.
-- @return true, or nil and the reason
function store.log(line)
  local replies, err = with_redis(function(red)
    red:init_pipeline(2)
    red:rpush("access_log", line)
    red:ltrim("access_log", -LOG_LINES, -1)
    return red:commit_pipeline()
  end)
  if not replies then
    return nil, err
  elseif type(replies[1]) == "table" then -- Redis answered with an error
    return nil, replies[1][2]
  end
  return true
end

return store
