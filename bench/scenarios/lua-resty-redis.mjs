// SPDX-License-Identifier: MIT
// The GET of redis.mjs through lua-resty-redis, as Debian packages it, in all contenders.
export default {
  title: "lua-resty-redis: one GET over a pooled connection, Debian's file in both",
  backend: "redis",
  prepare: "SET key hello\r\n",
  needs: { file: "/usr/share/lua/5.1/nginx/redis.lua", package: "lua-nginx-redis" },
  http: `lua_package_path "/usr/share/lua/5.1/?.lua;;";`,
  location: `
    location = /lua-resty-redis {
      content_by_lua_block {
        local red = require("nginx.redis"):new()
        red:set_timeout(1000)
        local ok, err = red:connect("127.0.0.1", __BACKEND__)
        if not ok then return ngx.exit(502) end
        local value = red:get("key")
        red:set_keepalive(10000, 100)
        ngx.say(value)
      }
    }`,
  request: { path: "/lua-resty-redis" },
  expect: { body: "hello\n" },
};
