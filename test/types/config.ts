// SPDX-License-Identifier: MIT
// The type of a configuration, checked by `npm run typecheck`: each directive takes what it means, and nothing else.
import { defineConfig, lua, luaFile, type Block, type Config } from "moonwire";

export const whole: Config = defineConfig({
  workerProcesses: "auto",
  errorLog: [["logs/error.log", "warn"], "stderr"],
  env: ["A", "B=c"],
  events: { workerConnections: 1024, multiAccept: true },
  http: {
    luaPackagePath: "lua/?.lua;;",
    luaSharedDict: { cache: "10m", small: 65536 },
    initByLua: luaFile("lua/init.lua"),
    logFormat: { short: "$status", long: ["escape=json", "$uri"] },
    accessLog: false,
    keepaliveTimeout: ["75s", 60],
    clientMaxBodySize: "2g",
    sendTimeout: "1h 30m",
    lingeringClose: "always",
    serverTokens: false,
    types: { "text/html": ["html", "htm"], "image/png": "png" },
    server: [
      {
        listen: [8080, "127.0.0.1:8081 default_server", ["unix:/run/x.sock", "backlog=5"]],
        serverName: ["a.com", "*.b.com"],
        set: { $a: "x", $b: 1 },
        location: {
          "= /hello": { contentByLua: lua`ngx.say("hello")`, internal: true },
          "/api/": { accessByLua: luaFile("lua/auth.lua"), return: [200, "ok"], sendfile: "on" },
          "~ \\.php$": { addHeader: { A: "b", C: ["d", "always"] }, errorPage: { "404 500": ["=200", "/e"] } },
          "@named": { tryFiles: "$uri =404", location: {} },
        },
      },
    ],
  },
});

export const location: Block<"location"> = { alias: "/srv/", return: 403, ifModifiedSince: "before" };

// What stands in the wrong block, or in none.
// @ts-expect-error there is no such directive
defineConfig({ bogus: 1 });
// @ts-expect-error listen belongs to a server
defineConfig({ http: { listen: 80 } });
// @ts-expect-error contentByLua belongs to a location
defineConfig({ http: { server: { contentByLua: "x()" } } });
// @ts-expect-error nginx's spelling is for nginx.conf
defineConfig({ http: { send_timeout: 1 } });
defineConfig({ http: { upstream: { api: { server: ["127.0.0.1:9000 weight=2", "unix:/s backup"], keepalive: 8 } } } });
defineConfig({ http: { upstream: { db: { drizzleServer: "127.0.0.1:3306 user=app", drizzleKeepalive: "max=8" } } } });
defineConfig({
  http: {
    upstream: {
      a: { server: "127.0.0.1:9000 max_conns=9", zone: "a 64k", hash: ["$uri", "consistent"] },
      b: { server: "127.0.0.1:9000", leastConn: true },
      c: { server: "127.0.0.1:9000", random: "two" },
    },
  },
});
// @ts-expect-error it stands or it does not
defineConfig({ http: { upstream: { a: { server: "127.0.0.1:9000", ipHash: "on" } } } });
// @ts-expect-error an upstream has servers
defineConfig({ http: { upstream: { api: { keepalive: 8 } } } });
defineConfig({
  http: { server: { location: { "/": { proxyPass: "http://api", proxySetHeader: { Host: "$host" } } } } },
});

// What a directive does not take.
// @ts-expect-error a flag is a boolean, "on" or "off"
defineConfig({ http: { sendfile: "yes" } });
// @ts-expect-error a number is not a word
defineConfig({ http: { keepaliveRequests: "many" } });
// @ts-expect-error no such unit
defineConfig({ http: { sendTimeout: "5q" } });
// @ts-expect-error no such unit of size
defineConfig({ http: { clientBodyBufferSize: "1x" } });
// @ts-expect-error g is a unit of client_max_body_size alone
defineConfig({ http: { clientBodyBufferSize: "1g" } });
// @ts-expect-error one of off, on, always
defineConfig({ http: { lingeringClose: "sometimes" } });
// @ts-expect-error exact has no boolean
defineConfig({ http: { ifModifiedSince: true } });
// @ts-expect-error "auto" or a number
defineConfig({ workerProcesses: "all" });
// @ts-expect-error no such level
defineConfig({ errorLog: [["stderr", "loud"]] });
// @ts-expect-error a folder is one name
defineConfig({ http: { root: ["a", "b"] } });
// @ts-expect-error variables begin with $
defineConfig({ http: { server: { set: { a: "x" } } } });
// @ts-expect-error Lua is a string, lua`` or luaFile()
defineConfig({ http: { logByLua: () => {} } });
// @ts-expect-error only "always" may follow
defineConfig({ http: { addHeader: { A: ["b", "never"] } } });
// @ts-expect-error blocks hold objects
defineConfig({ http: { server: { location: { "/": "x" } } } });
// @ts-expect-error large buffers are two words
defineConfig({ http: { largeClientHeaderBuffers: [4] } });
// @ts-expect-error internal takes no words
defineConfig({ http: { server: { location: { "/": { internal: "on" } } } } });
