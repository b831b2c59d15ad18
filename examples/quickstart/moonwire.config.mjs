// Four endpoints: plain text, JSON, a counter that all workers share, and a page behind an access check.
// Start it with `npm start` in the repository, or `npx moonwire serve` in this folder.
import { defineConfig, lua, luaFile } from "moonwire";

export default defineConfig({
  workerProcesses: "auto",
  http: {
    luaPackagePath: "lua/?.lua;;",
    luaSharedDict: { counters: "1m" },
    server: [
      {
        listen: [`127.0.0.1:${process.env.PORT ?? 8080}`],
        location: {
          "= /": { contentByLua: luaFile("lua/index.lua") },
          "= /hello": { contentByLua: lua`ngx.say("hello, world")` },
          "= /time": { contentByLua: luaFile("lua/time.lua") },
          "= /count": { contentByLua: luaFile("lua/count.lua") },
          "= /private": {
            accessByLua: luaFile("lua/access.lua"),
            contentByLua: lua`ngx.say("welcome, ", ngx.ctx.user)`,
          },
        },
      },
    ],
  },
});
