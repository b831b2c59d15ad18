// SPDX-License-Identifier: MIT
// The GET of redis.mjs through resty.redis: the same Lua file for all contenders.
import { luaFolder } from "../lib/lua-folder.mjs";

export default {
  title: "resty.redis: one GET over a pooled connection",
  backend: "redis",
  prepare: "SET key hello\r\n",
  http: `lua_package_path "${luaFolder("resty/redis.lua")}/?.lua;;";`,
  location: `
    location = /resty-redis {
      content_by_lua_block {
        local red = require("resty.redis"):new()
        red:set_timeouts(1000, 1000, 1000)
        local ok, err = red:connect("127.0.0.1", __BACKEND__)
        if not ok then return ngx.exit(502) end
        local value = red:get("key")
        red:set_keepalive(10000, 100)
        ngx.say(value)
      }
    }`,
  request: { path: "/resty-redis" },
  expect: { body: "hello\n" },
};
