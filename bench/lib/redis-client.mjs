// SPDX-License-Identifier: MIT
// A scenario of one GET a request over a pooled connection, through a client with lua-resty-redis's methods.

/** `client`: a Lua expression for the client's module; `http`: what makes it known. Nginx's is Debian's lua-resty-redis. */
export const redisClient = ({ title, path, client, http }) => ({
  title,
  backend: "redis",
  prepare: "SET key hello\r\n",
  needs: { file: "/usr/share/lua/5.1/nginx/redis.lua", package: "lua-nginx-redis" },
  http,
  location: `
    location = ${path} {
      content_by_lua_block {
        local red = require(${client}):new()
        red:set_timeout(1000)
        local ok, err = red:connect("127.0.0.1", __BACKEND__)
        if not ok then return ngx.exit(502) end
        local value = red:get("key")
        red:set_keepalive(10000, 100)
        ngx.say(value)
      }
    }`,
  request: { path },
  expect: { body: "hello\n" },
});
