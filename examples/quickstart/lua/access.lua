-- The access phase decides before any content is made.
local token = ngx.var.http_authorization
if token ~= "Bearer moon" then
  ngx.header.www_authenticate = "Bearer"
  return ngx.exit(ngx.HTTP_UNAUTHORIZED)
end
ngx.ctx.user = "moon"
