// SPDX-License-Identifier: MIT
// Which error log a line goes to: that of the location its code was written in, requests or not.
import test from "ava";
import { startMoonwire, waitFor } from "../helpers/index.js";

test("timers, init_worker and `if` blocks log where their configuration says", async (t) => {
  const s = await startMoonwire(t, {
    conf: `worker_processes 1; error_log logs/main.log; events { }
      http { error_log logs/http.log; access_log off;
        init_worker_by_lua_block {
          ngx.log(ngx.ERR, "from init_worker")
          ngx.timer.at(0, function() ngx.log(ngx.ERR, "from its timer") error("and an error of it") end)
        }
        exit_worker_by_lua_block { ngx.log(ngx.ERR, "from exit_worker") }
        server { listen 127.0.0.1:__PORT__;
          location = /timer { error_log logs/location.log;
            content_by_lua_block { ngx.timer.at(0, function() ngx.log(ngx.ERR, "from a timer there") end) ngx.say("ok") } }
          location = /if { set $a 1; access_log logs/access.log combined;
            if ($a) { access_log logs/if.log combined; content_by_lua_block { ngx.log(ngx.ERR, "from an if") ngx.say("ok") } } }
        } }`,
  });
  t.is((await s.get("/timer")).body, "ok\n");
  t.is((await s.get("/if")).body, "ok\n");
  await waitFor(() => s.log("logs/location.log").includes("from a timer there"), "the timer of /timer");
  await waitFor(() => s.log("logs/http.log").includes("and an error of it"), "the timer of init_worker");
  t.regex(s.log("logs/if.log"), /"GET \/if HTTP\/1\.1" 200/);
  await s.server.close({ drainMs: 1000 });
  for (const line of ["from init_worker", "from its timer", "from an if", "from exit_worker"])
    t.true(s.log("logs/http.log").includes(line), line);
  t.is(s.log("logs/main.log"), "");
});
