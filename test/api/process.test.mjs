// SPDX-License-Identifier: MIT
// Child processes, worker threads, captured log lines, phases that refuse to wait.
import { apiCase } from "../helpers/api.js";

const ours = "Debian's lua-nginx-module has no such module, or is built without it";

apiCase("ngx.pipe: lines, partial data, both ends of a child, its status", {
  ours,
  content: `
    local pipe = require "ngx.pipe"
    local cat = assert(pipe.spawn({ "/bin/cat" }))
    ngx.say(cat:write({ "a\\nb", 1 }), " ", cat:stdout_read_line(), " ", cat:stdout_read_bytes(2))
    cat:shutdown("stdin")
    local data, err, partial = cat:stdout_read_line()
    ngx.say(data, " ", err, " [", partial, "] ", table.concat({ tostring(cat:wait()) }), " ", select(2, cat:wait()))
    local sh = assert(pipe.spawn("echo out; echo err >&2; exit 3"))
    ngx.say(sh:stdout_read_all(), sh:stderr_read_line(), " ", tostring(select(3, sh:wait())))
    local slow = assert(pipe.spawn({ "sleep", "9" }, { wait_timeout = 20, stdout_read_timeout = 20 }))
    ngx.print(select(2, slow:wait()), " ", select(2, slow:stdout_read_line()), " ", slow:kill(15), " ")
    slow:set_timeouts(nil, nil, nil, 5000)
    ngx.say(select(2, slow:wait()))
    ngx.say(pipe.spawn({ "/nope" }))`,
  body: "4 a b1\nnil closed [] true exited\nout\nerr 3\ntimeout timeout true signal15\nnilNo such file or directory\n",
});

apiCase("ngx.pipe: one reader at a time; a shutdown tells the one that waits", {
  ours,
  content: `
    local cat = assert(require("ngx.pipe").spawn({ "/bin/cat" }))
    local reader = ngx.thread.spawn(function() return select(2, cat:stdout_read_line()) end)
    ngx.say(select(2, cat:stdout_read_line()))
    cat:shutdown("stdout")
    ngx.say(select(2, ngx.thread.wait(reader)))`,
  body: "pipe busy reading\naborted\n",
});

apiCase("ngx.run_worker_thread: values both ways, digests there, errors", {
  ours,
  content: `
    local run = ngx.run_worker_thread
    ngx.say(run("p", "job", "echo", { a = { 1, true } }, "x"))
    ngx.say(run("p", "job", "digest", "hello"))
    ngx.say(run("p", "job", "echo", print))
    local t = {} t.t = t
    ngx.say(run("p", "job", "echo", t))
    ngx.say((select(2, run("p", "job", "fails")):gsub("^.*: ", "")))
    ngx.say(run("p", "job"))
    local all = {}
    for i = 1, 50 do all[i] = ngx.thread.spawn(function() return select(2, run("p", "string", "rep", "x", i)) end) end
    local sum = 0
    for i = 1, 50 do sum = sum + #select(2, ngx.thread.wait(all[i])) end
    ngx.say(sum)`,
  files: {
    "job.lua": `return {
      echo = function(t, x) return t.a[1], t.a[2], x end,
      digest = function(s) return ngx.md5(s) end,
      fails = function() error("oops") end,
    }`,
  },
  body: [
    "true1truex",
    "true5d41402abc4b2a76b9719d911017c592",
    "falseunsupported Lua type: LUA_TFUNCTION in the argument",
    "falsesuspicious circular references, table depth exceed max depth: 100 in the argument",
    "oops",
    "falseexpecting at least 3 arguments",
    "1275\n",
  ].join("\n"),
});

apiCase("ngx.errlog: takes lines, the oldest first, filtered; off without the directive", {
  ours,
  http: "lua_capture_error_log 4k;",
  content: `
    local log = require "ngx.errlog"
    log.set_filter_level(ngx.WARN)
    ngx.log(ngx.INFO, "not this") ngx.log(ngx.WARN, "one") log.raw_log(ngx.ERR, "two")
    local lines = log.get_logs()
    ngx.say(#lines, " ", lines[1], " ", lines[3]:match("one"), " ", lines[4], " ", lines[6]:match(": %*%d+ (two)"))
    ngx.say(#log.get_logs())
    for _ = 1, 200 do ngx.log(ngx.WARN, "many") end
    local left = #log.get_logs(1000) / 3
    ngx.say(left > 5 and left < 60)`,
  body: "6 5 one 4 two\n0\ntrue\n",
});

apiCase("lua_strict_phases: what waits is refused where lua-nginx-module refuses it", {
  ours: "a directive of Moonwire",
  http: "lua_strict_phases on;",
  server: `location = /t {
      content_by_lua_block { ngx.sleep(0.001) ngx.say("waited") }
      header_filter_by_lua_block { ngx.header.x_refused = select(2, pcall(ngx.sleep, 0)) }
      log_by_lua_block { ngx.thread.spawn(function() end) }
    }`,
  body: "waited\n",
  headers: { "X-Refused": "API disabled in the context of header_filter_by_lua*" },
  log: [/failed to run log_by_lua\*: log_by_lua\(nginx\.conf:\d+\):1: API disabled in the context of log_by_lua\*/],
});

apiCase("a write to a global: once per place, with the stack of the handler alone", {
  content: `foo = 1 ngx.say("ok")`,
  body: "ok\n",
  log: [
    /writing a global Lua variable \('foo'\) which may lead to race conditions between concurrent requests, so prefer the use of 'local' variables/,
    /content_by_lua\(nginx\.conf:\d+\):1: in main chunk, client: /,
  ],
});
