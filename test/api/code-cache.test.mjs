// SPDX-License-Identifier: MIT
// lua_code_cache off: each request loads modules anew and finds no globals of those before it; subrequests share their
// parent's.
import test from "ava";
import { startMoonwire } from "../helpers/index.js";

test("modules and globals are of one request", async (t) => {
  const s = await startMoonwire(t, {
    files: { "lua/m.lua": "return { n = 1 }" },
    http: `lua_package_path "__PREFIX__/lua/?.lua;;"; init_by_lua_block { made = "by init" }`,
    server: `lua_code_cache off;
      location / { content_by_lua_block {
        counter = (counter or 0) + 1
        ngx.print(counter, require("m").n, made, ngx.location.capture("/sub").body) } }
      location /sub { content_by_lua_block { counter = counter + 1 ngx.say(counter) } }`,
  });
  t.is((await s.get("/")).body, "11by init2\n");
  s.write("lua/m.lua", "return { n = 2 }");
  t.is((await s.get("/")).body, "12by init2\n");
});
