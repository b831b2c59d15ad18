-- SPDX-License-Identifier: MIT
-- Who asks, and may they: 401 without a key that is known, 429 past the limit. When Redis does not answer, clients that it
-- vouched for in the last minutes pass uncounted; for others there is 503.
local cjson = require "cjson"
local store = require "gateway.store"

local known = ngx.shared.known_clients
local TRUSTED = 300 -- seconds that a client passes without Redis

local function refuse(status, text)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.say(cjson.encode { error = text })
  return ngx.exit(status)
end

local function pass(name)
  ngx.ctx.client = name
  ngx.req.set_header("X-Client", name)
end

local key = ngx.var.http_x_api_key
if not key or key == "" then
  ngx.header["WWW-Authenticate"] = "ApiKey"
  return refuse(401, "no API key in X-Api-Key")
end

local client, err = store.count(key)
if client == nil then
  ngx.log(ngx.ERR, "requests are not counted: redis: ", err)
  local name = known:get(key)
  if not name then
    ngx.header["Retry-After"] = 1
    return refuse(503, "try again later")
  end
  return pass(name)
elseif not client then
  known:delete(key)
  return refuse(401, "unknown API key")
end

known:set(key, client.name, TRUSTED)
ngx.header["RateLimit-Limit"] = client.limit
ngx.header["RateLimit-Remaining"] = math.max(client.limit - client.count, 0)
ngx.header["RateLimit-Reset"] = client.reset
if client.count > client.limit then
  ngx.ctx.client = client.name
  ngx.header["Retry-After"] = client.reset
  return refuse(429, "rate limit exceeded")
end
pass(client.name)
