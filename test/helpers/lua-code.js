// SPDX-License-Identifier: MIT
// Lua code run in a location, for tests of modules: what it prints, line by line.
import { startMoonwire } from "./index.js";

/**
 * The lines that `code` prints, behind `prelude`. Both have `show(...)`, which prints its arguments without nils at the end;
 * `http` and `server` are more of the configuration.
 */
export async function runLua(t, prelude, code, { http = "", server = "" } = {}) {
  const s = await startMoonwire(t, {
    http: `lua_socket_log_errors off; ${http}`,
    server: `${server} location = /t { content_by_lua_block {
      local function show(...)
        local out, n = {}, select("#", ...)
        while n > 1 and select(n, ...) == nil do n = n - 1 end
        for i = 1, n do out[i] = tostring((select(i, ...))) end
        ngx.say(table.concat(out, " "))
      end
      ${prelude} ${code} } }`,
  });
  const answer = await s.get("/t");
  return answer.status === 200 ? answer.body.replace(/\n$/, "").split("\n") : [String(answer.status), s.log()];
}

/** runLua with `http`, resty.http, and `open(port, pool)`: an object of it that is connected to the port. */
export const runHttp = (t, code, conf) =>
  runLua(
    t,
    `local http = require "resty.http"
    local function open(port, pool)
      local c = http.new() c:set_timeouts(5000, 5000, 5000)
      assert(c:connect { scheme = "http", host = "127.0.0.1", port = port, pool = pool })
      return c
    end `,
    code,
    conf,
  );
