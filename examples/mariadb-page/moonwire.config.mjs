// One page; its database is named by the environment, see lua/db.lua.
import { defineConfig, lua, luaFile } from "moonwire";

export default defineConfig({
  env: ["MYSQL_SOCKET", "MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DATABASE"],
  http: {
    luaPackagePath: "$prefix/lua/?.lua;;",
    initByLua: lua`require "db"`,
    server: {
      listen: `127.0.0.1:${process.env.PORT ?? 8080}`,
      clientMaxBodySize: "8k",
      clientBodyBufferSize: "8k",
      location: { "= /": { contentByLua: luaFile("lua/page.lua") } },
    },
  },
});
