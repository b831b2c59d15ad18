// SPDX-License-Identifier: MIT
// The `env` directive as Lua and its children see it.
import test from "ava";
import { apiCase } from "../helpers/api.js";
import { nginxPrefix } from "../helpers/nginx.js";

const main = `env GIVEN=bar; env EMPTY=; env "QUOTED=it's; $x"; env HOME; env NOT_THERE_AT_ALL;`;

apiCase("env NAME=value: os.getenv in init_by_lua and in a handler, os.execute and io.popen", {
  main,
  http: `init_by_lua_block { seen = os.getenv("GIVEN") }`,
  content: `
    ngx.say(seen, " ", os.getenv("GIVEN"), " [", os.getenv("EMPTY"), "] ", os.getenv("QUOTED"))
    ngx.say(os.getenv("HOME") ~= nil, " ", tostring(os.getenv("NOT_THERE_AT_ALL")))
    ngx.say(io.popen([[echo "$GIVEN [$EMPTY] $QUOTED"]]):read("*l"), " ", os.execute('test "$GIVEN" = nope') == os.execute('exit 1'))
    local done = os.execute('test "$GIVEN" = bar')
    ngx.say(done == 0 or done == true, " ", (select(2, pcall(os.getenv)):gsub("%?", "getenv")))`,
  body: "bar bar [] it's; $x\ntrue nil\nbar [] it's; $x true\ntrue bad argument #1 to 'getenv' (string expected, got no value)\n",
});

apiCase("env NAME=value: children of ngx.pipe, thread pools; other variables stay visible", {
  ours: "Debian's lua-nginx-module has neither, and nginx hides what is not named",
  main: `${main} env GIVEN=second; thread_pool p threads=1;`,
  content: `
    local child = require("ngx.pipe").spawn([[echo "$GIVEN [$EMPTY] $QUOTED ${"${PATH:+path}"}"]])
    ngx.say(child:stdout_read_line())
    ngx.say(require("ngx.pipe").spawn("echo $A$GIVEN", { environ = { "A=own" } }):stdout_read_line())
    ngx.say(select(2, ngx.run_worker_thread("p", "job", "get")))
    ngx.say(os.getenv("PATH") ~= nil)`,
  files: { "job.lua": `return { get = function() return os.getenv("GIVEN") end }` },
  body: "bar [] it's; $x path\nown\nbar\ntrue\n",
});

test("moonwire-nginx: os.getenv forgets what env does not name, from init_by_lua on", async (t) => {
  const s = await nginxPrefix(t, {
    main: "env HOME; env GIVEN=bar;",
    http: `init_by_lua_block { seen = os.getenv("PATH") ~= nil }`,
    server: `location / { content_by_lua_block {
      ngx.print(tostring(seen), " ", tostring(os.getenv("PATH")), " ", os.getenv("HOME") ~= nil, " ", os.getenv("GIVEN")) } }`,
  });
  await s.start();
  t.is((await s.get("/")).body, "true nil true bar");
});
