// SPDX-License-Identifier: MIT
// Cases of resty.http: Lua code in a location, with what it prints.
import { startMoonwire } from "./index.js";

/** The body of a location that runs `code`. It has `http`, `show(...)` (without nils at the end), and `open(port, pool)`: an object connected to it. */
export async function runHttp(t, code, { http = "" } = {}) {
  const s = await startMoonwire(t, {
    http: `lua_socket_log_errors off; ${http}`,
    server: `location /t { content_by_lua_block {
      local http = require "resty.http"
      local function show(...)
        local out, n = {}, select("#", ...)
        while n > 1 and select(n, ...) == nil do n = n - 1 end
        for i = 1, n do out[i] = tostring((select(i, ...))) end
        ngx.say(table.concat(out, " "))
      end
      local function open(port, pool)
        local c = http.new() c:set_timeouts(5000, 5000, 5000)
        assert(c:connect { scheme = "http", host = "127.0.0.1", port = port, pool = pool })
        return c
      end
      ${code} } }`,
  });
  const answer = await s.get("/t");
  return answer.status === 200 ? answer.body : `${answer.status}\n${s.log()}`;
}

/** The lines of a text that ends with a line's end. */
export const lines = (text) => text.replace(/\n$/, "").split("\n");
