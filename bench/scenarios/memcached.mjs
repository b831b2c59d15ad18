// SPDX-License-Identifier: MIT
// One get a request through resty.memcached over a pooled connection: the same Lua file for all contenders.
import { luaFolder } from "../lib/lua-folder.mjs";

export default {
  title: "resty.memcached: one get over a pooled connection",
  backend: "memcached",
  prepare: "set key 0 0 5\r\nhello\r\n",
  http: `lua_package_path "${luaFolder("resty/memcached.lua")}/?.lua;;";`,
  location: `
    location = /memcached {
      content_by_lua_block {
        local memc = require("resty.memcached"):new()
        memc:set_timeout(1000)
        local ok, err = memc:connect("127.0.0.1", __BACKEND__)
        if not ok then return ngx.exit(502) end
        local value = memc:get("key")
        memc:set_keepalive(10000, 100)
        ngx.say(value)
      }
    }`,
  request: { path: "/memcached" },
  expect: { body: "hello\n" },
};
