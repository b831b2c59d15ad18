// SPDX-License-Identifier: MIT
// An API gateway: clients are known by a key, their requests are counted in Redis, what is allowed goes to the upstream, and
// every request is logged to Redis. README.md tells the rest.
import { defineConfig, lua, luaFile } from "moonwire";

const { PORT = "8080", UPSTREAM = "127.0.0.1:8081" } = process.env;
const { REDIS_HOST = "127.0.0.1", REDIS_PORT = "6379", REDIS_TIMEOUT = "250" } = process.env;
const redis = `${JSON.stringify(REDIS_HOST)}, ${Number(REDIS_PORT)}, ${Number(REDIS_TIMEOUT)}`;

export default defineConfig({
  workerProcesses: "auto",
  http: {
    luaPackagePath: "$prefix/lua/?.lua;;",
    luaSharedDict: { known_clients: "10m" },
    initByLua: lua`require("gateway.store").setup(${redis})`,
    accessLog: "off",
    upstream: { api: { server: [UPSTREAM], keepalive: 64 } },
    server: [
      {
        listen: [`127.0.0.1:${PORT}`],
        location: {
          "/": {
            accessByLua: luaFile("lua/access.lua"),
            proxyPass: "http://api",
            proxyHttpVersion: "1.1",
            proxySetHeader: { Connection: "", "X-Api-Key": "" },
            logByLua: luaFile("lua/log.lua"),
          },
        },
      },
    ],
  },
});
