// SPDX-License-Identifier: MIT
// Ten captures a request: the subrequests' cost, not the connection's, decides.
export default {
  title: "capture: ten subrequests to a Lua location",
  location: `
    location = /capture {
      content_by_lua_block {
        local n = 0
        for _ = 1, 10 do n = n + #ngx.location.capture("/inner").body end
        ngx.say(n)
      }
    }
    location = /inner {
      internal;
      content_by_lua_block { ngx.say("hello, world") }
    }`,
  request: { path: "/capture" },
  expect: { body: "130\n" },
};
