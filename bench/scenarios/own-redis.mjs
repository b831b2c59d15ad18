// SPDX-License-Identifier: MIT
// The GET of redis.mjs through each server's own client: lua-resty-redis, as Debian packages it, in nginx, and what Moonwire
// bundles as resty.redis.
export default {
  title: "own redis: one GET, lua-resty-redis in nginx, the bundled resty.redis in Moonwire",
  backend: "redis",
  prepare: "SET key hello\r\n",
  needs: { file: "/usr/share/lua/5.1/nginx/redis.lua", package: "lua-nginx-redis" },
  http: `init_by_lua_block { redis_client = pcall(require, "moonwire") and "resty.redis" or "nginx.redis" }`,
  location: `
    location = /own-redis {
      content_by_lua_block {
        local red = require(redis_client):new()
        red:set_timeout(1000)
        local ok, err = red:connect("127.0.0.1", __BACKEND__)
        if not ok then return ngx.exit(502) end
        local value = red:get("key")
        red:set_keepalive(10000, 100)
        ngx.say(value)
      }
    }`,
  request: { path: "/own-redis" },
  expect: { body: "hello\n" },
};
