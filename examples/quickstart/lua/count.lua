-- One number for all workers, kept in shared memory; it survives a reload.
local count, err = ngx.shared.counters:incr("hits", 1, 0)
if not count then
  ngx.log(ngx.ERR, "cannot count: ", err)
  return ngx.exit(ngx.HTTP_INTERNAL_SERVER_ERROR)
end
ngx.say("hit number ", count)
