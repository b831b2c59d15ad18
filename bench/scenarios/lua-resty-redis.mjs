// SPDX-License-Identifier: MIT
// The GET of redis.mjs through lua-resty-redis, as Debian packages it, in all contenders.
import { redisClient } from "../lib/redis-client.mjs";

export default redisClient({
  title: "lua-resty-redis: one GET over a pooled connection, Debian's file in both",
  path: "/lua-resty-redis",
  client: '"nginx.redis"',
  http: `lua_package_path "/usr/share/lua/5.1/?.lua;;";`,
});
