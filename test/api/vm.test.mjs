// SPDX-License-Identifier: MIT
// The VM around the handlers: phases, worker, config, constants, log, require, cjson, C modules, global guard, errors.
import { existsSync } from "node:fs";
import test from "ava";
import { apiCase, startServer } from "../helpers/api.js";

apiCase("ngx.get_phase in every phase of a request", {
  http: `init_by_lua_block { phases = { ngx.get_phase() } } init_worker_by_lua_block { phases[2] = ngx.get_phase() }`,
  server: `
    location /t {
      rewrite_by_lua_block { phases[3] = ngx.get_phase() }
      access_by_lua_block { phases[4] = ngx.get_phase() }
      content_by_lua_block {
        phases[5] = ngx.get_phase()
        ngx.timer.at(0, function() phases[6] = ngx.get_phase() end)
        ngx.sleep(0.05)
        ngx.say(table.concat(phases, " "))
      }
      header_filter_by_lua_block { ngx.header["X-Phase"] = ngx.get_phase() }
      body_filter_by_lua_block { if not ngx.arg[2] then ngx.arg[1] = ngx.arg[1] .. ngx.get_phase() end }
      log_by_lua_block { ngx.log(ngx.WARN, "phase ", ngx.get_phase()) }
    }`,
  body: "init init_worker rewrite access content timer\nbody_filter",
  headers: { "X-Phase": "header_filter" },
  log: /phase log/,
});

apiCase("ngx.worker", {
  content: `
    local w = ngx.worker
    ngx.say(w.id(), " ", w.count(), " ", w.exiting(), " ", type(w.pid()), " ", tostring(w.pid()) == ngx.var.pid)`,
  body: "0 1 false number true\n",
});

apiCase("ngx.config", {
  content: `
    local c = ngx.config
    ngx.say(c.subsystem, " ", type(c.debug), " ", c.nginx_version > 1022000, " ", c.ngx_lua_version > 10000, " ",
      type(c.nginx_configure()), " ", (c.prefix():gsub("^.*/moonwire%-test%-[^/]*/?$", "ok")))`,
  body: "http boolean true true string ok\n",
});

apiCase("constants", {
  content: `
    ngx.say(ngx.OK, ngx.ERROR, ngx.AGAIN, ngx.DONE, ngx.DECLINED, " ", tostring(ngx.null))
    ngx.say(ngx.HTTP_GET, " ", ngx.HTTP_HEAD, " ", ngx.HTTP_PUT, " ", ngx.HTTP_POST, " ", ngx.HTTP_DELETE, " ", ngx.HTTP_OPTIONS,
      " ", ngx.HTTP_PATCH, " ", ngx.HTTP_TRACE)
    ngx.say(ngx.STDERR, ngx.EMERG, ngx.ALERT, ngx.CRIT, ngx.ERR, ngx.WARN, ngx.NOTICE, ngx.INFO, ngx.DEBUG)
    ngx.say(ngx.HTTP_OK, ngx.HTTP_SPECIAL_RESPONSE, ngx.HTTP_NOT_FOUND, ngx.HTTP_CLOSE, ngx.HTTP_METHOD_NOT_IMPLEMENTED)`,
  body: "0-1-2-4-5 userdata: NULL\n2 4 16 8 32 512 16384 32768\n012345678\n200300404444501\n",
});

apiCase("ngx.log: level, position, function, all types; below the level nothing", {
  content: `
    local function inner() ngx.log(ngx.ERR, "one ", 2, nil, true, " ", ngx.null, setmetatable({}, { __tostring = function() return "T" end })) end
    inner()
    ngx.log(ngx.DEBUG, "hidden")
    print("by ", "print")
    ngx.say(pcall(ngx.log, ngx.ERR, {}))`,
  body: /^false.*bad argument #1 to '.*' \(expected table to have __tostring metamethod\)\n$/,
  log: [
    /\[error\] \d+#\d+: \*\d+ \[lua\] content_by_lua\(nginx\.conf:\d+\):\d+: inner\(\): one 2niltrue nullT, client: 127\.0\.0\.1, server: [^,]*, request: "GET \/t HTTP\/1\.1", host: "/,
    /\[notice\] \d+#\d+: \*\d+ \[lua\] content_by_lua\(nginx\.conf:\d+\):\d+: by print/,
  ],
  noLog: /hidden/,
});

apiCase("require: a module of the user, its state kept, an error in it, a missing one", {
  files: {
    "mine.lua": `local M = { n = 0 } function M.next() M.n = M.n + 1 return M.n end return M`,
    "broken.lua": `error("broken module")`,
    "syntax.lua": `local = 1`,
    "old.lua": `module("old", package.seeall) function hello() return "old hello" end`,
  },
  content: `
    local a, b = require("mine"), require "mine"
    ngx.say(a == b, a.next(), b.next())
    ngx.say(select(2, pcall(require, "broken")))
    ngx.say((select(2, pcall(require, "syntax")):gsub("\\n.*", "")))
    ngx.say((select(2, pcall(require, "nowhere")):gsub("\\n.*", "")))
    ngx.say(require("old").hello(), " ", package.loaded.old == require("old"))`,
  body: /^true12\n.*broken\.lua:1: broken module\nerror loading module 'syntax' from file '.*syntax\.lua':\nmodule 'nowhere' not found:\nold hello true\n$/,
});

