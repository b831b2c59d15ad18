// SPDX-License-Identifier: MIT
// The GET of redis.mjs through each server's own client: lua-resty-redis, as Debian packages it, in nginx, and what Moonwire
// bundles as resty.redis.
import { redisClient } from "../lib/redis-client.mjs";

export default redisClient({
  title: "own redis: one GET, lua-resty-redis in nginx, the bundled resty.redis in Moonwire",
  path: "/own-redis",
  client: "redis_client",
  http: `init_by_lua_block { redis_client = pcall(require, "moonwire") and "resty.redis" or "nginx.redis" }`,
});
