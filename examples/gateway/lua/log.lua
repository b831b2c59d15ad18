-- SPDX-License-Identifier: MIT
-- One line of JSON in Redis for each request; in the error log where Redis does not take it. The client has its answer by now.
local cjson = require "cjson"
local store = require "gateway.store"

local line = cjson.encode {
  time = ngx.var.time_iso8601,
  client = ngx.ctx.client,
  method = ngx.var.request_method,
  uri = ngx.var.request_uri,
  status = ngx.status,
  bytes = tonumber(ngx.var.bytes_sent),
  seconds = tonumber(ngx.var.request_time),
}
local ok, err = store.log(line)
if not ok then
  ngx.log(ngx.ERR, "access log: redis: ", err, ": ", line)
end