apiCase("a module that waits while it loads", {
  files: { "waits.lua": `ngx.sleep(0.01) return { done = true }` },
  content: `ngx.say(require("waits").done)`,
  body: "true\n",
  ours: "nginx cannot yield across require",
});

apiCase("cjson and cjson.safe", {
  content: `
    local cjson, safe = require "cjson", require "cjson.safe"
    ngx.say(cjson.encode({ 1, 2, { a = "x\\"" } }), " ", cjson.decode('{"a":[1,null]}').a[2] == ngx.null, " ", cjson.encode(ngx.null))
    ngx.say(select("#", safe.decode("{")), " ", (safe.decode("{")), " ", pcall(cjson.decode, "{"))
    ngx.say(cjson.encode(cjson.empty_array), " ", cjson.encode({}))`,
  body: /^\[1,2,\{"a":"x\\""\}\] true null\n2 nil false.*\n\[\] \{\}\n$/,
  ours: "Debian's lua-cjson has no empty_array",
});

const lfs = ["x86_64", "aarch64"].map((a) => `/usr/lib/${a}-linux-gnu/lua/5.1/lfs.so`).find((p) => existsSync(p));
(lfs ? apiCase : (title) => test.skip(title, () => {}))("a Lua C module loads", {
  content: `local lfs = require "lfs" ngx.say(lfs.attributes("/", "mode"), " ", type(lfs.currentdir()))`,
  body: "directory string\n",
});

apiCase("writing a global is warned of once, and works", {
  content: `foo_global = 32 ngx.say(foo_global)`,
  body: "32\n",
  log: /\[warn\] .*writing a global Lua variable \('foo_global'\) which may lead to race conditions between concurrent requests, so prefer the use of 'local' variables/,
});

apiCase("init_by_lua may write globals; all handlers see them", {
  http: `init_by_lua_block { shared_table = { n = 5 } }`,
  content: `ngx.say(shared_table.n)`,
  body: "5\n",
  noLog: /\[warn\]/,
});

for (const [phase, status, words] of [
  ["rewrite", 500, "lua entry thread aborted: runtime error"],
  ["access", 500, "lua entry thread aborted: runtime error"],
  ["content", 500, "lua entry thread aborted: runtime error"],
  ["log", 200, "failed to run log_by_lua\\*"],
]) {
  const ok = phase === "content" ? "" : `content_by_lua_block { ngx.say("ok") }`;
  apiCase(`a runtime error in ${phase} names its line`, {
    server: `location /t { ${ok} ${phase}_by_lua_block { local x = nil; x.y = 1 } }`,
    status,
    log: new RegExp(
      `\\[error\\] [^\\n]*${words}: ${phase}_by_lua\\(nginx\\.conf:\\d+\\):1: attempt to index local 'x' \\(a nil value\\)\\nstack traceback:`,
    ),
  });
  apiCase(`error(nil) and error(table) in ${phase}`, {
    server: `location /t { ${ok} ${phase}_by_lua_block { error(ngx.var.arg_x and {} or nil) } }`,
    status,
    log: new RegExp(`${words}: unknown reason`),
  });
}

test("a runtime error in a header filter cuts the connection; the server lives on", async (t) => {
  const s = await startServer(t, {
    server: `location /t { content_by_lua_block { ngx.say("x") } header_filter_by_lua_block { error("bad") } }
             location /ok { content_by_lua_block { ngx.say("ok") } }`,
  });
  t.is((await s.raw("GET /t HTTP/1.1\r\nHost: a\r\n\r\n")).toString(), "");
  t.regex(s.log(), /failed to run header_filter_by_lua\*: header_filter_by_lua\(nginx\.conf:\d+\):1: bad/);
  t.is((await s.get("/ok")).body, "ok\n");
});

apiCase("a syntax error is told with its line, and answers 500", {
  server: `location /t { content_by_lua_block {
    local a = = 1
  } }`,
  status: 500,
  log: /failed to load inlined Lua code: content_by_lua\(nginx\.conf:\d+\):2: unexpected symbol near '='/,
});

apiCase("a missing Lua file answers 404, a broken one 500", {
  files: { "bad.lua": "local = 5" },
  server: `location /t { content_by_lua_file __PREFIX__/bad.lua; } location /none { content_by_lua_file __PREFIX__/none.lua; }`,
  path: "/none",
  status: 404,
  log: /failed to load external Lua file ".*none\.lua": cannot open .*none\.lua/,
});
