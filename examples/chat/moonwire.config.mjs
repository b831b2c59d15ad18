// A chat over WebSocket: a page, a handler in Lua, as many workers as the machine has cores. Messages go from worker to worker
// through Redis when CHAT_REDIS names one (host:port), else through a shared dictionary.
import { defineConfig, lua, luaFile } from "moonwire";

export default defineConfig({
  workerProcesses: process.env.CHAT_WORKERS ?? "auto",
  env: ["CHAT_REDIS"],
  http: {
    luaPackagePath: "$prefix/lua/?.lua;;",
    types: { "text/html": "html", "text/css": "css", "text/javascript": "js" },
    luaSharedDict: { chat: "4m" },
    luaSocketLogErrors: false,
    initWorkerByLua: lua`require("chat.bus").start(require("chat.members").deliver)`,
    server: [
      {
        listen: [`127.0.0.1:${process.env.PORT ?? 8080}`],
        location: {
          "/": { root: "public", index: "index.html" },
          "= /chat": { contentByLua: luaFile("lua/chat/handler.lua") },
        },
      },
    ],
  },
});
