-- JSON from a module of our own and the bundled cjson.
local cjson = require "cjson"
local clock = require "clock"

local zone = ngx.req.get_uri_args().zone or "local"
local now, err = clock.now(zone)

ngx.header.content_type = "application/json"
if not now then
  ngx.status = ngx.HTTP_BAD_REQUEST
  ngx.say(cjson.encode { error = err })
  return
end
ngx.say(cjson.encode { zone = zone, time = now, worker = ngx.worker.id() })
