// SPDX-License-Identifier: MIT
export default {
  title: "phases: rewrite, access, content, header_filter, log",
  location: `
    location = /phases {
      rewrite_by_lua_block { ngx.ctx.started = ngx.now() }
      access_by_lua_block { if ngx.var.arg_deny then return ngx.exit(403) end }
      content_by_lua_block { ngx.say("hello, world") }
      header_filter_by_lua_block { ngx.header["X-Phase"] = "header_filter" }
      log_by_lua_block { ngx.ctx.took = ngx.now() - ngx.ctx.started }
    }`,
  request: { path: "/phases" },
  expect: { body: "hello, world\n", headers: { "x-phase": "header_filter" } },
  limit: { headers: "X-Phase: header_filter\r\n" },
};
